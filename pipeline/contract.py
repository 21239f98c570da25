"""Holding frames to their contracts: the last line of every transform, and the rows that a stage may read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from schemas.errors import ContractError
from schemas.table import HITS, Table

_SIMPLE: dict[str, T.DataType] = {
    "string": T.StringType(),
    "integer": T.IntegerType(),
    "long": T.LongType(),
    "double": T.DoubleType(),
    "boolean": T.BooleanType(),
    "binary": T.BinaryType(),
    "array<string>": T.ArrayType(T.StringType()),
    "array<long>": T.ArrayType(T.LongType()),
    "array<float>": T.ArrayType(T.FloatType()),
    "array<double>": T.ArrayType(T.DoubleType()),
    HITS: T.ArrayType(
        T.StructType().add("retriever", T.StringType()).add("rank", T.IntegerType()).add("score", T.DoubleType())
    ),
}


def spark_schema(table: Table) -> T.StructType:
    """Return the table's columns as a Spark schema, for readers and ``mapInPandas``."""
    return T.StructType([T.StructField(c.name, _SIMPLE[c.type], c.nullable) for c in table.columns])


def conform(frame: DataFrame, table: Table) -> DataFrame:
    """Return exactly the table's columns, in order and of its types.

    Raises: ContractError that names every missing column.
    """
    missing = [name for name in table.names if name not in frame.columns]
    if missing:
        raise ContractError(f"{table.name} must have the columns {', '.join(missing)}, got {', '.join(frame.columns)}")
    return frame.select(*[F.col(c.name).cast(_SIMPLE[c.type]).alias(c.name) for c in table.columns])


def frame_of(spark: SparkSession, table: Table, rows: Sequence[tuple[object, ...]]) -> DataFrame:
    """Return a frame of the table from Python rows, in column order: for tests and for small results."""
    return local_frame(spark, rows, spark_schema(table))


def local_frame(spark: SparkSession, rows: Iterable[Sequence[object]], schema: T.StructType | str) -> DataFrame:
    """Return a frame of rows that this process holds, in column order.

    They travel as Arrow, and the plan knows them: from tuples, Spark would make an RDD that a Python worker unpacks,
    from a daemon that no other task has.
    """
    shape: Any = T.StructType.fromDDL(schema) if isinstance(schema, str) else schema
    kinds = to_arrow_schema(shape)
    columns = list(zip(*rows, strict=True)) or [()] * len(kinds)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds.types, strict=True)]
    frame: DataFrame = spark.createDataFrame(pa.Table.from_arrays(arrays, schema=kinds), shape)
    return frame


def kept(frame: DataFrame) -> DataFrame:
    """Return the rows that later stages read: those without a drop_reason; all of a table that has none."""
    return frame.where(F.col("drop_reason").isNull()) if "drop_reason" in frame.columns else frame
