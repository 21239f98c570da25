"""Hits are ranked by score, then by id."""

from __future__ import annotations

from pipeline.ports import Hit
from pipeline.search.hits import ranked


def test_ranks_go_by_rounded_score_then_id():
    hits = ranked([("c", 0.50000049), ("b", 0.5), ("a", 0.3), ("d", 0.9)], 3)
    assert hits == [Hit("d", 1, 0.9), Hit("b", 2, 0.5), Hit("c", 3, 0.5)]
