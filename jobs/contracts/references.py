"""What a table says of others: every id that it names stands where it is said to stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.contracts.checkpoint import Suite
from schemas.table import Reference, Table


def list_references(table: Table, frame: DataFrame, tables: Mapping[str, Callable[[], DataFrame]]) -> list[Suite]:
    """Return the suite of a table's references, none where it has none; ``tables`` opens those that it may refer to.

    The frame has the key, and for each reference whether it is met; texts are never shuffled.
    """
    import great_expectations.expectations as gxe

    if not table.references:
        return []
    columns = dict.fromkeys([*table.key, *(name for each in table.references for name in each.columns)])
    narrow = frame.select(*columns)
    for reference in table.references:
        narrow = _mark(narrow, reference, tables)
    return [
        Suite(
            f"{table.name} references",
            table.key,
            narrow,
            [gxe.ExpectColumnValuesToBeInSet(column=each.name, value_set=[True]) for each in table.references],
        )
    ]


def _mark(frame: DataFrame, reference: Reference, tables: Mapping[str, Callable[[], DataFrame]]) -> DataFrame:
    """Add whether a reference is met; null where there is none."""
    found = None
    for table, columns in reference.to:
        targets = tables[table]().select(
            *[F.col(there).alias(here) for there, here in zip(columns, reference.columns, strict=True)]
        )
        found = targets if found is None else found.unionByName(targets)
    assert found is not None
    marked = frame.join(found.distinct().withColumn("_found", F.lit(True)), [*reference.columns], how="left")
    is_given = F.lit(True)
    for name in reference.columns:
        is_given = is_given & F.col(name).isNotNull()
    return marked.withColumn(reference.name, F.when(is_given, F.coalesce("_found", F.lit(False)))).drop("_found")
