"""Frames of rows that the driver holds."""

from __future__ import annotations

import pyarrow as pa
import pytest

from pipeline.contract import frame_of, local_frame, spark_schema
from schemas.documents import DOCUMENTS


def test_rows_of_this_process_are_part_of_the_plan_and_no_python_worker_unpacks_them(spark):
    frame = local_frame(spark, iter([("b", 2, None), ("a", 1, [0.5])]), "name string, place int, parts array<double>")

    assert [tuple(row) for row in frame.collect()] == [("b", 2, None), ("a", 1, [0.5])]
    assert frame.dtypes == [("name", "string"), ("place", "int"), ("parts", "array<double>")]
    assert "LocalTableScan" in frame._jdf.queryExecution().executedPlan().toString()


def test_no_rows_make_an_empty_frame_of_the_tables_columns(spark):
    frame = frame_of(spark, DOCUMENTS, [])

    assert frame.schema == spark_schema(DOCUMENTS)
    assert frame.union(frame).count() == 0


def test_rows_that_do_not_fit_are_refused(spark):
    with pytest.raises(pa.ArrowInvalid):
        local_frame(spark, [("one",)], "place int")
    with pytest.raises(ValueError, match="is shorter than"):
        local_frame(spark, [("one", 1), ("two",)], "name string, place int")
