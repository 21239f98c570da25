"""The probability of being a false negative: a logistic fusion of signals whose weights are a normal distribution.

Weights transfer between corpora, base rates do not: the distribution says how sure each weight is, and the probability
is the mean over it, so that a judge that knows little is neither sure of a yes nor of a no. A signal is standardised by
the moments in the belief; a missing one counts as its mean. Numbers are rounded to 6 decimals, so that the last bits
of a solver decide nothing.

Source: MacKay 1992, The evidence framework applied to classification networks (the mean of a logistic under a normal).
Known weakness: a missing signal leaves the probability as sure as a middling one would.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyspark.sql import Column
from pyspark.sql import functions as F

Array = npt.NDArray[np.float64]

FEATURES = ("cosine_z", "gap_spread", "lexical_share", "positive_z", "log_lexical", "log_dense")
TEACHER = "teacher_logit"
DECIMALS = 6
_LOWER = 1.644854  # the one-sided 95 % bound
_FARTHEST = 5.0  # deviations from the mean beyond which a signal says no more
_DRAWS = 400


@dataclass(frozen=True)
class Belief:
    """What is known of the weights: their mean and covariance, (K + 1,) and (K + 1, K + 1), the intercept last."""

    features: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    centre: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]

    def design(self, rows: pd.DataFrame) -> Array:
        """Return the standardised signals of rows and a column of ones, (N, K + 1)."""
        raw = rows[list(self.features)].to_numpy(dtype=np.float64)
        standard = np.clip((raw - self.means) / self.scales, -_FARTHEST, _FARTHEST)
        return np.column_stack([np.where(np.isnan(raw), 0.0, standard), np.ones(len(rows))])

    def predict(self, rows: pd.DataFrame) -> Array:
        """Return the probability of each row, (N,)."""
        design = self.design(rows)
        variance = ((design @ self._root()) ** 2).sum(axis=1)
        return _sigmoid(design @ np.array(self.centre) / np.sqrt(1 + math.pi / 8 * variance))

    def bound(self, rows: pd.DataFrame) -> Array:
        """Return what the probability of each row is above with 95 % certainty, (N,)."""
        design = self.design(rows)
        return _sigmoid(design @ np.array(self.centre) - _LOWER * np.sqrt(((design @ self._root()) ** 2).sum(axis=1)))

    def draw_chances(self, rows: pd.DataFrame) -> Array:
        """Return the probability of each row under 400 draws of the weights, (400, N): the same draws every time."""
        noise = np.random.default_rng(0).normal(size=(_DRAWS, len(self.centre)))
        return _sigmoid((np.array(self.centre) + noise @ self._root().T) @ self.design(rows).T)

    def probability(self) -> Column:
        """Return ``predict`` as a column over the signals, rounded to 6 decimals."""
        centre, variance = self._moments()
        return _rounded_sigmoid(centre / F.sqrt(F.lit(1.0) + F.lit(math.pi / 8) * variance))

    def lower_bound(self) -> Column:
        """Return what the probability is above with 95 % certainty, as a column."""
        centre, variance = self._moments()
        return _rounded_sigmoid(centre - F.lit(_LOWER) * F.sqrt(variance))

    def _moments(self) -> tuple[Column, Column]:
        """Return mean and variance of the logit as columns."""
        signals = [
            F.greatest(F.lit(-_FARTHEST), F.least(F.lit(_FARTHEST), F.coalesce(standard, F.lit(0.0))))
            for standard in (
                (F.col(name) - F.lit(mean)) / F.lit(scale)
                for name, mean, scale in zip(self.features, self.means, self.scales, strict=True)
            )
        ]
        terms = [*signals, F.lit(1.0)]

        def combine(weights: Array) -> Column:
            return reduce(
                Column.__add__, [term * F.lit(float(weight)) for term, weight in zip(terms, weights, strict=True)]
            )

        squares = [combine(column) * combine(column) for column in self._root().T]
        return combine(np.array(self.centre)), reduce(Column.__add__, squares)

    def _root(self) -> Array:
        return np.asarray(np.linalg.cholesky(np.array(self.covariance)), np.float64)


@dataclass(frozen=True)
class Calibration:
    """What the judge uses: its belief, the one with the teacher if that earned its vote, and figures for the report."""

    belief: Belief
    taught: Belief | None = None
    stands_on: str = "transferred"
    figures: dict[str, Any] = field(default_factory=dict)

    def probability(self) -> Column:
        """Return the probability of being a false negative; rows without a teacher's score use the other signals."""
        return self._either(Belief.probability)

    def lower_bound(self) -> Column:
        """Return what that probability is above with 95 % certainty."""
        return self._either(Belief.lower_bound)

    def _either(self, ask: Any) -> Column:
        plain: Column = ask(self.belief)
        return plain if self.taught is None else F.when(F.col(TEACHER).isNotNull(), ask(self.taught)).otherwise(plain)

    def predict(self, rows: pd.DataFrame) -> Array:
        """Return the probabilities of collected rows."""
        return self._numbers(rows, Belief.predict)

    def draw_chances(self, rows: pd.DataFrame) -> Array:
        """Return the probabilities of collected rows under draws of the weights, (S, N)."""
        return self._numbers(rows, Belief.draw_chances)

    def _numbers(self, rows: pd.DataFrame, ask: Any) -> Array:
        plain: Array = ask(self.belief, rows)
        if self.taught is None or not len(rows):
            return plain
        return np.where(rows[TEACHER].notna().to_numpy(), ask(self.taught, rows), plain)


def rounded(values: npt.ArrayLike) -> Any:
    """Return numbers as (nested) tuples, rounded; adding 0 turns -0.0 into 0.0, which would be other bytes."""
    array = np.round(np.asarray(values, dtype=np.float64), DECIMALS) + 0.0
    return tuple(array.tolist()) if array.ndim == 1 else tuple(map(tuple, array.tolist()))


def _sigmoid(logit: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logit, -40, 40))), dtype=np.float64)


def _rounded_sigmoid(logit: Column) -> Column:
    return F.round(F.lit(1.0) / (F.lit(1.0) + F.exp(-logit)), DECIMALS)
