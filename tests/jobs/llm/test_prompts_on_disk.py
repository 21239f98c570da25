"""Prompts lie on disk in the order in which they are asked."""

from types import SimpleNamespace

import pyarrow.parquet as pq

import jobs.llm.prompts_on_disk as module
from jobs.llm.prompts_on_disk import StoredRequests, read_prompts, store_prompts
from schemas.pairs import NEGATIVE, QUERY

ASKED = [
    ("3", QUERY, "b"),
    ("1", QUERY, "c"),
    ("2", NEGATIVE, "a\n=>"),
    ("9", QUERY, "a"),
    ("4", QUERY, "b"),
    ("5", QUERY, "\U0001f41d"),
]
IN_ORDER = ["9", "2", "3", "4", "1", "5"]  # of the prompts, then of the ids


def test_prompts_are_read_in_their_order_a_part_at_a_time(spark, tmp_path, monkeypatch):
    asked = spark.createDataFrame(ASKED, "request_id string, kind string, prompt string")
    folder = store_prompts(asked, SimpleNamespace(scratch=tmp_path))
    monkeypatch.setattr(module, "_ROWS", 2)
    sizes = []
    whole = pq.ParquetFile.iter_batches

    def watched(self, **settings):
        for batch in whole(self, **settings):
            sizes.append(batch.num_rows)
            yield batch

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", watched)
    assert [each[0] for each in read_prompts(folder)] == IN_ORDER
    assert sizes == [2, 2, 2]
    chosen = StoredRequests(folder, frozenset({"1", "9"}))
    assert [each.request_id for each in chosen] == [each.request_id for each in chosen] == ["9", "1"]
    assert len(chosen) == 2
