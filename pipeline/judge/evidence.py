"""What was seen here moves the belief about the weights: the same formula with little evidence and with much.

Two kinds of evidence: candidates of gold queries, of which gold knows some for positives, and reviewed pairs. What gold
does not know may still be relevant: the chance that it knows a candidate is c times the chance that this is relevant,
and c, the completeness of gold, is estimated with the weights, from a prior of its own.

Pairs of one query resemble one another; so the evidence counts less by the design effect, which is measured on the
residuals. The posterior is the normal distribution at the mode (Laplace).

Source: Elkan and Noto 2008 (positive and unlabelled data); Kish 1965 (design effect).
Known weakness: completeness and base rate are told apart by their priors and the shape of the curve alone, unless
pairs were reviewed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from pipeline.judge.fusion import Array, Belief, rounded

COMPLETENESS = (0.7, 1.2)  # prior of its logit: about two thirds, between a sixth and nineteen twentieths
_MOST_EFFECT = 20.0
_STEP = 1e-4


@dataclass(frozen=True)
class Evidence:
    """Pairs: standardised signals (N, K + 1), whether known or found relevant, whether reviewed, their query."""

    design: Array
    is_relevant: npt.NDArray[np.bool_]
    is_reviewed: npt.NDArray[np.bool_]
    query: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Update:
    """The belief afterwards, the completeness of gold it goes with, and the design effect that was found."""

    belief: Belief
    completeness: float
    effect: float


def update_belief(prior: Belief, evidence: Evidence) -> Update:
    """Return what is known of the weights after the evidence; without any it is the prior.

    Ties: none; the mode is unique but for the completeness, which starts at its prior.
    Cost: some tens of passes over the evidence, in memory.
    """
    if not len(evidence.is_relevant):
        return Update(prior, round(float(_logistic(np.array(COMPLETENESS[0]))), 4), 1.0)
    mode = _find_mode(prior, evidence, 1.0)
    effect = _design_effect(mode, evidence)
    mode = _find_mode(prior, evidence, effect)
    covariance = np.linalg.inv(_curvature(mode, prior, evidence, effect))[:-1, :-1]
    belief = Belief(
        prior.features, prior.means, prior.scales, rounded(mode[:-1]), rounded((covariance + covariance.T) / 2)
    )
    return Update(belief, round(float(_logistic(mode[-1])), 4), round(effect, 4))


def _find_mode(prior: Belief, evidence: Evidence, effect: float) -> Array:
    start = np.array([*prior.centre, COMPLETENESS[0]])
    found = minimize(_loss, start, (prior, evidence, effect), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    return np.asarray(found.x, np.float64)


def _loss(place: Array, prior: Belief, evidence: Evidence, effect: float) -> tuple[float, Array]:
    """Return the negative log posterior at (weights, intercept, logit of completeness), and its gradient."""
    weights, known = place[:-1], float(_logistic(place[-1]))
    away = weights - np.array(prior.centre)
    pull = np.linalg.solve(np.array(prior.covariance), away)
    complete = (place[-1] - COMPLETENESS[0]) / COMPLETENESS[1]
    chance = np.clip(_logistic(evidence.design @ weights), 1e-9, 1 - 1e-9)
    share = np.where(evidence.is_reviewed, 1.0, known)
    seen = share * chance
    is_relevant = evidence.is_relevant
    loss = 0.5 * away @ pull + 0.5 * complete**2
    loss -= np.where(is_relevant, np.log(seen), np.log1p(-seen)).sum() / effect
    by_seen = np.where(is_relevant, -1 / seen, 1 / (1 - seen)) / effect
    gradient = pull + evidence.design.T @ (by_seen * share * chance * (1 - chance))
    by_known = (by_seen * chance * ~evidence.is_reviewed).sum() * known * (1 - known)
    return float(loss), np.append(gradient, by_known + complete / COMPLETENESS[1])


def _design_effect(mode: Array, evidence: Evidence) -> float:
    """Return how many times the variance of a sum over queries exceeds that of pairs drawn one by one."""
    chance = np.clip(_logistic(evidence.design @ mode[:-1]), 1e-9, 1 - 1e-9)
    seen = np.where(evidence.is_reviewed, 1.0, _logistic(mode[-1])) * chance
    residual = (evidence.is_relevant - seen) / np.sqrt(seen * (1 - seen))
    sums = np.bincount(evidence.query, residual)
    return float(np.clip((sums**2).sum() / (residual**2).sum(), 1.0, _MOST_EFFECT))


def _curvature(mode: Array, prior: Belief, evidence: Evidence, effect: float) -> Array:
    """Return the second derivative of the loss, by differences of its gradient; at least the prior's in every way."""
    columns = []
    for each in np.eye(len(mode)) * _STEP:
        above, below = (_loss(mode + side * each, prior, evidence, effect)[1] for side in (1, -1))
        columns.append((above - below) / (2 * _STEP))
    curvature = np.array(columns)
    values, vectors = np.linalg.eigh((curvature + curvature.T) / 2)
    least = 1 / np.linalg.eigvalsh(np.array(prior.covariance)).max()
    return np.asarray((vectors * np.maximum(values, min(least, 0.5))) @ vectors.T, np.float64)


def _logistic(logit: npt.ArrayLike) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(logit, np.float64))), np.float64)
