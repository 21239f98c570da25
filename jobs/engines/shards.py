"""Vectors in shards: folders of a bounded number of rows, which the executors lay out and search one by one.

A vector's shard is decided by its id alone, so that shards hold the same rows in the same order however the table that
they come from is cut: what an approximate index finds in them is the same in every build. Each shard is a folder as
``jobs/engines/vectors.py`` has it, with a faiss index beside it where one is asked for. ``shards.json``, written last,
says how many there are and what they hold; a shard that is not there, or holds something else, is an error and never
a smaller corpus.

Known weakness: every worker must mount the folder.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engines.indexes import FLAT, build_index
from jobs.engines.vectors import StoredVectors, write_vectors
from pipeline.ports import FloatMatrix
from pipeline.vectors import matrix_of
from schemas.errors import ShardError

ROWS = 131_072  # of a shard: 200 MB at 384 dimensions, in memory once a task, twice while it is laid out
INDEX = "index.faiss"
_FACTS = "shards.json"
_REBUILD = "try building the stage that embeds again"
_WRITTEN = pa.schema([("shard", pa.int32()), ("rows", pa.int64()), ("width", pa.int32())])


@dataclass(frozen=True)
class ShardFacts:
    """What a folder of shards says of itself; ``rows`` are those of each shard."""

    vectors: int
    width: int
    factory: str
    rows: list[int]


def lay_out_shards(
    vectors: DataFrame, id_col: str, count: int, folder: Path, factory: str = FLAT, rows: int = ROWS
) -> ShardFacts:
    """Lay out vectors for searching, a task a shard.

    In:     (id_col, vector), each id once; ``count``, how many there are; a faiss factory, and the rows of a shard.
    Out:    folder/shard-00000/... and shards.json.
    Cost:   one shuffle of the vectors; a shard in memory twice, and its faiss index.
    Raises: ShardError for an id of two vectors, vectors of several widths, and vectors that are no numbers;
            RecipeError for a factory that faiss does not know, EngineError where it cannot build one.
    """
    shards, home = max(1, -(-count // rows)), str(folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        if held := [batch for batch in batches if batch.num_rows]:
            shard = held[0].column("shard")[0].as_py()
            ids, matrix = _take_apart(held)
            write_shard(ids, matrix, shard_folder(Path(home), shard), factory)
            yield pa.RecordBatch.from_pylist([{"shard": shard, "rows": len(ids), "width": matrix.shape[1]}], _WRITTEN)

    number = F.pmod(F.xxhash64(id_col), F.lit(shards)).cast("int")
    placed = vectors.select(number.alias("shard"), F.col(id_col).alias("id"), "vector")
    written = placed.repartitionById(shards, "shard").mapInArrow(write, "shard int, rows long, width int").collect()
    held = {row["shard"]: row["rows"] for row in written}
    return seal_shards(folder, [held.get(shard, 0) for shard in range(shards)], {r["width"] for r in written}, factory)


def write_shard(ids: Sequence[str], matrix: FloatMatrix, folder: Path, factory: str = FLAT) -> None:
    """Write one shard: whole or not at all, since a task may run twice.

    Raises: as :func:`lay_out_shards` does.
    """
    partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    try:
        ordered = write_vectors(ids, matrix, partial)
        if factory != FLAT:
            build_index(ordered, partial / INDEX, factory)
        with suppress(OSError):  # the other run of this task was faster, and wrote the same
            partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def seal_shards(folder: Path, rows: list[int], widths: Collection[int], factory: str = FLAT) -> ShardFacts:
    """Say what the shards hold, once all are written. Raises: ShardError when they differ in width."""
    if len(widths) > 1:
        raise ShardError(
            f"embeddings must all have one width, got {' and '.join(map(str, sorted(widths)))}; {_REBUILD}"
        )
    facts = ShardFacts(sum(rows), max(widths, default=0), factory, rows)
    (folder / _FACTS).write_text(json.dumps(asdict(facts), sort_keys=True) + "\n", encoding="utf-8")
    return facts


def read_facts(folder: Path) -> ShardFacts:
    """Return what a folder of shards says of itself. Raises: ShardError when it was never completed."""
    try:
        return ShardFacts(**json.loads((folder / _FACTS).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        said = f"{type(error).__name__}: {error}"
        raise ShardError(f"{folder} holds no complete shards ({said}); try running the stage again") from error


def open_shard(folder: Path, facts: ShardFacts, number: int) -> StoredVectors:
    """Map one shard into memory. Raises: ShardError when it is not there, or holds something else than was written."""
    home = shard_folder(folder, number)
    if not home.is_dir():
        raise ShardError(f"shard {number} of {len(facts.rows)} must be in {folder}, got nothing; {_REBUILD}")
    stored = StoredVectors(home)
    if stored.matrix.shape != (facts.rows[number], facts.width):
        wanted, got = f"{facts.rows[number]} x {facts.width}", " x ".join(map(str, stored.matrix.shape))
        raise ShardError(f"shard {number} in {folder} must hold {wanted} numbers, got {got}; {_REBUILD}")
    return stored


def shard_folder(folder: Path, number: int) -> Path:
    """Return the folder of a shard."""
    return folder / f"shard-{number:05}"


def _take_apart(batches: Sequence[pa.RecordBatch]) -> tuple[list[str], FloatMatrix]:
    """Return ids and vectors of batches. Raises: ShardError when the vectors differ in width."""
    ids = [each for batch in batches for each in batch.column("id").to_pylist()]
    widths: set[int] = set()
    for batch in batches:
        widths |= set(pc.unique(pc.list_value_length(batch.column("vector"))).to_pylist())
    if len(widths) > 1:
        raise ShardError(
            f"embeddings must all have one width, got {' and '.join(map(str, sorted(widths)))}; {_REBUILD}"
        )
    matrix = np.empty((len(ids), *widths), np.float32)
    start = 0
    for batch in batches:
        matrix[start : start + batch.num_rows] = matrix_of(batch.column("vector"))
        start += batch.num_rows
    return ids, matrix


def _check_widths(widths: Collection[int]) -> None:
    if len(widths) > 1:
        got = " and ".join(map(str, sorted(widths)))
        raise ShardError(f"embeddings must all have one width, got {got}; {_REBUILD}")
