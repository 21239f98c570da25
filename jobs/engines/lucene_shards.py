"""The lexical index in shards: built beside one another on the executors, then one index of as many segments.

A shard is a range of ids. Ids are hashes, so shards are alike in size, and the documents of all shards in turn stand in
the order of their ids, as in an index that one thread writes. Lucene copies the segments of the shards into one folder
without reading what is in them, and scores by the statistics of the whole index whatever its segments: hits, scores and
ties are those of an index of one shard, and a searcher does not know how many there were.

Known weakness: the copying reads and writes the index once more, by one thread.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engines.lucene import build_lucene, in_order, join_indexes
from pipeline.index.config import IndexConfig
from schemas.errors import EngineError

_DIGITS = 8  # hexadecimal ones of an id that tell its shard
_BUILT = "shard int, folder string, documents long"
_HEAP = "512m"


def index_documents(documents: DataFrame, count: int, folder: Path, scratch: Path, config: IndexConfig) -> int:
    """Index documents into a folder, in as many shards as their number asks for; return how many there are.

    In:   (doc_id, text), each id once, 16 hexadecimal digits; ``count``, their number; ``scratch``, a folder that all
          executors write to.
    Cost: one shuffle of the texts by shard; a heap of 512 MB a task, whatever the size of a shard.
    Raises: EngineError when Lucene fails, or a shard is not there in the end.
    """
    shards = plan_shards(count, config.shard_documents, documents.sparkSession.sparkContext.defaultParallelism)
    if shards < 2:
        return build_lucene(in_order(documents), folder, config)
    scratch.mkdir(parents=True, exist_ok=True)
    try:
        built = sorted(_build_shards(documents, shards, scratch, config))
        indexed = sum(rows for _, _, rows in built)
        if indexed != count:
            raise EngineError(f"the shards of {folder} must hold {count} documents, got {indexed}; try again")
        join_indexes([Path(place) for _, place, _ in built], folder, config)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return indexed


def plan_shards(count: int, most: int, cores: int) -> int:
    """Return how many shards of at most so many documents there are: where more than the cores, in full rounds."""
    shards = -(-count // most)
    return shards if shards <= cores else -(-shards // cores) * cores


def _build_shards(documents: DataFrame, shards: int, scratch: Path, config: IndexConfig) -> list[tuple[int, str, int]]:
    """Return number, folder and documents of each shard, built by as many tasks."""
    root = str(scratch)

    def build(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        task = TaskContext.get()
        number, attempt = (task.partitionId(), task.taskAttemptId()) if task else (0, 0)
        folder = Path(root) / f"{number:05}-{attempt}"  # of a task that runs twice, each writes its own
        folder.mkdir()
        rows = build_lucene(_pairs(batches), folder, config, heap=_HEAP)
        if rows:
            yield pa.RecordBatch.from_pydict(
                {"shard": pa.array([number], pa.int32()), "folder": [str(folder)], "documents": [rows]}
            )

    leading = F.conv(F.substring("doc_id", 1, _DIGITS), 16, 10).cast("double") / F.lit(float(16**_DIGITS))
    placed = documents.select("doc_id", "text", F.floor(leading * F.lit(shards)).cast("int").alias("shard"))
    parted = placed.repartitionById(shards, "shard").sortWithinPartitions("doc_id").select("doc_id", "text")
    return [(row.shard, row.folder, row.documents) for row in parted.mapInArrow(build, _BUILT).collect()]


def _pairs(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[str, str]]:
    for batch in batches:
        yield from zip(batch.column("doc_id").to_pylist(), batch.column("text").to_pylist(), strict=True)
