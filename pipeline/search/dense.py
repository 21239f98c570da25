"""Dense retrieval: texts to vectors, and the nearest documents of query vectors."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame

from pipeline.plans import spread
from pipeline.ports import VectorOpener
from pipeline.search.hits import HITS, hit_batches
from pipeline.vectors import matrix_of


def retrieve_nearest(vectors: DataFrame, opener: VectorOpener, depth: int) -> DataFrame:
    """Return the nearest documents of each query vector.

    In:   (query_id, vector), each query once.
    Out:  (query_id, doc_id, rank, score); score is the cosine, 6 decimals.
    Ties: broken by doc_id.
    """

    def search(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with opener() as index:
            for batch in batches:
                if batch.num_rows:
                    queries = batch.column("query_id").to_pylist()
                    yield from hit_batches(queries, index.search(matrix_of(batch.column("vector")), depth))

    return spread(vectors.select("query_id", "vector"), "query_id").mapInArrow(search, HITS)
