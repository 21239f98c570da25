"""Judged collections as arrays: vectors, judgements, and the first hits of BM25 and of the encoder, kept on disk.

A collection is encoded and searched once; later runs read one ``.npz`` file (no pickles), named by the collection, the
model and its length. Vectors are cut to ``width`` dimensions and normalised again where another scale is wanted.
"""

from __future__ import annotations

import gzip
import json
import os
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jobs.engines.encoder import SentenceEncoder
from jobs.engines.lucene import LuceneBm25, build_lucene
from pipeline.index.config import EncoderConfig, IndexConfig

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

DEPTH = 100
MODEL = "all-MiniLM-L6-v2"


@dataclass(frozen=True)
class Pool:
    """A collection: (D, H) documents, (Q, H) queries, (Q, D) judged relevant, (Q, 100) rows and scores of hits."""

    name: str
    documents: F32
    queries: F32
    relevant: npt.NDArray[np.bool_]
    lexical: I64
    lexical_scores: F64
    dense: I64
    dense_scores: F64


def load_pool(name: str, collections: Path, cache: Path, width: int | None = None) -> Pool:
    """Return a collection of the folder of BEIR sets; encode and search it where the cache has it not."""
    path = cache / f"{name}-{MODEL}-{EncoderConfig().max_length}.npz"
    if not path.is_file():
        _write_pool(collections / name, path)
    with np.load(path, allow_pickle=False) as kept:
        documents, queries = kept["documents"], kept["queries"]
        pairs, lexical, scores = kept["pairs"], kept["lexical"], kept["lexical_scores"]
    if width is not None:
        documents, queries = _cut(documents, width), _cut(queries, width)
    relevant = np.zeros((len(queries), len(documents)), bool)
    relevant[pairs[:, 0], pairs[:, 1]] = True
    dense, dense_scores = _nearest(queries, documents)
    return Pool(name, documents, queries, relevant, lexical, scores, dense, dense_scores)


def _write_pool(folder: Path, path: Path) -> None:
    documents = read_texts(folder / "corpus.jsonl.gz")
    judged = read_judgements(folder, set(documents))
    asked = {key: text for key, text in read_texts(folder / "queries.jsonl.gz").items() if key in judged}
    doc_ids, query_ids = sorted(documents), sorted(asked)
    rows = {doc: row for row, doc in enumerate(doc_ids)}
    encoder = SentenceEncoder(_model_path(), EncoderConfig())
    lexical = np.full((len(query_ids), DEPTH), -1, np.int64)
    scores = np.zeros((len(query_ids), DEPTH))
    with tempfile.TemporaryDirectory() as scratch:
        build_lucene(((doc, documents[doc]) for doc in doc_ids), Path(scratch), IndexConfig())
        with LuceneBm25(Path(scratch)) as index:
            for row, hits in enumerate(index.search([asked[key] for key in query_ids], DEPTH)):
                lexical[row, : len(hits)] = [rows[hit.doc_id] for hit in hits]
                scores[row, : len(hits)] = [hit.score for hit in hits]
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        documents=encoder.encode([documents[doc] for doc in doc_ids]),
        queries=encoder.encode([asked[key] for key in query_ids]),
        pairs=np.array([(q, rows[doc]) for q, key in enumerate(query_ids) for doc in sorted(judged[key])]),
        lexical=lexical,
        lexical_scores=scores,
    )


def _model_path() -> Path:
    return Path(os.environ.get("PAIRWRIGHT_MODELS", ".models")) / MODEL


def read_texts(path: Path) -> dict[str, str]:
    """Return text by id, a document's title before its text."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return {row["_id"]: f"{row.get('title') or ''}\n{row['text']}".strip() for row in rows}


def read_judgements(folder: Path, documents: set[str]) -> dict[str, set[str]]:
    """Return the relevant documents of each query, over all splits."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted((folder / "qrels").glob("*.tsv")):
        for line in path.read_text(encoding="utf-8").splitlines()[1:]:
            query, document, grade = line.split("\t")
            if float(grade) > 0 and document in documents:
                found[query].add(document)
    return found


def _cut(vectors: F32, width: int) -> F32:
    short = vectors[:, :width]
    return np.asarray(short / np.maximum(np.linalg.norm(short, axis=1, keepdims=True), 1e-9), np.float32)


def _nearest(queries: F32, documents: F32) -> tuple[I64, F64]:
    """Return the rows and cosines of each query's nearest documents; ties by row."""
    cosines = np.round(queries.astype(np.float64) @ documents.astype(np.float64).T, 6)
    best = np.argsort(-cosines, axis=1, kind="stable")[:, :DEPTH]
    return best, np.take_along_axis(cosines, best, axis=1)
