"""Lexical retrieval: how the index is built, and what it finds for each query."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame

from pipeline.plans import spread
from pipeline.ports import Opener
from pipeline.search.hits import HITS, hit_batches


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
