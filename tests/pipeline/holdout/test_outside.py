"""Evaluation sets from outside without what was erased on request."""

import pytest

from pipeline.contract import local_frame
from pipeline.holdout.outside import leave_out_erased, outside_queries

SHAPE = "kind string, native_id string, text string"


def test_no_document_of_a_set_is_or_holds_what_was_erased(spark):
    records = local_frame(
        spark,
        [
            ("document", "d1", "Named by its id."),
            ("document", "d2", "Title\nThe secret text of another place."),
            ("document", "d3", "Nobody asked for this one to go."),
            ("query", "d1", "named too"),
            ("query", "q1", "The secret text?"),
            ("qrel", "q1", ""),
        ],
        SHAPE,
    )
    ids = local_frame(spark, [("d1",)], "id string")
    texts = local_frame(spark, [("The secret text of another place.",), ("",)], "text string")

    left = leave_out_erased(records, ids, texts).collect()

    assert sorted((row.kind, row.native_id) for row in left) == [("document", "d3"), ("qrel", "q1"), ("query", "q1")]


@pytest.mark.parametrize(("grade", "relevance"), [(0.5, 1), (1.0, 1), (2.5, 3), (2.0, 2), (0.0, None), (-1.0, None)])
def test_a_grade_above_zero_is_relevant(spark, grade, relevance):
    shape = "kind string, eval string, doc_id string, source string, native_id string, text string, line integer"
    rows = [("query", "", "", "s", "q", "which?", 1, [""], 0.0), ("qrel", "", "", "s", "q", "", 1, ["d"], grade)]
    records = local_frame(spark, rows, f"{shape}, links array<string>, grade double")

    assert [row.relevance for row in outside_queries(records).collect()] == ([] if relevance is None else [relevance])
