"""The probability of being a false negative: a small logistic fusion of the signals, fitted on trials.

scikit-learn's regression with an L2 penalty on the standardised weights; a missing signal counts as its mean, plus a
weight of its own where the trials had missing ones. Weights are rounded to 6 decimals, so that the last bits of a
linear solver decide nothing.

Source: Elkan and Noto 2008, Learning classifiers from only positive and unlabelled data: the fit tells hidden from
unlabelled; if gold knows the share c of the relevant candidates, the odds that an unlabelled one is relevant are those
odds times (1-c)/c. With c = 0.5 both are equal.
Known weakness: c is believed, not measured; and trials come from queries with several positives, which have more
unknown ones than queries with one: there the probability is too high, which costs hard negatives, not clean ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyspark.sql import Column
from pyspark.sql import functions as F

from pipeline.judge.config import JudgeConfig

Array = npt.NDArray[np.float64]

SEVERAL, SINGLE, PRIOR = "several", "single", "prior"
FEATURES = {
    SEVERAL: ("dense", "gap", "bm25_share", "positive_sim", "log_rank"),
    SINGLE: ("dense", "bm25_share", "log_rank"),  # nothing was shown, so nothing relative to it was seen
}
TEACHER = "teacher_logit"
_DECIMALS = 6
_PRIOR_SLOPE = 50.0  # logits a unit of cosine


@dataclass(frozen=True)
class Fusion:
    """A logistic model as plain data: sum of weight * (value - mean) / scale, or the weight of missing."""

    features: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    missing: tuple[float, ...]
    intercept: float

    def probability(self, shift: float = 0.0) -> Column:
        """Return the probability as a column over the features, rounded to 6 decimals."""
        logit: Column = F.lit(self.intercept + shift)
        for name, mean, scale, weight, missing in self._terms():
            term = F.lit(weight) * ((F.col(name) - F.lit(mean)) / F.lit(scale))
            logit = logit + F.coalesce(term, F.lit(missing))
        return F.round(F.lit(1.0) / (F.lit(1.0) + F.exp(-logit)), _DECIMALS)

    def predict(self, trials: pd.DataFrame) -> Array:
        """Return the probabilities of collected rows."""
        logit = np.full(len(trials), self.intercept)
        for name, mean, scale, weight, missing in self._terms():
            values = trials[name].to_numpy(dtype=np.float64)
            logit += np.where(np.isnan(values), missing, weight * (values - mean) / scale)
        return np.asarray(1.0 / (1.0 + np.exp(-logit)), dtype=np.float64)

    def _terms(self) -> zip[tuple[str, float, float, float, float]]:
        return zip(self.features, self.means, self.scales, self.weights, self.missing, strict=True)


@dataclass(frozen=True)
class Calibration:
    """What the judge uses: how it was fitted, the fusion, the one with the teacher if it earned its vote, figures."""

    mode: str
    fusion: Fusion
    taught: Fusion | None = None
    shift: float = 0.0
    figures: dict[str, Any] = field(default_factory=dict)

    def probability(self) -> Column:
        """Return the probability of being a false negative; rows without a teacher's score use the other signals."""
        plain = self.fusion.probability(self.shift)
        if self.taught is None:
            return plain
        return F.when(F.col(TEACHER).isNotNull(), self.taught.probability(self.shift)).otherwise(plain)


def prior_fusion(cfg: JudgeConfig) -> Fusion:
    """Return the rule for want of gold: the tolerance is reached at ``prior_margin`` below the best positive's cosine.

    Source: Moreira et al. 2024, NV-Retriever: 95 % of the positive's score did best. The number is no measured
    probability, it only falls on the right side of the tolerance.
    """
    edge = min(max(cfg.tolerance, 1e-6), 1 - 1e-6)
    return Fusion(("excess",), (0.0,), (1.0,), (_PRIOR_SLOPE,), (0.0,), round(math.log(edge / (1 - edge)), _DECIMALS))


def pu_shift(completeness: float) -> float:
    """Return what is added to the logit because gold knows only a share of the relevant candidates."""
    return round(math.log((1 - completeness) / completeness), _DECIMALS)


def fit_fusion(trials: pd.DataFrame, features: tuple[str, ...], ridge: float) -> Fusion:
    """Fit the fusion on trials that hold both hidden positives and others."""
    label = trials["hidden"].to_numpy(dtype=np.float64)
    raw = trials[list(features)].to_numpy(dtype=np.float64)
    is_missing = np.isnan(raw)
    means, scales = _moments(raw, is_missing)
    standard = np.where(is_missing, 0.0, (np.where(is_missing, 0.0, raw) - means) / scales)
    gaps = [place for place in range(len(features)) if 0 < is_missing[:, place].sum() < len(raw)]
    design = np.concatenate([standard, is_missing[:, gaps].astype(np.float64)], axis=1)
    from sklearn.linear_model import LogisticRegression  # half a second, in the one process that fits

    model = LogisticRegression(C=1 / max(ridge, 1e-6), solver="newton-cholesky", tol=1e-8).fit(design, label)
    weights = model.coef_[0]
    missing = np.zeros(len(features))
    missing[gaps] = weights[len(features) :]
    return Fusion(
        features,
        _rounded(means),
        _rounded(scales),
        _rounded(weights[: len(features)]),
        _rounded(missing),
        round(float(model.intercept_[0]), _DECIMALS),
    )


def _moments(raw: Array, is_missing: npt.NDArray[np.bool_]) -> tuple[Array, Array]:
    """Return mean and deviation of each column over the values that are there."""
    counts = np.maximum((~is_missing).sum(axis=0), 1)
    means = np.round(np.where(is_missing, 0.0, raw).sum(axis=0) / counts, _DECIMALS)
    spread = np.where(is_missing, 0.0, raw - means)
    scales = np.sqrt((spread**2).sum(axis=0) / counts)
    return means, np.where(scales < 1e-6, 1.0, np.round(scales, _DECIMALS))


def _rounded(values: Array) -> tuple[float, ...]:
    return tuple(round(float(value), _DECIMALS) + 0.0 for value in values)
