"""Which index searches a shard, and how hard it looks."""

from __future__ import annotations

import pytest

from jobs.engines.indexes import AUTO, EFFORTS, FLAT, choose_factory, efforts_of


@pytest.mark.parametrize(
    ("factory", "documents", "queries", "chosen"),
    [
        (AUTO, 1_000_000, 100_000, FLAT),
        (AUTO, 1_000_001, 100_000, "IVF724,SQ8"),
        (AUTO, 100, 10**10, "IVF2,SQ8"),  # a list wants vectors to be trained on
        (AUTO, 0, 0, FLAT),
        ("HNSW32", 10, 10, "HNSW32"),
        (FLAT, 10**9, 10**9, FLAT),
    ],
)
def test_every_document_is_compared_until_that_takes_too_long(factory, documents, queries, chosen):
    assert choose_factory(factory, documents, queries, 131_072) == chosen


def test_what_can_be_told_how_hard_to_look():
    assert efforts_of("IVF64,Flat") == efforts_of("PCA32,HNSW32") == EFFORTS
    assert efforts_of("LSH") == (0,)
