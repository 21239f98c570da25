"""From signals to verdicts: how likely a candidate is a false negative, and what becomes of it."""

from __future__ import annotations

from pipeline.judge.trade import THRESHOLD, TRADE_OFF
from schemas.config import Config, setting


class JudgeConfig(Config):
    """What is tolerated of a negative, and how the probability of a false negative is calibrated."""

    rule: str = setting(
        TRADE_OFF,
        "trade_off = by cosine less a price times the probability of a false negative, so that the estimated rate "
        "among all negatives is tolerated; threshold = the hardest of those whose own probability is tolerated",
        choices=(THRESHOLD, TRADE_OFF),
    )
    tolerance: float = setting(0.1, "probability, or rate, of false negatives that is tolerated", low=0.0, high=1.0)
    widest: float = setting(
        0.5,
        "a query that starves takes candidates up to this probability, the least likely first; none is taken above it",
        low=0.0,
        high=1.0,
    )
    promote_above: float | None = setting(
        None,
        "a candidate whose probability is above this with 95 % certainty is trained on as a positive; null = never",
        low=0.5,
        high=1.0,
    )
    per_query: int = setting(4, "negatives wanted of a query", low=0, high=1000)
    min_dense: float = setting(
        0.1, "a candidate with a lower cosine to the query teaches nothing: too easy", low=-1.0, high=1.0
    )
    duplicate_cosine: float = setting(
        0.97, "a candidate this close to a positive document counts as its duplicate", low=0.5, high=1.0
    )
    gold_queries: int = setting(400, "most gold queries that the judge learns from", low=0, high=20_000)
    min_hidden: int = setting(40, "fewer hidden positives than this are too few to measure a teacher on", low=2)
    sample_queries: int = setting(
        1_000, "most queries that the price of risk, the curve and the stated rates are found on", low=1, high=100_000
    )

    def faults(self) -> list[str]:
        """Refuse to take for positive what is tolerated as a negative."""
        if self.promote_above is not None and self.promote_above <= self.tolerance:
            return [f"promote_above must be above tolerance ({self.tolerance}), got {self.promote_above}; try 0.95"]
        if self.widest < self.tolerance:
            return [f"widest must be at least tolerance ({self.tolerance}), got {self.widest}; try {self.tolerance}"]
        return []
