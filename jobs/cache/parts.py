"""Costly results kept by content: what was computed for a text once is looked up, whatever the build.

    <workspace>/cache/<kind>/<digest>/part-<sha256 of its bytes>.parquet

The digest is that of the model's *files* and of all that decides a value's bits, so another model never yields an old
value. Parts are only ever added: written under another name, then renamed to the hash of what they hold. So writers
never meet, a part that was damaged is told by its name, dropped and computed again, and what a killed task had
finished stays. Many parts are compacted into few.

Known weakness: every worker must mount the folder; every part is hashed once a process before it is believed.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.storagelevel import StorageLevel

from jobs.store.files import file_sha256
from jobs.store.layout import SCORES, VECTORS
from pipeline.contract import local_frame

PART_ROWS = 4096  # what a killed task may lose
COMPACT_ROWS = 1 << 20
MANY_PARTS = 64
COLUMNS: dict[str, tuple[list[str], dict[str, str]]] = {
    VECTORS: (["key"], {"vector": "array<float>"}),
    SCORES: (["query_key", "text_key"], {"teacher": "double", "teacher_model": "string"}),
}


class Cache:
    """Values of one kind by one engine, under the key columns; an append-only folder."""

    def __init__(self, spark: SparkSession, folder: Path, keys: Sequence[str], values: Mapping[str, str]) -> None:
        """Open the folder, making it if need be; ``values`` are Spark types by column."""
        self._spark, self.folder = spark, folder
        self.keys, self._values = list(keys), list(values)
        self._shape = ", ".join([*(f"{key} string" for key in keys), *(f"{k} {t}" for k, t in values.items())])
        self._sound: set[Path] = set()
        self._held: list[DataFrame] = []
        self.asked = self.computed = 0
        self.seconds = 0.0  # spent computing
        folder.mkdir(parents=True, exist_ok=True)

    def recall(self, wanted: DataFrame, compute: Callable[[DataFrame], DataFrame]) -> DataFrame:
        """Return (keys, value) for every row of ``wanted``; what was missing is computed and stored before.

        In:   rows with the key columns, each key once; ``compute`` gives (keys, value) for those that are missing.
        Cost: two joins with the cache on its keys.
        """
        known = self.read().select(*self.keys)
        wanted = wanted.persist(StorageLevel.DISK_ONLY)  # counted, compared and joined: its texts are shuffled once
        self._held.append(wanted)
        self.asked += wanted.count()
        started = time.monotonic()
        self.computed += self.append(compute(wanted.join(known, self.keys, how="left_anti")))
        self.seconds += time.monotonic() - started
        found = self.read().join(wanted.select(*self.keys), self.keys, how="left_semi")
        # A task that ran twice may have stored a value twice, in other company.
        return self._once(found)

    def parts(self) -> list[Path]:
        """Return the parts that are as they were written; damaged ones are deleted."""
        there = sorted(self.folder.glob("part-*.parquet"))
        unknown = [path for path in there if path not in self._sound]
        with ThreadPoolExecutor(4) as pool:
            for path, is_sound in zip(unknown, pool.map(_is_sound, unknown), strict=True):
                if is_sound:
                    self._sound.add(path)
                else:
                    path.unlink(missing_ok=True)
        return [path for path in there if path in self._sound]

    def read(self) -> DataFrame:
        """Return every stored row; a key may stand in it twice, with one value."""
        parts = [str(path) for path in self.parts()]
        if not parts:
            return local_frame(self._spark, [], self._shape)
        return self._spark.read.schema(self._shape).parquet(*parts)

    def append(self, rows: DataFrame, rows_a_part: int = PART_ROWS) -> int:
        """Store rows, a part for every few thousand of them, and return how many."""
        return sum(count for _, count in self._write(rows, rows_a_part))

    def counts(self) -> dict[str, int]:
        """Return how many values were looked up and how many computed."""
        return {"cached": self.asked - self.computed, "computed": self.computed}

    def compact(self) -> None:
        """Make few parts of many; frames that :meth:`recall` returned must not be read any more."""
        while self._held:
            self._held.pop().unpersist()
        if len(self.parts()) > MANY_PARTS:
            self.rewrite(self.read())

    def rewrite(self, rows: DataFrame) -> int:
        """Replace all parts by few that hold these rows, each key once, and return how many rows they hold."""
        before = self.parts()
        files = max(1, sum(pq.read_metadata(path).num_rows for path in before) // COMPACT_ROWS)
        written = self._write(self._once(rows).coalesce(files).sortWithinPartitions(*self.keys), COMPACT_ROWS)
        names = {name for name, _ in written}  # an old part may have the bytes, and so the name, of a new one
        for path in before:
            if path.name not in names:
                path.unlink(missing_ok=True)
        return sum(count for _, count in written)

    def _once(self, rows: DataFrame) -> DataFrame:
        return rows.groupBy(*self.keys).agg(*[F.min(name).alias(name) for name in self._values])

    def _write(self, rows: DataFrame, rows_a_part: int) -> list[tuple[str, int]]:
        folder = str(self.folder)

        def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for name, count in _write_parts(batches, Path(folder), rows_a_part):
                yield pa.RecordBatch.from_arrays([pa.array([name]), pa.array([count], pa.int64())], ["name", "rows"])

        found = rows.select(*self.keys, *self._values).mapInArrow(write, "name string, rows long").collect()
        return [(row["name"], row["rows"]) for row in found]


def _write_parts(batches: Iterator[pa.RecordBatch], folder: Path, rows_a_part: int) -> Iterator[tuple[str, int]]:
    """Store the batches as parts; yield name and rows of each."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held += [batch] if batch.num_rows else []
        if sum(each.num_rows for each in held) >= rows_a_part:
            yield _write_part(held, folder)
            held = []
    if held:
        yield _write_part(held, folder)


def _write_part(batches: Sequence[pa.RecordBatch], folder: Path) -> tuple[str, int]:
    table = pa.Table.from_batches(batches)
    partial = folder / f".part-{uuid.uuid4().hex}.partial"
    try:
        with partial.open("wb") as handle:
            pq.write_table(table, handle, compression="zstd")
            handle.flush()
            os.fsync(handle.fileno())
        path = folder / f"part-{file_sha256(partial)}.parquet"
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path.name, table.num_rows


def _is_sound(path: Path) -> bool:
    with suppress(OSError):
        return path.name == f"part-{file_sha256(path)}.parquet"
    return False


def open_caches(spark: SparkSession, home: Path) -> list[Cache]:
    """Return the caches of every engine that there are."""
    return [
        Cache(spark, folder, *columns)
        for kind, columns in COLUMNS.items()
        for folder in sorted((home / kind).glob("*/"))
    ]
