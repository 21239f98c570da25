"""Negatives that answer their query: how many, by the judge's belief over the signals of a sample, with an interval.

The belief was fitted on other, judged collections (``pipeline/judge/prior.py``): weights transfer, base rates do not.
So the interval is wide; it holds what is not known of the weights, and what the sample leaves open.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.judge.rate import TRANSFERRED, Rate, in_words, predict_rate
from pipeline.lint.context import Lint
from pipeline.lint.findings import WARNING, Finding, Found, Kind, LeftOut
from pipeline.lint.rows import F64
from pipeline.lint.signals import Measured

FALSE_NEGATIVE = Kind("false_negative", "a negative that answers its query, by a judge of other collections", WARNING)
KINDS = (FALSE_NEGATIVE,)


def find(lint: Lint) -> Iterator[Finding]:
    """Estimate the share of all negatives, and name the sampled ones that are more likely false than not."""
    measured, tools = lint.measured, lint.tools
    if measured is None or tools is None or tools.judge is None:
        yield LeftOut(FALSE_NEGATIVE, lint.why_not_measured or "no judge is there")
        return
    signals = measured.signals.reindex(columns=list(tools.judge.features))
    chance = np.round(tools.judge.predict(signals), 6)
    rate = estimate_rate(measured, chance, tools.judge.draw_chances(signals))
    likely = np.flatnonzero(chance >= lint.cfg.false_negative)
    likely = likely[np.argsort(-chance[likely], kind="stable")]
    passage = measured.passage[likely]
    told = f"about {rate.estimate:.0%} of all negatives are false, {in_words(rate)}"

    def tell(i: int) -> str:
        return f"probability {chance[likely[i]]:.2f}, {lint.clip(lint.set.query[lint.set.row[passage[i]]])}"

    yield Found(
        FALSE_NEGATIVE,
        lint.set.row[passage],
        passage,
        len(measured.passage),
        "negatives",
        tell,
        told,
        is_found=rate.low > lint.cfg.tolerated,
        is_sample=measured.is_sample,
        figures={"rate": {**rate.as_dict(), "in_words": in_words(rate)}},
    )


def estimate_rate(measured: Measured, chance: F64, drawn: F64) -> Rate:
    """Return the rate over all negatives of the set: (S, N) draws of the sample's chances, and what N leaves open."""
    count = len(chance)
    sums = np.bincount(measured.query, chance - chance.mean())
    left_out = 1 - count / max(measured.of, 1)
    variance = left_out * (sums**2).sum() / count**2 + (chance * (1 - chance)).mean() / count
    noise = np.random.default_rng(0).normal(size=len(drawn)) * np.sqrt(variance)
    return predict_rate(np.clip(drawn.mean(axis=1) + noise, 0.0, 1.0), TRANSFERRED)
