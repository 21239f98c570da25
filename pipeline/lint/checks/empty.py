"""Texts with nothing in them: empty ones, ones without a single word, and what writers of tables put for nothing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.lint.context import Lint
from pipeline.lint.findings import Found, Kind

EMPTY_TEXT = Kind("empty_text", "a query, positive or negative without a word in it (or only nan, null)", removes=True)
KINDS = (EMPTY_TEXT,)
_NOTHING = ("nan", "null")


def find(lint: Lint) -> Iterator[Found]:
    """Find them, queries and passages."""
    rows = lint.set
    is_empty = lint.similar.digests == 0
    short = np.flatnonzero(lint.similar.sets.sizes == 1)
    for text in short.tolist():
        told = rows.texts[text]
        is_empty[text] |= len(told) < 16 and told.strip().lower() in _NOTHING
    queries, passages = np.flatnonzero(is_empty[rows.query]), np.flatnonzero(is_empty[rows.text])
    of_row = np.concatenate([queries, rows.row[passages]])
    passage = np.concatenate([np.full(len(queries), -1), passages])
    yield Found(
        EMPTY_TEXT, of_row, passage, len(rows) + len(rows.text), "texts", lambda i: _tell(lint, int(passage[i]))
    )


def _tell(lint: Lint, passage: int) -> str:
    return f"the {'query' if passage < 0 else lint.set.places[lint.set.place[passage]]} has no words"
