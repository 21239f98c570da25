"""Negatives that teach nothing: many texts that stand beside other queries are nearer to the query."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.lint.context import Lint
from pipeline.lint.findings import WARNING, Finding, Found, Kind, LeftOut

EASY_NEGATIVE = Kind("easy_negative", "a negative further from the query than random texts of the set", WARNING)
KINDS = (EASY_NEGATIVE,)
_FEW = 50  # documents, at least, that say what is random


def find(lint: Lint) -> Iterator[Finding]:
    """Find them in the sample."""
    measured = lint.measured
    if measured is None:
        yield LeftOut(EASY_NEGATIVE, lint.why_not_measured)
        return
    if len(measured.documents) < _FEW:
        yield LeftOut(EASY_NEGATIVE, f"needs {_FEW} different documents to say what is random")
        return
    easy = np.flatnonzero(measured.closer > lint.cfg.easy)

    def tell(i: int) -> str:
        share, cosine = measured.closer[easy[i]], measured.dense[easy[i]]
        return f"{share:.0%} of other queries' texts are nearer (cosine {cosine:.2f})"

    passage = measured.passage[easy]
    told = f"mean cosine of query and negative {measured.dense.mean():.3f}"
    yield Found(
        EASY_NEGATIVE,
        lint.set.row[passage],
        passage,
        len(measured.passage),
        "negatives",
        tell,
        told,
        is_sample=measured.is_sample,
    )
