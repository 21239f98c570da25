"""What was seen here, put together: gold and reviews move the prior, and the teacher votes where it has earned that.

Figures on gold are out of fold: five folds by hash of the query, each predicted by a belief moved by the other four.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.ids import unit_of
from pipeline.judge.config import JudgeConfig
from pipeline.judge.evidence import Evidence, Update, update_belief
from pipeline.judge.fusion import DECIMALS, TEACHER, Array, Belief, Calibration
from pipeline.judge.measure import auc, calibration_table, log_loss, measure_signals
from pipeline.judge.prior import load_prior
from pipeline.judge.rate import GOLD, REVIEWS, TRANSFERRED

FOLDS = 5
_LOSS_GAIN = 0.01  # the teacher must cut the log-loss by this share
_AUC_GAIN = 0.005  # and raise the AUC by this much
_TEACHER_PRIOR = 1.0  # variance of its weight before anything was seen of it


def calibrate(
    trials: pd.DataFrame, cfg: JudgeConfig, reviewed: pd.DataFrame | None = None, prior: Belief | None = None
) -> Calibration:
    """Return what is known of the weights after the gold and the reviews, with its figures; never fails for want of it.

    In:   collected TRIAL rows (bounded by ``gold_queries``), in any order; of them those of queries with several
          positives count, where one was shown. Reviewed pairs with the same signals and ``is_relevant``.
    Out:  ``stands_on`` names the best evidence there was: reviews, gold, or none (transferred).
    """
    ordered = trials.sort_values(["query_id", "doc_id"], ignore_index=True)
    rows = ordered[ordered["is_several"].to_numpy(dtype=bool)].reset_index(drop=True)
    answers = _ordered_answers(reviewed)
    start = prior or load_prior()
    update = update_belief(start, _evidence(start, rows, answers))
    stands_on = REVIEWS if len(answers) else GOLD if len(rows) else TRANSFERRED
    taught, vote = weigh_teacher(rows, start, cfg)
    figures = {
        "stands_on": stands_on,
        "reviewed_pairs": len(answers),
        "completeness": update.completeness if len(rows) else None,
        "design_effect": update.effect,
        "weights": _weights(update.belief),
        "teacher": vote,
        **_measure_gold(rows, start),
    }
    return Calibration(update.belief, taught, stands_on, figures)


def _ordered_answers(reviewed: pd.DataFrame | None) -> pd.DataFrame:
    if reviewed is None or reviewed.empty:
        return pd.DataFrame({"query_id": [], "doc_id": []})
    return reviewed.sort_values(["query_id", "doc_id"], ignore_index=True)


def _evidence(prior: Belief, gold: pd.DataFrame, answers: pd.DataFrame) -> Evidence:
    """Put gold and reviews under one another; a pair that was reviewed is no longer merely unknown to gold."""
    if len(answers) and len(gold):
        told = set(zip(answers["query_id"], answers["doc_id"], strict=True))
        is_told = np.array([pair in told for pair in zip(gold["query_id"], gold["doc_id"], strict=True)])
        gold = gold[~is_told]
    parts = [(rows, name) for rows, name in ((gold, "hidden"), (answers, "is_relevant")) if len(rows)]
    if not parts:
        width = len(prior.centre)
        return Evidence(np.zeros((0, width)), np.zeros(0, bool), np.zeros(0, bool), np.zeros(0, np.int64))
    return Evidence(
        np.concatenate([prior.design(rows) for rows, _ in parts]),
        np.concatenate([rows[name].to_numpy(dtype=bool) for rows, name in parts]),
        np.concatenate([np.full(len(rows), name == "is_relevant") for rows, name in parts]),
        pd.factorize(pd.concat([rows["query_id"] for rows, _ in parts]))[0].astype(np.int64),
    )


def _measure_gold(rows: pd.DataFrame, prior: Belief) -> dict[str, Any]:
    """Return how well the gold that was left out is told, beside each signal alone."""
    if not can_fit(rows, 2):
        return {}
    hidden, known = rows["hidden"].to_numpy(dtype=np.float64), out_of_fold(rows, prior)
    signals = measure_signals(rows)
    base_rate = np.full(len(rows), hidden.mean())
    return {
        **signals,
        "auc": {"fusion": auc(hidden, known), **signals["auc"]},
        "log_loss": {"fusion": log_loss(hidden, known), "base_rate": log_loss(hidden, base_rate)},
        "table": calibration_table(hidden, known),
    }


def can_fit(rows: pd.DataFrame, least: int) -> bool:
    """Return whether there is enough of both kinds, in every fold's complement."""
    if len(rows) == 0:
        return False
    hidden = rows["hidden"].to_numpy(dtype=bool)
    folds = _folds(rows)
    enough = int(hidden.sum()) >= least and int((~hidden).sum()) >= least
    return enough and all(_is_mixed(hidden[folds != fold]) for fold in range(FOLDS))


def _is_mixed(hidden: npt.NDArray[np.bool_]) -> bool:
    return bool(hidden.any() and not hidden.all())


def out_of_fold(rows: pd.DataFrame, prior: Belief) -> Array:
    """Return each row's probability of being known to gold, by a belief that was moved without its query."""
    folds = _folds(rows)
    chance = np.zeros(len(rows))
    for fold in range(FOLDS):
        inside = folds == fold
        if inside.any():
            seen = _update(prior, rows[~inside])
            chance[inside] = seen.completeness * seen.belief.predict(rows[inside])
    return chance


def _update(prior: Belief, rows: pd.DataFrame) -> Update:
    return update_belief(prior, _evidence(prior, rows, _ordered_answers(None)))


def _folds(rows: pd.DataFrame) -> npt.NDArray[np.int64]:
    place = {query: int(unit_of(0, "fold", query) * FOLDS) for query in rows["query_id"].unique()}
    return rows["query_id"].map(place).to_numpy(dtype=np.int64)


def weigh_teacher(rows: pd.DataFrame, prior: Belief, cfg: JudgeConfig) -> tuple[Belief | None, dict[str, Any]]:
    """Return the belief with the teacher if that is better on gold the teacher never saw, and the figures that decide.

    The teacher earns its vote when, out of fold and on the rows that it scored, it cuts the log-loss by at least 1 %,
    raises the AUC by at least 0.005, and counts in favour.
    """
    seen = rows["is_held_out"].to_numpy(dtype=bool) & rows[TEACHER].notna().to_numpy()
    scored = rows[seen].reset_index(drop=True)
    if not can_fit(scored, cfg.min_hidden):
        why = f"it scored {int(scored['hidden'].sum())} hidden positives of held-out gold, {cfg.min_hidden} are needed"
        return None, {"earned": False, "why": why}
    hidden = scored["hidden"].to_numpy(dtype=np.float64)
    wider = add_teacher(prior, scored)
    without, with_it = out_of_fold(scored, prior), out_of_fold(scored, wider)
    taught = _update(wider, scored).belief
    losses = log_loss(hidden, without), log_loss(hidden, with_it)
    areas = auc(hidden, without) or 0.0, auc(hidden, with_it) or 0.0
    earned = losses[1] <= losses[0] * (1 - _LOSS_GAIN) and areas[1] >= areas[0] + _AUC_GAIN and taught.centre[-2] > 0
    figures = {
        **measure_signals(scored),
        "earned": earned,
        "log_loss": {"without": losses[0], "with": losses[1]},
        "fusion_auc": {"without": areas[0], "with": areas[1]},
    }
    return (taught if earned else None), figures


def add_teacher(prior: Belief, scored: pd.DataFrame) -> Belief:
    """Return the prior with one more signal before the intercept, of which nothing is known yet: the teacher."""
    logit = scored[TEACHER].to_numpy(dtype=np.float64)
    place = len(prior.features)
    covariance = np.insert(np.insert(np.array(prior.covariance), place, 0.0, axis=0), place, 0.0, axis=1)
    covariance[place, place] = _TEACHER_PRIOR
    return replace(
        prior,
        features=(*prior.features, TEACHER),
        means=(*prior.means, round(float(logit.mean()), DECIMALS)),
        scales=(*prior.scales, round(max(float(logit.std()), 1e-6), DECIMALS)),
        centre=(*prior.centre[:place], 0.0, prior.centre[place]),
        covariance=tuple(map(tuple, covariance.tolist())),
    )


def _weights(belief: Belief) -> dict[str, float]:
    return dict(zip((*belief.features, "intercept"), belief.centre, strict=True))
