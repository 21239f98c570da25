"""From signals to verdicts: how likely a candidate is a false negative, and what becomes of it."""

from __future__ import annotations

from schemas.config import Config, setting


class JudgeConfig(Config):
    """What is tolerated of a negative, and how the probability of a false negative is calibrated."""

    tolerance: float = setting(
        0.1, "a candidate that is a false negative with more than this probability is vetoed", low=0.0, high=1.0
    )
    promote_above: float | None = setting(
        None, "a candidate above this probability is trained on as a positive; null = never", low=0.5, high=1.0
    )
    per_query: int = setting(4, "negatives wanted of a query, hardest first", low=0, high=1000)
    min_dense: float = setting(
        0.1, "a candidate with a lower cosine to the query teaches nothing: too easy", low=-1.0, high=1.0
    )
    duplicate_cosine: float = setting(
        0.97, "a candidate this close to a positive document counts as its duplicate", low=0.5, high=1.0
    )
    completeness: float = setting(
        0.5,
        "share of the relevant candidates that gold is believed to know; 0.5 = as many unknown as known ones",
        low=0.01,
        high=0.99,
    )
    gold_queries: int = setting(400, "most gold queries that the calibration is fitted on", low=0, high=20_000)
    min_hidden: int = setting(40, "fewer hidden positives than this are too few to fit on", low=2)
    ridge: float = setting(1.0, "L2 penalty of the fusion's standardised weights", low=0.0)
    prior_margin: float = setting(
        0.05,
        "where nothing can be fitted: a candidate within this share of the best positive's cosine is vetoed",
        low=0.0,
        high=1.0,
    )

    def faults(self) -> list[str]:
        """Refuse to take for positive what is tolerated as a negative."""
        if self.promote_above is not None and self.promote_above <= self.tolerance:
            return [f"promote_above must be above tolerance ({self.tolerance}), got {self.promote_above}; try 0.95"]
        return []
