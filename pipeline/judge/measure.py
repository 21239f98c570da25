"""How well signals tell hidden positives from other candidates: plain figures over collected trials."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.judge.fusion import TEACHER

Array = npt.NDArray[np.float64]

SIGNALS = {
    "dense": "dense",
    "dense_to_positive": "gap",
    "bm25": "bm25_score",
    "positive_sim": "positive_sim",
    "teacher": TEACHER,
}
_BINS = 10
_DIGITS = 4


def auc(label: npt.ArrayLike, score: npt.ArrayLike) -> float | None:
    """Return the chance that a hidden positive scores above another candidate (ties count half).

    A missing score counts as lowest. None where one of the two kinds is absent.
    """
    from sklearn.metrics import roc_auc_score

    truth, values = np.asarray(label, dtype=bool), np.asarray(score, dtype=np.float64)
    if truth.all() or not truth.any():
        return None
    known = values[~np.isnan(values)]
    lowest = known.min() - 1 if len(known) else 0.0
    return round(float(roc_auc_score(truth, np.where(np.isnan(values), lowest, values))), _DIGITS)


def log_loss(label: npt.ArrayLike, chance: npt.ArrayLike) -> float:
    """Return the mean negative log-likelihood."""
    from sklearn import metrics

    safe = np.clip(np.asarray(chance, dtype=np.float64), 1e-9, 1 - 1e-9)
    return round(float(metrics.log_loss(np.asarray(label, dtype=np.float64), safe, labels=[0.0, 1.0])), 5)


def measure_signals(trials: pd.DataFrame) -> dict[str, Any]:
    """Return each signal's AUC over the trials: what a teacher must beat.

    What a retriever did not find counts as lowest; a teacher that was not asked about every row gets no figure.
    """
    there = {name: trials[column].notna() for name, column in SIGNALS.items()}
    found = {
        name: auc(trials["hidden"], trials[SIGNALS[name]])
        for name, is_there in there.items()
        if (is_there.all() if name == "teacher" else is_there.any())
    }
    return {
        "rows": len(trials),
        "queries": int(trials["query_id"].nunique()),
        "hidden": int(trials["hidden"].sum()),
        "auc": found,
    }


def calibration_table(label: Array, chance: Array) -> list[dict[str, float]]:
    """Return predicted against observed by tenths of the rows, lowest predictions first."""
    order = np.lexsort((np.arange(len(chance)), chance))
    return [
        {
            "rows": len(part),
            "predicted": round(float(chance[part].mean()), _DIGITS),
            "observed": round(float(label[part].mean()), _DIGITS),
        }
        for part in np.array_split(order, _BINS)
        if len(part)
    ]
