"""What other collections say about the weights, before anything was seen here.

Each judged collection is fitted under a common centre; the prior is that centre with the spread of the collections
around it (a random-effects model). So what differs between them, the base rate above all, is uncertain in the prior,
and what does not is sure. The file ``prior.json`` ships with the package; ``make fit-prior`` writes it again.

Known weakness: a handful of collections; so the spread is widened as Student's t is, and leans towards its diagonal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import ndtri, stdtrit

from pipeline.judge.fusion import FEATURES, Array, Belief, rounded

_SHARED = 0.5  # deviation of a collection's weight around the centre while the collections are fitted
_BASE = 3.0  # and of its intercept: free
_MOST_RELEVANT = 600  # a collection with more relevant candidates weighs no more than one with so many
_DIAGONAL = 0.5  # how far the covariance leans towards its diagonal
_FLOOR = 0.01


@cache
def load_prior() -> Belief:
    """Return the prior that ships with the package."""
    return read_prior(json.loads(files("pipeline.judge").joinpath("prior.json").read_text(encoding="utf-8")))


def read_prior(kept: Mapping[str, Any]) -> Belief:
    """Return the belief of a prior file's content."""
    features, means, scales, centre = (tuple(kept[name]) for name in ("features", "means", "scales", "centre"))
    return Belief(features, means, scales, centre, tuple(map(tuple, kept["covariance"])))


def fit_prior(collections: Mapping[str, pd.DataFrame]) -> Belief:
    """Return the centre and spread of the weights over judged collections.

    In:   per collection its candidates: the signals of FEATURES and ``hidden``, whether judged relevant.
    Cost: two dozen passes over all rows.
    Raises: ValueError for fewer than three collections: they say nothing about a spread.
    """
    if len(collections) < 3:
        raise ValueError(f"collections must be at least 3, got {len(collections)}; try a folder with more BEIR sets")
    rows = pd.concat([collections[name] for name in sorted(collections)])[list(FEATURES)].to_numpy(np.float64)
    means, scales = np.nanmean(rows, axis=0), np.nanstd(rows, axis=0)
    blank = Belief(FEATURES, rounded(means), rounded(scales), (0.0,) * (len(FEATURES) + 1), ())
    parts = [(blank.design(frame), frame["hidden"].to_numpy(bool)) for _, frame in sorted(collections.items())]
    centre = np.zeros(len(FEATURES) + 1)
    centre[-1] = -3.0
    for _ in range(12):
        fits = np.array([_fit_one(*part, centre) for part in parts])
        centre = fits.mean(axis=0)
    away = fits - centre
    count = len(fits)
    spread = away.T @ away / (count - 1) * (count + 1) / count
    spread *= (stdtrit(count - 1, 0.975) / ndtri(0.975)) ** 2  # a spread from so few is itself uncertain
    spread = (1 - _DIAGONAL) * spread + _DIAGONAL * np.diag(np.diag(spread)) + _FLOOR * np.eye(len(centre))
    return Belief(FEATURES, blank.means, blank.scales, rounded(centre), rounded(spread))


def _fit_one(design: Array, hidden: Array, centre: Array) -> Array:
    """Return the weights of one collection, drawn towards the centre."""
    tight = np.full(len(centre), _SHARED**-2)
    tight[-1] = _BASE**-2
    weight = min(1.0, _MOST_RELEVANT / max(1, int(hidden.sum())))

    def loss(place: Array) -> tuple[float, Array]:
        logit, away = design @ place, place - centre
        misfit = (np.logaddexp(0, logit) - hidden * logit).sum() * weight
        residual = (1 / (1 + np.exp(-logit)) - hidden) * weight
        return float(misfit + 0.5 * (tight * away**2).sum()), design.T @ residual + tight * away

    return np.asarray(minimize(loss, centre, jac=True, method="L-BFGS-B").x, np.float64)
