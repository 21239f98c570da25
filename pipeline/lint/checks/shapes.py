"""How many positives and negatives a row has: none, or not as many as the others."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.lint.context import Lint
from pipeline.lint.findings import WARNING, Found, Kind, in_rows
from pipeline.lint.layouts.layout import PAIRED

NO_POSITIVE = Kind("no_positive", "a row without a positive", removes=True)
NO_NEGATIVES = Kind("no_negatives", "a row without negatives, where others have some", WARNING)
UNEVEN_NEGATIVES = Kind("uneven_negatives", "rows with more or fewer negatives than most", WARNING)
KINDS = (NO_POSITIVE, NO_NEGATIVES, UNEVEN_NEGATIVES)


def find(lint: Lint) -> Iterator[Found]:
    """Count them, row by row; rows of a text and its label are neither."""
    rows = lint.set
    positives, negatives, paired = (
        np.bincount(rows.row[is_one], minlength=len(rows))
        for is_one in (rows.is_positive, rows.is_negative, rows.role == PAIRED)
    )
    is_labelled = np.array([bool(getattr(reading, "label", "")) for reading in rows.readings], np.bool_)[rows.file]
    yield in_rows(NO_POSITIVE, lint, np.flatnonzero((positives == 0) & (paired == 0) & ~is_labelled))
    counted = negatives[~is_labelled]
    has_some = bool((counted > 0).any())
    yield in_rows(NO_NEGATIVES, lint, np.flatnonzero((negatives == 0) & ~is_labelled & has_some))
    some = counted[counted > 0]
    usual = int(np.bincount(some).argmax()) if len(some) else 0
    uneven = np.flatnonzero((negatives != usual) & (negatives > 0) & ~is_labelled)
    told = f"{some.min():,} to {some.max():,} negatives a row, {some.mean():.1f} in the mean" if len(some) else ""
    told = "all rows have pairs alone" if not len(some) else told
    yield in_rows(
        UNEVEN_NEGATIVES, lint, uneven, lambda i: f"{negatives[uneven[i]]:,} negatives; most rows: {usual:,}", told
    )
