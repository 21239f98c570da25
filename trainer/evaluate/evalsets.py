"""Evaluation sets in BEIR layout, and TREC run files: read strictly, with file and line in every complaint."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.beir import (
    CORPUS,
    QRELS,
    QUERIES,
    TABS,
    find_form,
    is_header,
    read_id,
    read_judgement,
    whole_grade,
)
from schemas.errors import RecipeError, ShardError


@dataclass(frozen=True)
class EvalSet:
    """Corpus, queries and judgements; queries without a relevant document of the corpus are left out.

    Documents and queries are in order of id, which is the order that breaks ties. ``judgements`` counts those that say
    nothing here, and why: unknown_queries, unknown_documents, repeated; and rounded: grades that were fractions.
    """

    name: str
    doc_ids: list[str]
    doc_texts: list[str]
    query_ids: list[str]
    query_texts: list[str]
    query_domains: list[str]
    qrels: Mapping[str, Mapping[str, int]]
    unjudged: int
    judgements: Mapping[str, int]


def find_sets(path: str) -> list[EvalSet]:
    """Read one BEIR folder, or every BEIR folder in a folder, in order of name.

    Raises: RecipeError when there is none; ShardError when one is damaged.
    """
    root = Path(path)
    folders = (
        [root] if (root / "corpus.jsonl").exists() else sorted(file.parent for file in root.glob("*/corpus.jsonl"))
    )
    if not folders:
        raise RecipeError(
            "--eval must be a BEIR folder (corpus.jsonl, queries.jsonl, qrels/test.tsv) or a folder of such, "
            f"got {path!r}"
        )
    return [read_set(folder) for folder in folders]


def read_set(folder: Path) -> EvalSet:
    """Read one BEIR folder by the rules of ``schemas/beir.py``. Raises: ShardError with file and line."""
    corpus = {identity: _text(record) for identity, record in _records(folder / CORPUS)}
    queries = dict(_records(folder / QUERIES))
    qrels, counts = _read_qrels(folder / QRELS.format("test"))
    for query, docs in qrels.items():
        counts["unknown_queries"] += len(docs) * (query not in queries)
        counts["unknown_documents"] += sum(doc not in corpus for doc in docs) * (query in queries)
    judged = sorted(
        query for query in queries if any(grade > 0 and doc in corpus for doc, grade in qrels.get(query, {}).items())
    )
    if not judged:
        raise ShardError(
            f"{folder} must hold at least one query with a relevant document, got none; try publishing it again"
        )
    return EvalSet(
        name=folder.name,
        doc_ids=sorted(corpus),
        doc_texts=[corpus[doc] for doc in sorted(corpus)],
        query_ids=judged,
        query_texts=[_text(queries[query]) for query in judged],
        query_domains=[_domain(queries[query]) for query in judged],
        qrels=qrels,
        unjudged=len(queries) - len(judged),
        judgements={name: count for name, count in sorted(counts.items()) if count},
    )


def read_run(path: str) -> dict[str, list[tuple[str, float]]]:
    """Read a TREC run: query -> [(document, score)], highest score first, ties by document id.

    The rank column is ignored, as trec_eval does.
    Raises: RecipeError when there is no such file; ShardError when a line is not ``qid Q0 docid rank score tag``.
    """
    if not Path(path).is_file():
        raise RecipeError(f"--run must be a TREC run file, got {path!r}")
    run: dict[str, dict[str, float]] = {}
    for number, line in _lines(Path(path)):
        fields = line.split()
        if not fields:
            continue
        try:
            query, _, doc, _, score = fields[:5]
            value = float(score)
        except ValueError:
            value = math.nan
        if math.isnan(value):
            raise ShardError(f"{path}:{number} must be `qid Q0 docid rank score tag`, got {line[:80]!r}")
        run.setdefault(query, {})[doc] = value
    return {query: sorted(hits.items(), key=lambda hit: (-hit[1], hit[0])) for query, hits in run.items()}


def _read_qrels(path: Path) -> tuple[dict[str, dict[str, int]], Counter[str]]:
    """Return the grades as measures know them; how many were rounded, or given again, of which the last counts."""
    qrels: dict[str, dict[str, int]] = {}
    counts: Counter[str] = Counter()
    form = TABS
    for number, line in _lines(path):
        if not line.strip():
            continue
        try:
            if number == 1:
                form = find_form(line)
                if is_header(line):
                    continue
            query, doc, grade = read_judgement(line, form)
        except ValueError as error:
            raise ShardError(f"{path}:{number} {error}") from error
        counts["rounded"] += grade != int(grade)
        counts["repeated"] += doc in qrels.setdefault(query, {})
        qrels[query][doc] = whole_grade(grade)
    return qrels, counts


def _records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield id and record. Raises: ShardError for a line that is none."""
    for number, line in _lines(path):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            identity = read_id(record.get("_id")) if isinstance(record, dict) else None
        except (ValueError, RecursionError):
            identity, record = None, None
        if identity is None or not isinstance(record, dict) or not isinstance(record.get("text"), str):
            raise ShardError(f"{path}:{number} must be a JSON object with _id and text, got {line[:80]!r}")
        yield identity, record


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open("rb") as stream:
            for number, raw in enumerate(stream, start=1):
                try:
                    yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    raise ShardError(
                        f"{path}:{number} must be UTF-8, got {error.reason} at byte {error.start}"
                    ) from error
    except OSError as error:
        raise ShardError(
            f"{path} cannot be read: {error.strerror or error}; try publishing the dataset again"
        ) from error


def _text(record: Mapping[str, Any]) -> str:
    """Return title and text; half of a surrogate pair, which no tokenizer takes, becomes a question mark."""
    text = f"{record.get('title') or ''} {record['text']}".strip()
    return text.encode("utf-8", "replace").decode("utf-8")


def _domain(record: Mapping[str, Any]) -> str:
    metadata = record.get("metadata")
    return str(metadata["domain"]) if isinstance(metadata, Mapping) and metadata.get("domain") else ""
