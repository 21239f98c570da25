"""Queries that stand in what should answer them: such a row teaches to find the query's words, nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.guard.config import holds_words
from pipeline.lint.context import Lint
from pipeline.lint.findings import WARNING, Found, Kind, in_passages
from pipeline.lint.rows import Bools
from pipeline.similarity.near import compare_pairs
from pipeline.similarity.shingles import I64

QUERY_AS_POSITIVE = Kind("query_as_positive", "the positive is the query itself", removes=True)
QUERY_IN_POSITIVE = Kind("query_in_positive", "the positive holds the whole query, word for word", WARNING)
QUERY_AS_NEGATIVE = Kind("query_as_negative", "the negative is the query itself", removes=True)
KINDS = (QUERY_AS_POSITIVE, QUERY_IN_POSITIVE, QUERY_AS_NEGATIVE)
_CHUNK = 1 << 14


def find(lint: Lint) -> Iterator[Found]:
    """Find them."""
    rows = lint.set
    query = rows.query[rows.row]
    is_same = (lint.similar.form(query) == lint.similar.form(rows.text)) & (lint.similar.digests[query] != 0)
    positives, negatives = np.flatnonzero(rows.is_positive), np.flatnonzero(rows.is_negative)
    echoed, denied = positives[is_same[positives]], negatives[is_same[negatives]]
    for kind, at, of, unit in (
        (QUERY_AS_POSITIVE, echoed, len(positives), "positives"),
        (QUERY_AS_NEGATIVE, denied, len(negatives), "negatives"),
    ):
        yield in_passages(kind, lint, at, of, unit, lambda i, at=at: lint.clip(rows.query[rows.row[at[i]]]))  # type: ignore[misc]
    others = positives[~is_same[positives]]
    held = others[_holds(lint, others)]
    yield in_passages(
        QUERY_IN_POSITIVE, lint, held, len(positives), "positives", lambda i: lint.clip(rows.query[rows.row[held[i]]])
    )


def _holds(lint: Lint, passages: I64) -> Bools:
    """Return which passages hold their row's query of enough words; each text pair is looked at once.

    What holds a query of n words holds its n-grams: only where all of them are shared the texts are read.
    """
    rows, cfg = lint.set, lint.cfg
    pairs = np.stack([rows.query[rows.row[passages]], rows.text[passages]], axis=1)
    distinct, place = np.unique(pairs, axis=0, return_inverse=True)
    is_held = np.zeros(len(distinct), np.bool_)
    sizes = lint.similar.sets.sizes
    asked = np.flatnonzero(sizes[distinct[:, 0]] + cfg.ngram - 1 >= cfg.echo_words)
    for first in range(0, len(asked), _CHUNK):
        part = asked[first : first + _CHUNK]
        query, text = distinct[part].T
        jaccard = compare_pairs(lint.similar.sets, query, text, threads=2)
        shared = np.round(jaccard * (sizes[query] + sizes[text]) / (1 + jaccard))
        whole = part[shared >= sizes[query]]
        told = zip(rows.texts.take(distinct[whole, 1]), rows.texts.take(distinct[whole, 0]), strict=True)
        is_held[whole] = [holds_words(text, query) for text, query in told]
    found: Bools = is_held[place.ravel()]
    return found
