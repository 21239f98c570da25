"""Fits the fusion on trials, decides whether the teacher has earned its vote, and says how good the result is.

All figures are out of fold: five folds by hash of the query, each predicted by a fusion fitted on the other four.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.ids import unit_of
from pipeline.judge.config import JudgeConfig
from pipeline.judge.fusion import (
    FEATURES,
    PRIOR,
    SEVERAL,
    SINGLE,
    TEACHER,
    Calibration,
    Fusion,
    fit_fusion,
    prior_fusion,
    pu_shift,
)
from pipeline.judge.measure import auc, calibration_table, compare_choices, log_loss, measure_signals

Array = npt.NDArray[np.float64]

FOLDS = 5
_LOSS_GAIN = 0.01  # the teacher must cut the log-loss by this share
_AUC_GAIN = 0.005  # and raise the AUC by this much


def calibrate(trials: pd.DataFrame, cfg: JudgeConfig) -> Calibration:
    """Return the calibration that the trials can bear, with its figures; never fails for want of gold.

    In:   collected TRIAL rows (bounded by ``gold_queries``), in any order.
    Out:  mode ``several`` where enough positives can be hidden beside a shown one, else ``single``, else ``prior``.
    """
    ordered = trials.sort_values(["query_id", "doc_id"], ignore_index=True)
    is_several = ordered["is_several"].to_numpy(dtype=bool)
    for mode, rows in ((SEVERAL, ordered[is_several]), (SINGLE, ordered[~is_several])):
        if can_fit(rows, cfg):
            return _fitted(mode, rows.reset_index(drop=True), cfg)
    hidden, queries = int(ordered["hidden"].sum()), ordered["query_id"].nunique()
    why = (
        f"{hidden} positives could be hidden in {queries} gold queries, {cfg.min_hidden} are needed of one kind: "
        f"candidates within {cfg.prior_margin:.0%} of the best positive's cosine are vetoed"
    )
    return Calibration(PRIOR, prior_fusion(cfg), figures={"mode": PRIOR, "why": why})


def can_fit(rows: pd.DataFrame, cfg: JudgeConfig) -> bool:
    """Return whether there is enough of both kinds, in every fold's complement."""
    if len(rows) == 0:
        return False
    hidden = rows["hidden"].to_numpy(dtype=bool)
    folds = _folds(rows)
    enough = int(hidden.sum()) >= cfg.min_hidden and int((~hidden).sum()) >= cfg.min_hidden
    return enough and all(_is_mixed(hidden[folds != fold]) for fold in range(FOLDS))


def _is_mixed(hidden: npt.NDArray[np.bool_]) -> bool:
    return bool(hidden.any() and not hidden.all())


def _fitted(mode: str, rows: pd.DataFrame, cfg: JudgeConfig) -> Calibration:
    features = FEATURES[mode]
    fusion = fit_fusion(rows, features, cfg.ridge)
    chance = out_of_fold(rows, features, cfg)
    hidden = rows["hidden"].to_numpy(dtype=np.float64)
    base_rate = float(hidden.mean())
    taught, vote = weigh_teacher(rows, features, cfg)
    signals = measure_signals(rows)
    figures = {
        **signals,
        "mode": mode,
        "auc": {"fusion": auc(hidden, chance), **signals["auc"]},
        "log_loss": {"fusion": log_loss(hidden, chance), "base_rate": log_loss(hidden, np.full(len(rows), base_rate))},
        "table": calibration_table(hidden, chance),
        "teacher": vote,
        "weights": _weights(fusion),
        "completeness": cfg.completeness,
        "choices": compare_choices(rows, chance, cfg.tolerance, cfg.per_query),
    }
    return Calibration(mode, fusion, taught, pu_shift(cfg.completeness), figures)


def out_of_fold(rows: pd.DataFrame, features: tuple[str, ...], cfg: JudgeConfig) -> Array:
    """Return each row's probability by a fusion that was fitted without its query."""
    folds = _folds(rows)
    chance = np.zeros(len(rows))
    for fold in range(FOLDS):
        inside = folds == fold
        if inside.any():
            chance[inside] = fit_fusion(rows[~inside], features, cfg.ridge).predict(rows[inside])
    return chance


def _folds(rows: pd.DataFrame) -> npt.NDArray[np.int64]:
    place = {query: int(unit_of(0, "fold", query) * FOLDS) for query in rows["query_id"].unique()}
    return rows["query_id"].map(place).to_numpy(dtype=np.int64)


def weigh_teacher(
    rows: pd.DataFrame,
    features: tuple[str, ...],
    cfg: JudgeConfig,
) -> tuple[Fusion | None, dict[str, Any]]:
    """Return the fusion with the teacher if that is better on gold the teacher never saw, and the figures that decide.

    The teacher earns its vote when, out of fold and on the rows that it scored, it cuts the log-loss by at least 1 %,
    raises the AUC by at least 0.005, and counts in favour.
    """
    seen = rows["is_held_out"].to_numpy(dtype=bool) & rows[TEACHER].notna().to_numpy()
    scored = rows[seen].reset_index(drop=True)
    if not can_fit(scored, cfg):
        why = f"it scored {int(scored['hidden'].sum())} hidden positives of held-out gold, {cfg.min_hidden} are needed"
        return None, {"earned": False, "why": why}
    hidden = scored["hidden"].to_numpy(dtype=np.float64)
    without, with_it = (out_of_fold(scored, each, cfg) for each in (features, (*features, TEACHER)))
    taught = fit_fusion(scored, (*features, TEACHER), cfg.ridge)
    losses = log_loss(hidden, without), log_loss(hidden, with_it)
    areas = auc(hidden, without) or 0.0, auc(hidden, with_it) or 0.0
    earned = losses[1] <= losses[0] * (1 - _LOSS_GAIN) and areas[1] >= areas[0] + _AUC_GAIN and taught.weights[-1] > 0
    figures = {
        **measure_signals(scored),
        "earned": earned,
        "log_loss": {"without": losses[0], "with": losses[1]},
        "fusion_auc": {"without": areas[0], "with": areas[1]},
    }
    return (taught if earned else None), figures


def _weights(fusion: Fusion) -> dict[str, float]:
    return {**dict(zip(fusion.features, fusion.weights, strict=True)), "intercept": fusion.intercept}
