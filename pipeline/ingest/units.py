"""The work list: what one task reads at a go. Large files of lines, and Parquet files, are cut into spans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, fields

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from pipeline.contract import local_frame
from pipeline.ingest.files import list_files
from pipeline.readers.config import ReaderConfig
from pipeline.readers.registry import FORMATS
from pipeline.readers.unit import Unit

_TASK_BYTES = 4 << 20


def plan_units(sources: Sequence[ReaderConfig]) -> list[Unit]:
    """Return the units of all sources.

    Cost: one pass over files of lines beyond 16 MiB, to count lines, remote ones too; the footers of Parquet files.
    """
    return [
        Unit(source.name, file.role, file.path, file.location, file.domain, start, end, line, size)
        for source in sources
        for file in list_files(source)
        for start, end, line, size in FORMATS[source.format].cut(file)
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
