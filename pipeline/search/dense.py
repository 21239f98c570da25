"""Dense retrieval: the nearest documents of query vectors, in parts of the documents where queries are few."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from pipeline.plans import spread
from pipeline.ports import VectorOpener
from pipeline.search.hits import HITS, hit_batches
from pipeline.vectors import matrix_of

BLOCK_QUERIES = 2048  # a task of fewer spends its time on reading documents, not on comparing them


def plan_spans(queries: int, shards: int, cores: int) -> int:
    """Return in how many parts the shards are searched, so that few queries give work to all cores too."""
    blocks = max(1, -(-queries // BLOCK_QUERIES))
    return max(1, min(shards, 2 * cores // blocks))


def retrieve_nearest(vectors: DataFrame, opener: VectorOpener, depth: int, spans: int = 1) -> DataFrame:
    """Return the nearest documents of each query vector.

    In:   (query_id, vector), each query once; ``spans``, parts of the documents that are searched apart.
    Out:  (query_id, doc_id, rank, score); score is the cosine, 6 decimals; the same for any ``spans``.
    Ties: broken by doc_id.
    Cost: a task a part of the queries and a span, which holds one shard of documents at a time; where there are
          several spans, their hits are shuffled once.
    """

    def search(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with opener() as index:
            for batch in batches:
                if batch.num_rows:
                    queries = batch.column("query_id").to_pylist()
                    yield from hit_batches(queries, index.search(matrix_of(batch.column("vector")), depth))

    def search_span(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with opener() as index:
            for batch in batches:
                for span in sorted(pc.unique(batch.column("span")).to_pylist()):
                    part = batch.filter(pc.equal(batch.column("span"), span))
                    found = index.search(matrix_of(part.column("vector")), depth, span, spans)
                    yield from hit_batches(part.column("query_id").to_pylist(), found)

    asked = vectors.select("query_id", "vector")
    if spans == 1:
        return spread(asked, "query_id").mapInArrow(search, HITS)
    blocks = max(1, 2 * vectors.sparkSession.sparkContext.defaultParallelism // spans)
    parts = asked.crossJoin(vectors.sparkSession.range(spans).select(F.col("id").cast("int").alias("span")))
    block = F.pmod(F.xxhash64("query_id"), F.lit(blocks))
    placed = parts.repartitionById(spans * blocks, (F.col("span") * blocks + block).cast("int"))
    found = placed.mapInArrow(search_span, HITS)
    best_first = Window.partitionBy("query_id").orderBy(F.desc("score"), "doc_id")
    return found.withColumn("rank", F.row_number().over(best_first)).where(F.col("rank") <= depth)
