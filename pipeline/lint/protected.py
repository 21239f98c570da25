"""The texts of evaluation sets, as guard reads them: a BEIR folder, or a file of rows with queries and texts.

Of a folder the queries judged in a split and all documents are protected; where most documents of the training set come
from its corpus, the corpus is the training set's own, and queries alone are protected.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.guard.config import DOCUMENT, QUERY
from pipeline.guard.one_task import READ
from pipeline.ids import hash_text
from pipeline.lint.files import find_files, read_head, read_rows
from pipeline.lint.layouts.columns import QUERIES
from pipeline.lint.layouts.layout import NEGATIVE, RowFaultError
from pipeline.lint.layouts.registry import find_reading
from pipeline.lint.rows import TrainingSet
from pipeline.readers.compression import PACKED
from schemas import beir
from schemas.errors import RecipeError, rule

_OWN = 0.5  # share of the training set's documents that makes a corpus its own
_TEXTS = ("text", "contents", "passage", "document")
Row = tuple[str, str, str]  # id, role, text


def read_protected(place: str, split: str) -> list[Row]:
    """Return the protected texts of one evaluation set. Raises: RecipeError for a place that holds none."""
    rows = list(_read_folder(Path(place), split) if Path(place).is_dir() else _read_file(place))
    if not rows:
        raise RecipeError(rule("--against", "an evaluation set with texts", place))
    return rows


def make_table(rows: TrainingSet, sets: dict[str, list[Row]]) -> tuple[pa.Table, list[str]]:
    """Return the rows of guard's table, and a line for each set: what of it is looked for."""
    ours = set(rows.texts.keys[np.unique(rows.text)].tolist())
    made: list[tuple[Any, ...]] = []
    told = []
    for name, texts in sets.items():
        documents = [(key, text) for key, role, text in texts if role == DOCUMENT]
        queries = [(key, text) for key, role, text in texts if role == QUERY]
        shared = len(ours & {int(hash_text(text), 16) for _, text in documents})
        is_own = shared > _OWN * len(ours)
        if is_own:
            told.append(f"{name}: {len(queries):,} queries; its corpus is the training set's own, so documents are not")
            documents = []
        else:
            told.append(f"{name}: {len(queries):,} queries and {len(documents):,} documents")
        for role, held in ((DOCUMENT, documents), (QUERY, queries)):
            made += [(None, name, key, role, text) for key, text in held]
    columns = zip(*made, strict=True) if made else ([] for _ in READ)
    arrays = [pa.array(list(column), pa.string()) for column in columns]
    return pa.Table.from_arrays(arrays, names=list(READ)), told


def _read_folder(folder: Path, split: str) -> Iterator[Row]:
    corpus, queries = (_find(folder, name) for name in (beir.CORPUS, beir.QUERIES))
    if corpus is None and queries is None:
        raise RecipeError(rule("--against", f"a BEIR folder with {beir.CORPUS} and {beir.QUERIES}", str(folder)))
    judged = _judged(folder, split)
    for path, role in ((corpus, DOCUMENT), (queries, QUERY)):
        for file in find_files([str(path)]) if path else ():
            for row in read_rows(file):
                values = row.values
                key = str(values.get("_id", ""))
                text = " ".join(part for part in (values.get("title"), values.get("text")) if isinstance(part, str))
                if text.strip() and (role == DOCUMENT or judged is None or key in judged):
                    yield key, role, text.strip()


def _find(folder: Path, name: str) -> Path | None:
    return next((folder / f"{name}{end}" for end in ("", *PACKED) if (folder / f"{name}{end}").is_file()), None)


def _judged(folder: Path, split: str) -> set[str] | None:
    """Return the queries that a split judges; None where the folder has no judgements at all."""
    path = folder / beir.QRELS.format(split)
    if not path.is_file():
        splits = sorted(Path(each).stem for each in glob.glob(str(folder / beir.QRELS.format("*"))))  # noqa: PTH207
        if splits:
            raise RecipeError(rule("--split", f"one of {', '.join(splits)}, the judgements of {folder}", split))
        return None
    lines = path.read_text(encoding="utf-8").splitlines()
    form = beir.find_form(lines[0]) if lines else beir.TABS
    found = set()
    for number, line in enumerate(lines):
        if not line.strip() or (number == 0 and beir.is_header(line)):
            continue
        try:
            found.add(beir.read_judgement(line, form).query_id)
        except ValueError as error:
            fault = rule("--against", f"judgements that can be read ({error})", f"{path}:{number + 1}")
            raise RecipeError(fault) from error
    return found


def _read_file(place: str) -> Iterator[Row]:
    for file in find_files([place]):
        head = read_head(file)
        names = list(dict.fromkeys(name for row in head for name in row))
        query = next((name for name in QUERIES if name in names), None)
        text = next((name for name in _TEXTS if name in names), None)
        reading = None
        if not (text and not query):
            try:
                reading = find_reading(str(file.path), head)
            except RecipeError:
                if query is None:
                    raise
        for row in read_rows(file):
            key = f"{file.path.name}:{row.line}"
            if row.fault:
                continue
            if reading is None:
                held = ((query, QUERY), (text, DOCUMENT))
                yield from ((key, role, row.values[n]) for n, role in held if n and isinstance(row.values.get(n), str))
                continue
            try:
                parts = reading.parts(row.values)
            except RowFaultError:
                continue
            yield key, QUERY, parts.query
            yield from ((key, DOCUMENT, each.text) for each in parts.passages if each.role != NEGATIVE)
