"""The suites that the tables of ``schemas/`` stand for, held against what a stage has written.

A *boundary that leaves the house* is a stage whose tables others than its successors read: what is published, what is
sent to a language model and comes back, and the ledger that people ask for reasons. Its stage says ``leaves=True``, and
its outputs pass their suites before they exist for anyone. All other tables pass the schema check (``conform``) alone;
what is wrong in them shows at the next boundary, since references lead there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pyspark.sql import DataFrame

from jobs.contracts.checkpoint import Suite, run_checkpoint
from jobs.contracts.references import list_references
from pipeline.contract import spark_schema
from schemas.table import Column, Table

_FEW_ROWS, _FEW_BYTES = 50_000, 1 << 27


def check_outputs(
    stage: str, written: Mapping[Table, Path], tables: Mapping[str, Callable[[], DataFrame]], docs: Path
) -> int:
    """Hold the tables that a stage has written against their contracts; return how many expectations held.

    In:     the folder of each table that the stage wrote; what opens each table that it knows, by name; where the
            pages go.
    Cost:   a Spark pass over each table, one over its key and one over its references.
    Raises: AuditError that names what does not hold.
    """
    suites = []
    for table, folder in written.items():
        frame = tables[table.name]()
        as_written = frame.sparkSession.read.parquet(str(folder))  # columns and types that the files have
        suites.append(Suite(table.name, table.key, as_written, list_expectations(table), few=is_few(folder)))
        suites += list_references(table, frame, tables)
    return run_checkpoint(stage, suites, docs)


def is_few(folder: Path) -> bool:
    """Return whether the rows of a folder of Parquet files fit this process many times over."""
    footers = [pq.read_metadata(path) for path in sorted(folder.glob("*.parquet"))]
    size = sum(each.row_group(place).total_byte_size for each in footers for place in range(each.num_row_groups))
    return bool(sum(each.num_rows for each in footers) <= _FEW_ROWS and size <= _FEW_BYTES)


def list_expectations(table: Table, within: tuple[str, ...] = ()) -> list[Any]:
    """Return what a table's contract expects of its rows; ``within`` are more columns, which belong to the key."""
    import great_expectations.expectations as gxe

    names, key = [*table.names, *within], [*within, *table.key]
    unique = (
        gxe.ExpectCompoundColumnsToBeUnique(column_list=key)
        if len(key) > 1
        else gxe.ExpectColumnValuesToBeUnique(column=key[0])
    )
    kinds = {field.name: type(field.dataType).__name__ for field in spark_schema(table).fields}
    found: list[Any] = [gxe.ExpectTableColumnsToMatchSet(column_set=names, exact_match=True), unique]
    for column in table.columns:
        found.append(gxe.ExpectColumnValuesToBeOfType(column=column.name, type_=kinds[column.name]))
        found += _list_value_expectations(column, table.reasons if column.name == "drop_reason" else column.choices)
    return found


def _list_value_expectations(column: Column, choices: tuple[str, ...]) -> Iterator[Any]:
    import great_expectations.expectations as gxe

    if not column.nullable:
        yield gxe.ExpectColumnValuesToNotBeNull(column=column.name)
    if choices:
        yield gxe.ExpectColumnValuesToBeInSet(column=column.name, value_set=list(choices))
    if column.low is not None or column.high is not None:
        yield gxe.ExpectColumnValuesToBeBetween(column=column.name, min_value=column.low, max_value=column.high)
    if column.filled:
        yield gxe.ExpectColumnValueLengthsToBeBetween(column=column.name, min_value=1)
