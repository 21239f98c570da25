"""Which candidates to take: rules compared on collected candidates, and the price of risk that meets a tolerated rate.

``trade_off`` takes a query's candidates by cosine minus price times probability: of all ways to reach a mean cosine it
is the one with the lowest expected rate. ``threshold`` takes the hardest of those below a probability.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.judge.fusion import Array

Flags = npt.NDArray[np.bool_]
Chosen = npt.NDArray[np.int64]

THRESHOLD, TRADE_OFF = "threshold", "trade_off"
MARGIN, HARDEST = "relative margin .05", "hardest first"
CHEAPEST, DEAREST = 1e-3, 1e3
_HALVINGS = 40
_POINTS = 12


@dataclass(frozen=True)
class Candidates:
    """Candidates of some queries as arrays, sorted by query and document, so that a tie goes to the earlier row."""

    query: npt.NDArray[np.int64]
    cosine: Array
    chance: Array
    reference: Array
    is_allowed: Flags

    @classmethod
    def of(cls, rows: pd.DataFrame, chance: Array) -> Candidates:
        """Return them from collected rows, in the order of (query_id, doc_id), with dense, reference, is_allowed."""
        query = pd.factorize(rows["query_id"])[0].astype(np.int64)
        cosine, reference = (rows[name].to_numpy(np.float64) for name in ("dense", "reference"))
        return cls(query, cosine, chance, reference, rows["is_allowed"].to_numpy(bool))


def choose(found: Candidates, score: Array, allowed: Flags, wanted: int) -> Chosen:
    """Return the rows taken: of each query up to ``wanted`` allowed ones with the highest score."""
    rows = np.flatnonzero(allowed & found.is_allowed)
    ordered = rows[np.lexsort((rows, -np.round(score[rows], 9), found.query[rows]))]
    query = found.query[ordered]
    first = np.searchsorted(query, query)
    return ordered[np.arange(len(ordered)) - first < wanted]


def choose_by_price(found: Candidates, price: float, wanted: int, widest: float = 1.0) -> Chosen:
    """Return what ``trade_off`` takes at a price."""
    return choose(found, found.cosine - price * found.chance, found.chance <= widest, wanted)


def choose_below(found: Candidates, tolerance: float, wanted: int, widest: float | None = None) -> Chosen:
    """Return what ``threshold`` takes: the hardest below it; where they are too few, the least likely above it."""
    is_above = found.chance > tolerance
    score = np.where(is_above, -10.0 - found.chance, found.cosine)
    return choose(found, score, found.chance <= (tolerance if widest is None else widest), wanted)


def choose_by_peers(found: Candidates, wanted: int) -> dict[str, Chosen]:
    """Return what the rules of others take.

    Source: sentence-transformers' ``mine_hard_negatives(relative_margin=0.05)``, which on positive cosines is also
    NV-Retriever's 95 % of the positive (Moreira et al. 2024); and hardest first.
    """
    everything = np.ones(len(found.cosine), bool)
    below = found.cosine <= found.reference - 0.05 * np.abs(found.reference)
    return {
        HARDEST: choose(found, found.cosine, everything, wanted),
        MARGIN: choose(found, found.cosine, below, wanted),
    }


def find_price(found: Candidates, tolerance: float, wanted: int, widest: float) -> tuple[float, bool]:
    """Return the lowest price at which the mean probability of the taken is tolerated, and whether there is one."""

    def rate(price: float) -> float:
        taken = choose_by_price(found, price, wanted, widest)
        return float(found.chance[taken].mean()) if len(taken) else 0.0

    if rate(0.0) <= tolerance:
        return 0.0, True
    if rate(DEAREST) > tolerance:
        return DEAREST, False
    low, high = np.log(CHEAPEST), np.log(DEAREST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if rate(float(np.exp(middle))) <= tolerance else (middle, high)
    return round(float(np.exp(high)) + 5e-7, 6), True


def draw_curve(found: Candidates, wanted: int) -> list[tuple[str, float, Chosen]]:
    """Return what both rules take along their whole range, and the peers: (rule, its setting, rows taken)."""
    points = [
        (TRADE_OFF, round(float(price), 4), choose_by_price(found, float(price), wanted))
        for price in np.geomspace(0.02, 50, _POINTS)
    ]
    levels: list[float] = []
    if len(found.chance):
        levels = np.unique(np.round(np.quantile(found.chance, np.linspace(0.5, 1, _POINTS)), 4)).tolist()
    points += [(THRESHOLD, level, choose_below(found, level, wanted)) for level in levels]
    return points + [(name, 0.05, taken) for name, taken in choose_by_peers(found, wanted).items()]
