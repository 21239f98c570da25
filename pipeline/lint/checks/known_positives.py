"""Positives among the negatives: a text that answers a query in one row, and does not in another, or in the same.

The query's rows are those of the whole set, whatever their file; queries that differ in case and punctuation are one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.lint.context import Lint
from pipeline.lint.findings import Found, Kind, in_passages
from pipeline.lint.rows import F64
from pipeline.lint.similar import answers_less
from pipeline.similarity.shingles import I64

POSITIVE_AS_NEGATIVE = Kind("positive_as_negative", "a negative that is a positive of the same query", removes=True)
NEAR_POSITIVE = Kind("near_positive", "a negative that is nearly a positive of the same query", removes=True)
KINDS = (POSITIVE_AS_NEGATIVE, NEAR_POSITIVE)
_MOST_PAIRS = 40_000  # of a query: above that only texts that one LSH bucket holds are compared


def find(lint: Lint) -> Iterator[Found]:
    """Find them: every positive of a query against every negative of it."""
    rows = lint.set
    negatives = np.flatnonzero(rows.is_negative)
    query, positive, first_row = _list_positives(lint)
    asked, place = np.unique(
        np.stack([lint.queries[rows.row[negatives]], rows.text[negatives]], axis=1), axis=0, return_inverse=True
    )
    best, nearest = np.zeros(len(asked)), np.full(len(asked), -1)
    for left, right in _pairs(lint, asked, query, positive):
        near = lint.similar.nearness(asked[left, 1], positive[right])
        near[_answer_less(lint, near, asked[left], positive[right])] = 0.0
        order = np.lexsort([right, near, left])
        last = np.flatnonzero(np.append(np.diff(left[order]) != 0, True)) if len(order) else order
        chosen = order[last]
        better = near[chosen] > best[left[chosen]]
        best[left[chosen[better]]] = near[chosen[better]]
        nearest[left[chosen[better]]] = right[chosen[better]]
    value, other = best[place.ravel()], nearest[place.ravel()]
    for kind, is_one in ((POSITIVE_AS_NEGATIVE, value == 1), (NEAR_POSITIVE, (value > 0) & (value < 1))):
        at = np.flatnonzero(is_one)

        def tell(i: int, at: I64 = at) -> str:
            known = int(first_row[other[at[i]]])
            return f"{value[at[i]]:.2f} like the positive of {rows.where(known)}"

        yield in_passages(kind, lint, negatives[at], len(negatives), "negatives", tell)


def _list_positives(lint: Lint) -> tuple[I64, I64, I64]:
    """Return the query, text and first row of every positive, each once, by query."""
    rows = lint.set
    positives = np.flatnonzero(rows.is_positive)
    both = np.stack([lint.queries[rows.row[positives]], rows.text[positives]], axis=1)
    known, first = np.unique(both, axis=0, return_index=True)
    return known[:, 0], known[:, 1], rows.row[positives[first]]


def _answer_less(lint: Lint, near: F64, asked: I64, positive: I64) -> I64:
    """Return which near ones lack what the query asks for: a sibling of one template is a hard negative."""
    texts = lint.set.texts
    places = np.flatnonzero((near > 0) & (near < 1))
    query_of = dict(zip(lint.queries.tolist(), lint.set.query.tolist(), strict=True))
    pairs = zip(asked[places].tolist(), positive[places].tolist(), strict=True)
    told = ((texts[query_of[query]], texts[answer], texts[negative]) for (query, negative), answer in pairs)
    return places[np.array([answers_less(*each) for each in told], np.bool_)]


def _pairs(lint: Lint, asked: I64, query: I64, positive: I64) -> Iterator[tuple[I64, I64]]:
    """Yield places of (negative, positive) of the same query, some hundred thousand at a time."""
    first = np.searchsorted(query, asked[:, 0], "left")
    counts = np.searchsorted(query, asked[:, 0], "right") - first
    _, of_query, size = np.unique(asked[:, 0], return_inverse=True, return_counts=True)
    is_large = counts * size[of_query.ravel()] > _MOST_PAIRS
    work = np.cumsum(counts)
    for part in np.split(np.arange(len(asked)), np.flatnonzero(np.diff(work // (1 << 18))) + 1):
        starts = np.repeat(first[part] - (np.cumsum(counts[part]) - counts[part]), counts[part])
        left = np.repeat(part, counts[part])
        right = starts + np.arange(len(starts))
        keep = ~is_large[left] | (lint.clusters[asked[left, 1]] == lint.clusters[positive[right]])
        yield left[keep], right[keep]
