"""A published dataset in the layouts that other trainers read.

sentence-transformers: ``stage<N>/train.parquet`` with the columns anchor, positive, negative (a row for each negative),
or negative_1 .. negative_k, or a file ``train-<k>.parquet`` for each number of negatives. FlagEmbedding:
``stage<N>/<domain>-<task>.jsonl`` with query, pos, neg; one file a domain, as its ``same_dataset_within_batch`` wants,
and ``-scored`` in the name of those whose rows have pos_scores and neg_scores, since a file of which some rows have
none ends its distillation. Tevatron: ``stage<N>/train.jsonl`` with query_id, query, positive_passages,
negative_passages. BEIR: corpus.jsonl, queries.jsonl, qrels/train.tsv of all stages together.

FlagEmbedding and Tevatron draw a row's negatives from its own list, and end at an empty one: such rows are filled with
positives of other rows, or left out. Whatever is filled or left out is counted.
Where mining put words before texts, ``prompts.json`` says which: give them to the other trainer too.

Known weakness: none of these layouts can say which documents may not stand against a query, nor keep the planned
batches; the rows are written in the order of the batches, which a trainer that does not shuffle will follow.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import RecipeError
from schemas.names import NAME_BYTES
from schemas.training import FILES, TRIPLETS
from trainer.export.plan import FILLED, Plan, Row, plan_rows
from trainer.shards import Dataset, Example, StageShards

Counts = dict[str, Any]
_STAGES = (1, 2)
_ROWS_AT_ONCE = 4096
_OPEN_FILES = 64
_COUNTED = ("rows", "left_out", "negatives", "negatives_left_out", "filled")


def export_dataset(path: str, plan: Plan, out: Path) -> Counts:
    """Write a dataset in another layout; return what was written and what was left out, stage by stage.

    ``stage<N>_rows`` lines written, ``_left_out`` examples in none of them, ``_negatives`` and ``_negatives_left_out``
    negatives of the dataset, ``_filled`` negatives taken from other rows. ``out`` appears complete or not at all.
    Raises: RecipeError when ``out`` exists, the dataset has no stage or the plan contradicts itself; ShardError when
        the dataset is damaged, before anything is written.
    """
    plan.check()
    if out.exists():
        raise RecipeError(f"--out must not exist yet, got {str(out)!r}; try another path, or remove it")
    dataset = Dataset(path)
    stages = {number: dataset.stage(number) for number in _STAGES if dataset.has_stage(number)}
    if not stages:
        raise RecipeError(f"dataset {dataset.name}@{dataset.version} must have a stage to export, got none")
    draft = out.with_name(out.name + ".partial")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        counts = _write_stages(stages, plan, draft)
        if dataset.prompts:
            counts["prompts"] = dataset.prompts
            (draft / "prompts.json").write_text(json.dumps(dataset.prompts, indent=1) + "\n", encoding="utf-8")
        draft.rename(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return counts


def _write_stages(stages: dict[int, StageShards], plan: Plan, draft: Path) -> Counts:
    if plan.layout == "beir":
        return _write_beir(stages, draft)
    counts: Counts = {}
    for number, shards in stages.items():
        folder = draft / f"stage{number}"
        folder.mkdir()
        found: Counter[str] = Counter()
        _WRITERS[plan.layout](shards, folder, plan, found)
        if not found["rows"]:
            shutil.rmtree(folder)
        counts |= {f"stage{number}_{name}": found[name] for name in _COUNTED}
    return counts


def _examples(shards: StageShards) -> Iterator[Example]:
    for number in range(len(shards)):
        yield from shards.read(number)


def _write_columns(shards: StageShards, folder: Path, plan: Plan, counts: Counter[str]) -> None:
    """Write the columns of sentence-transformers: a row for each negative, or each number of negatives alike."""
    kinds = Counter(len(example.usable()[: plan.negatives]) for example in _examples(shards))
    if plan.kind == TRIPLETS:
        width = 1 if max(kinds) else 0
    elif plan.kind == FILES:
        width = 0
    else:  # as many as asked for, as far as any row has so many; else as most rows have, of two the larger number
        common = max(kinds, key=lambda kind: (kinds[kind], kind))
        width = common if plan.negatives is None else plan.negatives if plan.pad else min(plan.negatives, max(kinds))
    most = plan.negatives if plan.kind in (TRIPLETS, FILES) else width
    with ExitStack() as stack:
        tables: dict[int, _Columns] = {}
        for row in plan_rows(shards, most, width if plan.pad else 0, counts):
            for texts in _lines_of(row, plan.kind, width, counts):
                kind = len(texts) - 2
                if kind not in tables:
                    name = f"train-{kind}.parquet" if plan.kind == FILES else "train.parquet"
                    tables[kind] = stack.enter_context(_Columns(folder / name, kind, numbered=plan.kind != TRIPLETS))
                tables[kind].add(texts)
                counts["rows"] += 1


def _lines_of(row: Row, kind: str, width: int, counts: Counter[str]) -> list[tuple[str, ...]]:
    """Return the lines of one example: none when it has too few negatives, which is counted."""
    pair = (row.example.query, row.example.positive)
    negatives = tuple(text for _, text in row.negatives)
    if len(negatives) < width:
        counts["left_out"] += 1
        counts["negatives_left_out"] += row.own
        counts["filled"] -= len(negatives) - row.own
        return []
    counts["negatives"] += row.own
    if kind == TRIPLETS and width:
        return [(*pair, each) for each in negatives]
    return [(*pair, *negatives)]


class _Columns:
    """A Parquet file of anchor, positive and so many negatives, written some thousand rows at a time."""

    def __init__(self, path: Path, negatives: int, *, numbered: bool) -> None:
        """Open the file."""
        names = [f"negative_{place}" for place in range(1, negatives + 1)] if numbered else ["negative"] * negatives
        self.schema = pa.schema([(name, pa.string()) for name in ("anchor", "positive", *names)])
        self.writer = pq.ParquetWriter(path, self.schema)
        self.held: list[tuple[str, ...]] = []

    def __enter__(self) -> _Columns:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self.writer.close()

    def add(self, texts: tuple[str, ...]) -> None:
        """Take one row."""
        self.held.append(texts)
        if len(self.held) == _ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        if self.held:
            arrays = [pa.array(column, pa.string()) for column in zip(*self.held, strict=True)]
            self.writer.write_table(pa.table(arrays, schema=self.schema))
            self.held.clear()


def _with_negatives(shards: StageShards, plan: Plan, counts: Counter[str]) -> Iterator[Row]:
    """Yield the rows for a trainer that wants at least one negative; the others are counted as left out."""
    wants_none = plan.negatives == 0
    filled = FILLED if plan.negatives is None else min(FILLED, plan.negatives)
    fill = (plan.negatives or 0) if plan.pad else 0
    for row in plan_rows(shards, plan.negatives, fill, counts, fill_empty=max(fill, filled)):
        if row.negatives or wants_none:
            counts["rows"] += 1
            counts["negatives"] += row.own
            yield row
        else:
            counts["left_out"] += 1


def _write_flagembedding(shards: StageShards, folder: Path, plan: Plan, counts: Counter[str]) -> None:
    files = _Files(folder)
    with files:
        for row in _with_negatives(shards, plan, counts):
            e, texts = row.example, [text for _, text in row.negatives]
            line: dict[str, Any] = {"query": e.query, "pos": [e.positive], "neg": texts}
            if row.teacher is not None:
                line |= {"pos_scores": [e.positive_teacher], "neg_scores": list(row.teacher)}
            files.add(_file_name(e.domain, e.task, "-scored" if row.teacher is not None else ""), line)


def _file_name(domain: str, task: str, suffix: str) -> str:
    """Return the file of a domain: one of its own, also where the file system does not take or tell all letters."""
    wanted = f"{domain or 'all'}-{task}"
    name = re.sub(r"[^\w.-]+", "_", wanted)
    if name != wanted or name.startswith(".") or len(name.encode()) > NAME_BYTES // 2 or not name.islower():
        mark = hashlib.sha256(wanted.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        name = f"{name.encode()[: NAME_BYTES // 2].decode('utf-8', 'ignore').lstrip('.')}-{mark}"
    return f"{name}{suffix}.jsonl"


class _Files:
    """Files of JSON lines, of which no more are open than a process may have."""

    def __init__(self, folder: Path) -> None:
        """Start with none."""
        self.folder, self.open = folder, dict[str, TextIO]()

    def __enter__(self) -> _Files:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self.open.values():
            file.close()

    def add(self, name: str, record: dict[str, Any]) -> None:
        """Write a record at the end of the file of a name."""
        if name not in self.open:
            if len(self.open) == _OPEN_FILES:
                self.open.pop(next(iter(self.open))).close()
            self.open[name] = (self.folder / name).open("a", encoding="utf-8")
        _write_line(self.open[name], record)


def _write_tevatron(shards: StageShards, folder: Path, plan: Plan, counts: Counter[str]) -> None:
    with (folder / "train.jsonl").open("w", encoding="utf-8") as file:
        for row in _with_negatives(shards, plan, counts):
            e = row.example
            _write_line(
                file,
                {
                    "query_id": e.query_id,
                    "query": e.query,
                    "positive_passages": [{"docid": e.positive_id, "title": "", "text": e.positive}],
                    "negative_passages": [{"docid": doc, "title": "", "text": text} for doc, text in row.negatives],
                },
            )


def _write_beir(stages: dict[int, StageShards], folder: Path) -> Counts:
    """Write the documents, queries and positives of all stages, each once, by first appearance."""
    (folder / "qrels").mkdir()
    documents: set[str] = set()
    queries: set[str] = set()
    judged: set[tuple[str, str]] = set()
    with (
        (folder / "corpus.jsonl").open("w", encoding="utf-8") as corpus,
        (folder / "queries.jsonl").open("w", encoding="utf-8") as asked,
        (folder / "qrels" / "train.tsv").open("w", encoding="utf-8") as qrels,
    ):
        qrels.write("query-id\tcorpus-id\tscore\n")
        for example in (each for shards in stages.values() for each in _examples(shards)):
            ids, texts = (example.positive_id, *example.negative_ids), (example.positive, *example.negatives)
            names: tuple[str | None, ...] = example.negative_native_ids
            if len(names) != len(example.negatives):
                names = (None,) * len(example.negatives)
            for doc_id, text, name in zip(ids, texts, (example.positive_native_id, *names), strict=True):
                if doc_id not in documents:
                    documents.add(doc_id)
                    record = {"_id": doc_id, "title": "", "text": text, "metadata": _metadata(example, name)}
                    _write_line(corpus, record)
            if example.query_id not in queries:
                queries.add(example.query_id)
                about = _metadata(example, example.query_native_id)
                _write_line(asked, {"_id": example.query_id, "text": example.query, "metadata": about})
            if (example.query_id, example.positive_id) not in judged:
                judged.add((example.query_id, example.positive_id))
                qrels.write(f"{example.query_id}\t{example.positive_id}\t1\n")
    return {"documents": len(documents), "queries": len(queries), "qrels": len(judged)}


def _metadata(example: Example, native_id: str | None) -> dict[str, str]:
    return {"domain": example.domain, **({"native_id": native_id} if native_id else {})}


def _write_line(file: TextIO, record: dict[str, Any]) -> None:
    file.write(json.dumps(record, ensure_ascii=False) + "\n")


_Writer = Callable[[StageShards, Path, Plan, Counter[str]], None]
_WRITERS: dict[str, _Writer] = {
    "sentence-transformers": _write_columns,
    "flagembedding": _write_flagembedding,
    "tevatron": _write_tevatron,
}
