"""Searching words through Spark, with a fake for the engine."""

from __future__ import annotations

from contextlib import contextmanager

from pipeline.ports import Hit
from pipeline.search.bm25 import retrieve_bm25


def test_hits_become_rows_and_engines_are_closed(spark, tmp_path):
    closed = tmp_path / "closed"

    class Echo:
        def search(self, queries, k):
            return [[Hit(f"d{rank}", rank, float(len(query))) for rank in range(1, k + 1)] for query in queries]

    @contextmanager
    def opener():
        yield Echo()
        closed.touch()

    queries = spark.createDataFrame([("q1", "xx"), ("q2", "")], "query_id string, query string")

    got = retrieve_bm25(queries, opener, 2).collect()

    assert sorted(tuple(row) for row in got) == [
        ("q1", "d1", 1, 2.0),
        ("q1", "d2", 2, 2.0),
        ("q2", "d1", 1, 0.0),
        ("q2", "d2", 2, 0.0),
    ]
    assert closed.exists()
