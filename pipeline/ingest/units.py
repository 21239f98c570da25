"""The work list: what one task reads at a go. Large files of lines, and Parquet files, are cut into spans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields

import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from pipeline.contract import local_frame
from pipeline.ingest.config import BEIR, JSONL, MSMARCO, PACKED, PARQUET, TSV, SourceConfig, SourceFile, list_files
from pipeline.locations import open_location, parquet_place

SPAN = 16 << 20
_BLOCK = 1 << 20
_LINES = frozenset({JSONL, BEIR, TSV, MSMARCO})  # one row a line, always: a CSV row may be many
_TASK_BYTES = 4 << 20


@dataclass(frozen=True)
class Unit:
    """A file, or the part of it between two byte offsets (lines) or row groups (Parquet)."""

    source: str
    role: str
    path: str
    location: str
    domain: str | None
    start: int
    end: int
    line: int
    size: int


def plan_units(sources: Sequence[SourceConfig]) -> list[Unit]:
    """Return the units of all sources.

    Cost: one pass over files of lines beyond 16 MiB, to count lines, remote ones too; the footers of Parquet files.
    """
    return [
        Unit(source.name, file.role, file.path, file.location, file.domain, start, end, line, size)
        for source in sources
        for file in list_files(source)
        for start, end, line, size in _spans(source, file)
    ]


def unit_frame(spark: SparkSession, units: Sequence[Unit]) -> DataFrame:
    """Return the units as a frame, spread over tasks of some megabytes each."""
    types = {"str": T.StringType(), "str | None": T.StringType(), "int": T.LongType()}
    schema = T.StructType([T.StructField(item.name, types[str(item.type)]) for item in fields(Unit)])
    tasks = sum(unit.size for unit in units) // _TASK_BYTES + 1
    # The largest first: round-robin then gives every task its share of them.
    ordered = sorted(units, key=lambda unit: (-unit.size, unit.source, unit.location, unit.start))
    frame = local_frame(spark, map(astuple, ordered), schema)
    return frame.repartition(max(1, min(len(units), tasks)))


def _spans(source: SourceConfig, file: SourceFile) -> Iterator[tuple[int, int, int, int]]:
    """Yield start, end, first line and weight of the parts of a file."""
    is_lines = source.format in _LINES and not file.path.lower().endswith(PACKED)
    if is_lines and file.size > SPAN:
        yield from line_spans(file.location, file.size, SPAN)
    elif source.format == PARQUET:
        yield from _row_groups(file)
    else:
        yield 0, file.size, 1, file.size


def line_spans(location: str, size: int, span: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield spans of whole lines, at least ``span`` bytes each but the last, with the number of their first line."""
    with open_location(location) as handle:
        start, line, position, lines = 0, 1, 0, 0
        while position < size:
            block = handle.read(_BLOCK)
            if not block:
                break
            wanted = start + span - position  # the first newline at or after this place ends the span
            cut = block.find(b"\n", max(0, wanted)) if wanted < len(block) else -1
            if cut >= 0:
                position += cut + 1
                handle.seek(position)
                lines += block.count(b"\n", 0, cut + 1)
                yield start, position, line, position - start
                start, line, lines = position, line + lines, 0
            else:
                position += len(block)
                lines += block.count(b"\n")
    if start < position:
        yield start, position, line, position - start


def _row_groups(file: SourceFile) -> Iterator[tuple[int, int, int, int]]:
    try:
        metadata = pq.read_metadata(parquet_place(file.location))
    except Exception:  # noqa: BLE001 -- whatever is wrong with it, its reader says so in a reject
        yield 0, 0, 1, file.size
        return
    line = 1
    for group in range(metadata.num_row_groups):
        yield group, group + 1, line, metadata.row_group(group).total_byte_size
        line += metadata.row_group(group).num_rows
    if metadata.num_row_groups == 0:
        yield 0, 0, 1, file.size
