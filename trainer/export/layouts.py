"""A published dataset in the layouts that other trainers read.

sentence-transformers: ``stage<N>/train.parquet`` with the columns anchor, positive, negative_1 .. negative_k, which
``load_dataset("parquet", ...)`` hands to its losses. FlagEmbedding: ``stage<N>/<domain>.jsonl`` with query, pos, neg
(and pos_scores, neg_scores where every text of the row has one); one file a domain, as its
``same_dataset_within_batch`` wants. Tevatron: ``stage<N>/train.jsonl`` with query_id, query, positive_passages,
negative_passages. BEIR: corpus.jsonl, queries.jsonl, qrels/train.tsv of all stages together.

Known weakness: none of these layouts can say which documents may not stand against a query, nor keep the planned
batches; the rows are written in the order of the batches, which a trainer that does not shuffle will follow.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import RecipeError
from trainer.hard_negatives import usable
from trainer.shards import Dataset, Example, StageShards

Counts = dict[str, int]
_STAGES = (1, 2)


def export_dataset(path: str, layout: str, out: Path, *, negatives: int | None = None) -> Counts:
    """Write a dataset in another layout; return the number of rows written and left out per stage.

    ``out`` appears complete or not at all.
    Raises: RecipeError when ``out`` exists or the dataset has no stage; ShardError when the dataset is damaged.
    """
    if out.exists():
        raise RecipeError(f"--out must not exist yet, got {str(out)!r}; try another path, or remove it")
    if negatives is not None and negatives < 0:
        raise RecipeError(f"--negatives must be at least 0, got {negatives}")
    dataset = Dataset(path)
    stages = {number: dataset.stage(number) for number in _STAGES if dataset.has_stage(number)}
    if not stages:
        raise RecipeError(f"dataset {dataset.name}@{dataset.version} must have a stage to export, got none")
    draft = out.with_name(out.name + ".partial")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    counts: Counts = {}
    if layout == "beir":
        counts = _write_beir(stages, draft)
    else:
        for number, shards in stages.items():
            folder = draft / f"stage{number}"
            folder.mkdir()
            written, left_out = _WRITERS[layout](shards, folder, negatives)
            counts |= {f"stage{number}_rows": written, f"stage{number}_left_out": left_out}
    draft.rename(out)
    return counts


def _examples(shards: StageShards) -> Iterator[Example]:
    for number in range(len(shards)):
        yield from shards.read(number)


def _write_columns(shards: StageShards, folder: Path, negatives: int | None) -> tuple[int, int]:
    """Write sentence-transformers' columns; rows with fewer usable negatives than columns are left out and counted.

    The number of columns is the fewest negatives of a row, or what was asked for as far as any row has so many.
    """
    counts = [len(usable(example)) for example in _examples(shards)]
    width = min(counts) if negatives is None else min(negatives, max(counts))
    names = ["anchor", "positive", *(f"negative_{place}" for place in range(1, width + 1))]
    schema = pa.schema([(name, pa.string()) for name in names])
    written = left_out = 0
    with pq.ParquetWriter(folder / "train.parquet", schema) as writer:
        for number in range(len(shards)):
            rows = [(e.query, e.positive, *(e.negatives[at] for at in usable(e)[:width])) for e in shards.read(number)]
            full = [row for row in rows if len(row) == len(names)]
            columns = list(zip(*full, strict=True)) or [()] * len(names)
            writer.write_table(pa.table([pa.array(column, pa.string()) for column in columns], schema=schema))
            written, left_out = written + len(full), left_out + len(rows) - len(full)
    return written, left_out


def _write_flagembedding(shards: StageShards, folder: Path, negatives: int | None) -> tuple[int, int]:
    written = 0
    with ExitStack() as stack:
        files: dict[str, TextIO] = {}
        for example in _examples(shards):
            name = _file_name(example.domain, example.task)
            if name not in files:
                files[name] = stack.enter_context((folder / name).open("w", encoding="utf-8"))
            _write_line(files[name], _flagembedding_row(example, negatives))
            written += 1
    return written, 0


def _flagembedding_row(example: Example, negatives: int | None) -> dict[str, Any]:
    chosen = usable(example)[:negatives]
    row: dict[str, Any] = {
        "query": example.query,
        "pos": [example.positive],
        "neg": [example.negatives[at] for at in chosen],
    }
    scores = [example.negative_teacher[at] for at in chosen] if example.negative_teacher else []
    if example.positive_teacher is not None and len(scores) == len(chosen) and min(scores, default=0.0) >= 0:
        row |= {"pos_scores": [example.positive_teacher], "neg_scores": scores}
    return row


def _file_name(domain: str, task: str) -> str:
    return re.sub(r"[^\w.-]+", "_", f"{domain or 'all'}-{task}") + ".jsonl"


def _write_tevatron(shards: StageShards, folder: Path, negatives: int | None) -> tuple[int, int]:
    written = 0
    with (folder / "train.jsonl").open("w", encoding="utf-8") as file:
        for e in _examples(shards):
            passages = [(e.negative_ids[at], e.negatives[at]) for at in usable(e)[:negatives]]
            _write_line(
                file,
                {
                    "query_id": e.query_id,
                    "query": e.query,
                    "positive_passages": [{"docid": e.positive_id, "title": "", "text": e.positive}],
                    "negative_passages": [{"docid": doc, "title": "", "text": text} for doc, text in passages],
                },
            )
            written += 1
    return written, 0


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
            metadata = {"domain": example.domain}
            ids, texts = (example.positive_id, *example.negative_ids), (example.positive, *example.negatives)
            for doc_id, text in zip(ids, texts, strict=True):
                if doc_id not in documents:
                    documents.add(doc_id)
                    _write_line(corpus, {"_id": doc_id, "title": "", "text": text, "metadata": metadata})
            if example.query_id not in queries:
                queries.add(example.query_id)
                _write_line(asked, {"_id": example.query_id, "text": example.query, "metadata": metadata})
            if (example.query_id, example.positive_id) not in judged:
                judged.add((example.query_id, example.positive_id))
                qrels.write(f"{example.query_id}\t{example.positive_id}\t1\n")
    return {"documents": len(documents), "queries": len(queries), "qrels": len(judged)}


def _write_line(file: TextIO, record: dict[str, Any]) -> None:
    file.write(json.dumps(record, ensure_ascii=False) + "\n")


_Writer = Callable[[StageShards, Path, int | None], tuple[int, int]]
_WRITERS: dict[str, _Writer] = {
    "sentence-transformers": _write_columns,
    "flagembedding": _write_flagembedding,
    "tevatron": _write_tevatron,
}
