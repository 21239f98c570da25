"""What share of a set of pairs is wrong: an estimate with its interval, and what it stands on.

Without reviews the interval is that of the judge's posterior predictive draws, wide where nothing was measured here.
Reviewed pairs move it: their answers against the judge's probabilities correct the mean probability of the set, each
answer weighted by the inverse of the probability with which its pair was drawn, and the draws are the prior of the
binomial likelihood of that many answers.

Source: Särndal, Swensson and Wretman 1992, Model assisted survey sampling (the difference estimator).
Known weakness: the reviews count as independent draws, so that many of one query make the interval too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

TRANSFERRED, GOLD, REVIEWS = "transferred", "gold", "reviews"
LEVEL = 0.95
ENOUGH = 100  # reviewed pairs after which the interval is narrow enough to act on
_Z = 1.959964
_GRID = 2000
_EDGE = 1e-4
_MOST_GAIN = 3.0  # the judge's probabilities never make an answer worth more than so many
_DIGITS = 4


@dataclass(frozen=True)
class Rate:
    """A share in [0, 1] with its 95 % interval; ``pairs`` is the number of reviewed pairs among what it stands on."""

    estimate: float
    low: float
    high: float
    pairs: int = 0
    stands_on: str = TRANSFERRED

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON-able figures."""
        return asdict(self)

    @classmethod
    def read(cls, figures: Mapping[str, Any]) -> Self:
        """Return the rate that ``as_dict`` wrote."""
        return cls(**figures)


@dataclass(frozen=True)
class Answers:
    """Reviewed pairs of the set: the judge's probability, whether it was found wrong, the probability of its draw."""

    chance: Array
    is_wrong: npt.NDArray[np.bool_]
    inclusion: Array


def predict_rate(drawn: Array, stands_on: str = TRANSFERRED) -> Rate:
    """Return the rate that posterior draws of the whole set's rate, (S,), say: their mean and central 95 %.

    Raises: ValueError without draws.
    """
    if not len(drawn):
        raise ValueError("drawn must hold at least one rate, got none; try judging a pair first")
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return _rounded(float(np.mean(drawn)), float(low), float(high), 0, stands_on)


def update_rate(before: Rate, chance: Array, answers: Answers) -> Rate:
    """Return the rate of a set of pairs after some of them were reviewed.

    In:   the rate as it stood without these answers; the judge's probability of every pair of the set, (N,); the
          answers to pairs of the set (an answer of unsure is none).
    Out:  ``before`` itself where there is no answer.
    Cost: a grid of 2,000 rates.
    """
    count = len(answers.chance)
    if not count or not len(chance):
        return before
    weight = 1 / answers.inclusion
    weight = weight / weight.sum()
    is_wrong = answers.is_wrong.astype(np.float64)
    surprise = is_wrong - answers.chance
    found = float(np.clip(chance.mean() + (weight * surprise).sum(), 0.0, 1.0))
    worth = _worth(weight, surprise, found)
    wrong = found * worth

    grid = (np.arange(_GRID) + 0.5) / _GRID
    centre, spread = _logit_normal(before)
    logits = np.log(grid / (1 - grid))
    log_density = -0.5 * ((logits - centre) / spread) ** 2 - np.log(grid * (1 - grid))
    log_density += wrong * np.log(grid) + (worth - wrong) * np.log1p(-grid)
    density = np.exp(log_density - log_density.max())
    density /= density.sum()
    below = np.cumsum(density)
    low, high = (float(grid[np.searchsorted(below, part)]) for part in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return _rounded(float((grid * density).sum()), low, high, count, REVIEWS)


def _worth(weight: Array, surprise: Array, found: float) -> float:
    """Return how many answers to pairs drawn alike the answers are worth.

    Unequal weights make them worth less (Kish), good probabilities more: less is left to be surprised by.
    """
    alike = 1 / float((weight**2).sum())
    smoothed = (found * alike + 0.5) / (alike + 1)
    left = float((weight * (surprise - (weight * surprise).sum()) ** 2).sum())
    floor = smoothed * (1 - smoothed) / _MOST_GAIN
    return alike * smoothed * (1 - smoothed) / max(left, floor, 1e-6)


def _logit_normal(rate: Rate) -> tuple[float, float]:
    """Return centre and deviation of the logit-normal distribution with the interval of the rate."""
    low, high = (min(max(edge, _EDGE), 1 - _EDGE) for edge in (rate.low, rate.high))
    ends = math.log(low / (1 - low)), math.log(high / (1 - high))
    return (ends[0] + ends[1]) / 2, max((ends[1] - ends[0]) / (2 * _Z), 0.05)


def _rounded(estimate: float, low: float, high: float, pairs: int, stands_on: str) -> Rate:
    return Rate(round(estimate, _DIGITS), round(low, _DIGITS), round(high, _DIGITS), pairs, stands_on)


def in_words(rate: Rate) -> str:
    """Return the interval as a sentence's end, and what would narrow it: "between 4 and 31 %; review 100 pairs ..."."""
    low, high = math.floor(rate.low * 100 + 1e-9), math.ceil(rate.high * 100 - 1e-9)
    between = f"between {low} and {high} %" if low < high else f"about {high} %"
    if rate.stands_on == REVIEWS:
        between += f", by {rate.pairs:,} reviewed {'pair' if rate.pairs == 1 else 'pairs'}"
    if rate.pairs < ENOUGH and high - low > 10:
        between += f"; review {ENOUGH - rate.pairs} {'more pairs' if rate.pairs else 'pairs'} to know"
    return between
