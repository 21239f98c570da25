"""Lexical retrieval: how the index is built, and what it finds for each query."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import DataFrame

from pipeline.ports import Opener
from pipeline.search.hits import HITS, hit_batches, spread
from schemas.config import Config, setting

LANGUAGES = (
    "ar",
    "bn",
    "da",
    "de",
    "en",
    "es",
    "fa",
    "fi",
    "fr",
    "hi",
    "hu",
    "id",
    "it",
    "ja",
    "ko",
    "nl",
    "no",
    "pl",
    "pt",
    "ru",
    "sv",
    "te",
    "th",
    "tr",
    "uk",
    "zh",
)


@dataclass(frozen=True)
class IndexConfig(Config):
    """The lexical index: the analyser must fit the language of the documents."""

    language: str = setting(
        "en", "language of documents and queries: decides the analyser (words, stems, stop words)", choices=LANGUAGES
    )
    k1: float = setting(0.9, "BM25: how soon repeated words stop counting", low=0.0, high=10.0)
    b: float = setting(0.4, "BM25: how much long documents are held back", low=0.0, high=1.0)


def retrieve_bm25(queries: DataFrame, opener: Opener, depth: int) -> DataFrame:
    """Return the best documents of each query by BM25.

    In:   (query_id, query), each query once.
    Out:  (query_id, doc_id, rank, score), scores to 6 decimals; a query without words has no rows.
    Ties: broken by doc_id.
    """

    def search(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with opener() as index:
            for batch in batches:
                if batch.num_rows:
                    found = index.search(batch.column("query").to_pylist(), depth)
                    yield from hit_batches(batch.column("query_id").to_pylist(), found)

    return spread(queries.select("query_id", "query"), "query_id").mapInArrow(search, HITS)
