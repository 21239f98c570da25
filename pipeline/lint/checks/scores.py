"""Labels and scores: broken ones, ones off the scale of the others, and negatives that score above the positive.

The scale is what nearly all scores lie on; where they lie on none of the usual ones (logits), none is off it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.lint.context import Lint
from pipeline.lint.findings import WARNING, Found, Kind, in_passages, in_rows

BROKEN_SCORE = Kind("broken_score", "labels or scores that are no numbers, or not one a text")
SCORE_OFF_SCALE = Kind("score_off_scale", "scores outside the scale of nearly all others")
NEGATIVE_SCORES_HIGHER = Kind("negative_scores_higher", "a negative that scores above the row's positive", WARNING)
KINDS = (BROKEN_SCORE, SCORE_OFF_SCALE, NEGATIVE_SCORES_HIGHER)
_SCALES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 5.0), (0.0, 10.0), (0.0, 100.0))
_NEARLY_ALL = 0.97


def find(lint: Lint) -> Iterator[Found]:
    """Look at all scores of the set."""
    rows = lint.set
    broken = np.array([row for row, _ in rows.notes], np.int64)
    yield in_rows(BROKEN_SCORE, lint, broken, lambda i: rows.notes[i][1])
    scored = np.flatnonzero(~np.isnan(rows.score))
    scores = rows.score[scored]
    on = [(low, high, (scores >= low) & (scores <= high)) for low, high in _SCALES]
    scale = next((each for each in on if len(scores) and each[2].mean() >= _NEARLY_ALL), None)
    off = scored[~scale[2]] if scale else scored[:0]
    told = f"scores from {scale[0]:g} to {scale[1]:g}" if scale else "scores on no usual scale" if len(scores) else ""
    if scale and scale[1] > 1 and any(getattr(reading, "label", "") for reading in rows.readings):
        told += "; a loss of cosines (CosineSimilarityLoss) wants them from 0 to 1"
    yield Found(
        SCORE_OFF_SCALE,
        rows.row[off],
        off,
        len(scored),
        "scores",
        lambda i: f"{rows.score[off[i]]:g}, others {told}",
        told,
    )
    best = np.full(len(rows), -np.inf)
    is_scored = np.zeros(len(rows.row), np.bool_)
    is_scored[scored] = True
    known = np.flatnonzero(rows.is_positive & is_scored)
    np.maximum.at(best, rows.row[known], rows.score[known])
    negatives = np.flatnonzero(rows.is_negative & is_scored)
    reference = best[rows.row[negatives]]
    higher = negatives[np.isfinite(reference) & (rows.score[negatives] > reference)]
    yield in_passages(
        NEGATIVE_SCORES_HIGHER,
        lint,
        higher,
        len(negatives),
        "scored negatives",
        lambda i: f"{rows.score[higher[i]]:g}, the positive {best[rows.row[higher[i]]]:g}",
    )
