"""Signals of every candidate, and a teacher: a cross-encoder made from the gold pairs (Augmented SBERT, steps 1-3)."""

from __future__ import annotations

from schemas.config import setting
from schemas.training import TeachConfig


class LabelConfig(TeachConfig):
    """How the teacher is made or which one it is, and how many pairs it scores."""

    enabled: bool = setting(True, "whether a teacher is trained and asked; without it the judge has the other signals")
    model: str = setting(
        "",
        "a cross-encoder that is used as it is, by path or name: nothing is trained; empty = one is made from the gold",
    )
    base: str = setting("all-MiniLM-L6-v2", "model that the cross-encoder starts from, by path or name")
    min_gold: int = setting(
        400, "fewest gold queries to learn from, beside those held out, for which a teacher is trained", low=1
    )
    gold_queries: int | None = setting(
        None, "most gold queries that the teacher learns from; null = all, as far as max_steps goes", low=1
    )
    mined_negatives: int = setting(4, "mined negatives a lesson", low=0, high=100)
    random_negatives: int = setting(0, "positives of other queries taken as negatives, a lesson", low=0, high=100)
    refresh: float = setting(
        0.0,
        "share of the lessons that may change before a new teacher is trained; 0 always "
        "trains one; above 0 a nightly keeps its teacher in the cache, and with it the scores",
        low=0.0,
        high=1.0,
    )
    margin: float | None = setting(
        None,
        "a mined negative for teaching must score this share below the lesson's positive; null = any candidate may be "
        "one, also those above the positive, which the teacher is to tell apart",
        low=0.0,
        high=1.0,
    )
    held_out: float = setting(
        0.3, "share of the gold queries that the teacher never sees, to measure it", low=0.0, high=0.9
    )
    measure_queries: int = setting(100, "held-out gold queries that the teacher is measured on", low=0)
    measure_depth: int = setting(20, "of each of them, the hardest candidates scored whatever the cap", low=1)
    cap: int = setting(
        8_000,
        "most pairs scored; measured queries first, then positives, then the hardest candidates of every query in turn",
        low=0,
    )

    def faults(self) -> list[str]:
        """Refuse a teacher that has nothing to tell apart."""
        if not self.model and self.mined_negatives + self.random_negatives == 0:
            return ["mined_negatives and random_negatives must not both be 0; try random_negatives: 1"]
        return []
