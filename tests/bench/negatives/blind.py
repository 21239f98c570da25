"""Rows 1, 2 and 4: judged collections with one positive of a query shown, each under a prior fitted without it.

The truth of every rule is the share of judged positives among the negatives that it takes, four of a query. Rules are
compared at equal hardness: at the mean cosine that a peer reaches. The reviews of row 2 are drawn from the negatives
that the judge takes and answered from the judgements.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline.judge.calibrate import calibrate
from pipeline.judge.config import JudgeConfig
from pipeline.judge.fusion import Belief, Calibration
from pipeline.judge.rate import Answers, Rate, predict_rate, update_rate
from pipeline.judge.trade import HARDEST, MARGIN, Candidates, Chosen, choose, choose_below, choose_by_peers
from pipeline.judge.trade import choose_by_price as at_price
from tests.bench.negatives.fit_prior import COLLECTIONS, fit_without, is_judged_deeply
from tests.bench.negatives.pools import load_pool
from tests.bench.negatives.trials import blind_trials
from tests.bench.rows import Row, no_collections

SECTION = "blind"
MEASURED = ("cranfield", "medline", "cacm", "cisi", "time", "lisa")
WANTED, DRAWS, REVIEWED = 4, 5, 100
FIRST, LAST = 10, 210  # the ranks that FlagEmbedding's hn_mine draws from
RELABEL = JudgeConfig(promote_above=0.8)


class Trial(NamedTuple):
    """One draw of the shown positives of a collection, and the prior that it is judged by."""

    rows: pd.DataFrame
    truth: np.ndarray[tuple[int], np.dtype[np.bool_]]
    found: Candidates
    prior: Belief


def measure(work: Path, collections: Path | None, cache: Path, draws: int = DRAWS) -> list[Row]:
    """Judge every collection, print its curve, and return the rows."""
    if collections is None:
        return [no_collections(SECTION, "negatives of judged collections")]
    pools = {name: load_pool(name, collections, cache) for name in COLLECTIONS}
    deep = {name: blind_trials(pool) for name, pool in pools.items() if is_judged_deeply(pool)}
    rows, at_margin = [], {}
    for name in MEASURED:
        prior = fit_without(name, deep)
        trials = [_trial(blind_trials(pools[name], draw), prior) for draw in range(draws)]
        figures = pd.DataFrame([_compare(trial) for trial in trials]).mean()
        at_margin[name] = float(figures["at margin"] / figures[MARGIN])
        rows += _rows_of(name, figures, at_margin[name], trials)
    rows.append(Row.of(SECTION, "of the margin's rate, mean of the six", _mean(at_margin), "", ("<=", 0.4)))
    return rows + _reviewed_rows(rows)


def _trial(rows: pd.DataFrame, prior: Belief) -> Trial:
    return Trial(rows, rows["hidden"].to_numpy(bool), Candidates.of(rows, prior.predict(rows)), prior)


def _compare(trial: Trial) -> dict[str, float]:
    """Return rates and mean cosines: of the peers, and of the judge at their cosines."""
    found, truth = trial.found, trial.truth
    peers = choose_by_peers(found, WANTED) | {"hn_mine": _draw_ranks(found)}
    figures = {name: float(truth[taken].mean()) for name, taken in peers.items()}
    cosines = {name: float(found.cosine[taken].mean()) for name, taken in peers.items()}
    margin, hard = cosines[MARGIN], cosines[HARDEST] - 0.03
    for place, cosine in (("margin", margin), ("hardest", hard)):
        taken = at_cosine(found, cosine, lambda price: at_price(found, price, WANTED))
        figures[f"at {place}"] = float(truth[taken].mean())
        level = at_cosine(found, cosine, lambda level: choose_below(found, 1 / level, WANTED, 1.0), 1.0, 1e6)
        figures[f"threshold at {place}"] = float(truth[level].mean())
    figures["judge at hn_mine"] = float(
        truth[at_cosine(found, cosines["hn_mine"], lambda price: at_price(found, price, WANTED))].mean()
    )
    return figures | {f"cosine of {name}": value for name, value in cosines.items()}


def at_cosine(
    found: Candidates, cosine: float, take: Callable[[float], Chosen], low: float = 1e-4, high: float = 1e4
) -> Chosen:
    """Return what a rule takes at the setting whose mean cosine comes nearest from above; more is easier."""
    left, right = np.log(low), np.log(high)
    for _ in range(30):
        middle = (left + right) / 2
        if found.cosine[take(float(np.exp(middle)))].mean() >= cosine:
            left = middle
        else:
            right = middle
    return take(float(np.exp(left)))


def _draw_ranks(found: Candidates) -> Chosen:
    """Return four of a query at random among its ranks 10 to 210 by cosine."""
    hardness = choose(found, found.cosine, np.ones(len(found.cosine), bool), LAST)
    query = found.query[hardness]
    rank = np.arange(len(query)) - np.searchsorted(query, query)
    drawn = np.zeros(len(found.cosine), bool)
    drawn[hardness[rank >= FIRST]] = True
    return choose(found, np.random.default_rng(0).random(len(found.cosine)), drawn, WANTED)


def _rows_of(name: str, figures: pd.Series, ratio: float, trials: list[Trial]) -> list[Row]:
    third = name in ("cranfield", "cacm")
    target = ("<=", 1 / 3) if third else ("<=", 0.7)
    rows = [
        Row.of(SECTION, f"{name}: {peer}, rate at cosine {figures[f'cosine of {peer}']:.3f}", float(figures[peer]))
        for peer in (HARDEST, MARGIN, "hn_mine")
    ]
    rows += [
        Row.of(SECTION, f"{name}: judge, rate at the margin's cosine", float(figures["at margin"])),
        Row.of(SECTION, f"{name}: threshold, rate at the margin's cosine", float(figures["threshold at margin"])),
        Row.of(SECTION, f"{name}: judge, rate at hn_mine's cosine", float(figures["judge at hn_mine"])),
        Row.of(SECTION, f"{name}: of the margin's (and NV-Retriever's) rate", ratio, "", target),
        Row.of(
            SECTION,
            f"{name}: of hardest first's rate, .03 below its cosine",
            float(figures["at hardest"] / figures[HARDEST]),
            "",
            ("<=", 0.75),
        ),
        Row.of(SECTION, f"{name}: the same by threshold", float(figures["threshold at hardest"] / figures[HARDEST])),
    ]
    for price in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0):
        taken = [at_price(trial.found, price, WANTED) for trial in trials]
        rate = _mean(
            {at: float(trial.truth[rows].mean()) for at, (trial, rows) in enumerate(zip(trials, taken, strict=True))}
        )
        cosine = _mean(
            {at: float(t.found.cosine[r].mean()) for at, (t, r) in enumerate(zip(trials, taken, strict=True))}
        )
        rows.append(Row.of(SECTION, f"{name}: curve, price {price}: rate at cosine {cosine:.3f}", rate))
    return rows + _estimate_rows(name, trials[0])


def _estimate_rows(name: str, trial: Trial) -> list[Row]:
    """Say whether the stated interval holds the truth, and how near a hundred reviewed pairs come."""
    margin = choose_by_peers(trial.found, WANTED)[MARGIN]
    taken = at_cosine(
        trial.found, float(trial.found.cosine[margin].mean()), lambda price: at_price(trial.found, price, WANTED)
    )
    rows, truth = trial.rows.iloc[taken], trial.truth[taken]
    before = predict_rate(trial.prior.draw_chances(rows).mean(axis=1))
    holds = float(before.low <= truth.mean() <= before.high)
    errors, relabelled = [], []
    for seed in range(10):
        after, wrong = _review(trial, rows, truth, before, seed)
        errors.append(abs(after.estimate - truth.mean()))
        relabelled += wrong
    found = [
        Row.of(
            SECTION,
            f"{name}: truth {truth.mean():.3f} in {before.low:.3f} to {before.high:.3f}",
            holds,
            "",
            ("==", 1.0),
        ),
        Row.of(SECTION, f"{name}: error with {REVIEWED} reviewed pairs", float(np.mean(errors)), "", ("<=", 0.08)),
    ]
    if not relabelled:
        return [*found, Row.left_out(SECTION, f"{name}: relabelled", "no candidate was sure enough")]
    what = f"{name}: relevant of {len(relabelled) / 10:.0f} relabelled, mean of 10 draws of reviews"
    return [*found, Row.of(SECTION, what, float(np.mean(relabelled)), "", (">=", 0.8))]


def _review(trial: Trial, rows: pd.DataFrame, truth: np.ndarray, before: Rate, seed: int) -> tuple[Rate, list[bool]]:
    """Return the rate after a hundred of the taken were reviewed, and the truth of what would be relabelled."""
    random = np.random.default_rng(seed)
    drawn = np.sort(random.choice(len(rows), min(REVIEWED, len(rows)), replace=False))
    inclusion = np.full(len(drawn), len(drawn) / len(rows))
    answers = rows.iloc[drawn].assign(is_relevant=truth[drawn], inclusion=inclusion)
    calibration = calibrate(trial.rows.assign(is_several=False), RELABEL, answers, trial.prior)
    chance = calibration.predict(rows)
    rate = update_rate(before, chance, Answers(chance[drawn], truth[drawn], inclusion))
    return rate, trial.truth[_sure(trial, calibration)].tolist()


def _sure(trial: Trial, calibration: Calibration) -> np.ndarray:
    assert RELABEL.promote_above is not None
    return calibration.belief.bound(trial.rows) > RELABEL.promote_above


def _reviewed_rows(rows: list[Row]) -> list[Row]:
    errors = {row.what: row.figure or 0.0 for row in rows if "error with" in row.what}
    return [Row.of(SECTION, f"error with {REVIEWED} reviewed pairs, mean of the six", _mean(errors), "", ("<=", 0.04))]


def _mean(figures: dict) -> float:
    return float(np.mean(list(figures.values())))
