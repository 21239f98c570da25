"""Rows that stand there twice, negatives that stand twice in a row, and queries that are spelled in two ways.

A row is what it says: its query, its positives and its negatives, in any order. Triplets of one query and positive
with other negatives are no duplicates. A near-duplicate row has nearly the query, positives and negatives of another.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.lint.context import Lint
from pipeline.lint.findings import WARNING, Found, Kind, in_passages, in_rows
from pipeline.lint.similar import differ_in_numbers, names_another
from pipeline.similarity.shingles import I64, U64, mix

DUPLICATE_ROW = Kind("duplicate_row", "the same query, positives and negatives as in a row before", removes=True)
NEAR_DUPLICATE_ROW = Kind("near_duplicate_row", "nearly the same ones as in a row before", removes=True)
REPEATED_NEGATIVE = Kind("repeated_negative", "nearly the same negative twice in a row", removes=True)
NEAR_DUPLICATE_QUERY = Kind("near_duplicate_query", "queries of nearly the same words that share an answer", WARNING)
_NEARLY_SAME = 0.85  # of one query: siblings of a template are two negatives
KINDS = (DUPLICATE_ROW, NEAR_DUPLICATE_ROW, REPEATED_NEGATIVE, NEAR_DUPLICATE_QUERY)


def find(lint: Lint) -> Iterator[Found]:
    """Find them all."""
    rows = lint.set
    exact = _first_alike(_key_rows(lint, rows.query, rows.text))
    copies = np.flatnonzero(exact != np.arange(len(rows)))
    yield in_rows(DUPLICATE_ROW, lint, copies, lambda i: f"as {rows.where(int(exact[copies[i]]))}")
    nearly = _first_alike(_key_rows(lint, lint.query_clusters, lint.clusters[rows.text]))
    alike = np.flatnonzero((nearly != np.arange(len(rows))) & (exact == np.arange(len(rows))))
    near = np.array([row for row in alike.tolist() if not _is_another(lint, row, int(nearly[row]))], np.int64)
    yield in_rows(NEAR_DUPLICATE_ROW, lint, near, lambda i: f"nearly as {rows.where(int(nearly[near[i]]))}")
    yield _repeated(lint)
    yield _spelled_twice(lint)


def _key_rows(lint: Lint, queries: I64, texts: I64) -> U64:
    """Return a number for what each row says, (R,): of its query, and of its texts by role, in any order."""
    rows = lint.set
    keys = mix(queries.astype(np.uint64) + np.uint64(1))
    np.add.at(keys, rows.row, mix(mix(texts.astype(np.uint64) + np.uint64(7)) + rows.role.astype(np.uint64)))
    return keys


def _first_alike(keys: U64) -> I64:
    """Return for each row the first one with its key."""
    _, first, place = np.unique(keys, return_index=True, return_inverse=True)
    found: I64 = first[place]
    return found


def _is_another(lint: Lint, row: int, other: int) -> bool:
    """Return whether two rows that are alike say something else: by numbers, or by what their queries name."""
    rows = lint.set
    query, theirs = rows.texts[rows.query[row]], rows.texts[rows.query[other]]
    if query != theirs and differ_in_numbers(query, theirs):
        return True
    mine, others = (np.sort(rows.text[rows.starts[each] : rows.starts[each + 1]]) for each in (row, other))
    pairs = [(a, b) for a, b in _match(lint, mine, others) if a != b]
    if pairs:
        nearness = lint.similar.nearness(*(np.array(side) for side in zip(*pairs, strict=True)))
        if (nearness < (_NEARLY_SAME if query == theirs else 0.01)).any():
            return True
    return any(names_another(query, theirs, rows.texts[a], rows.texts[b]) for a, b in pairs)


def _match(lint: Lint, mine: I64, others: I64) -> Iterator[tuple[int, int]]:
    """Yield the texts of two rows in pairs of the same cluster."""
    by_cluster = sorted(others.tolist(), key=lambda text: int(lint.clusters[text]))
    yield from zip(sorted(mine.tolist(), key=lambda text: int(lint.clusters[text])), by_cluster, strict=False)


def _repeated(lint: Lint) -> Found:
    rows = lint.set
    negatives = np.flatnonzero(rows.is_negative)
    of_row, cluster = rows.row[negatives], lint.clusters[rows.text[negatives]]
    order = np.lexsort([negatives, cluster, of_row])
    is_again = np.zeros(len(order), np.bool_)
    is_again[1:] = (np.diff(of_row[order]) == 0) & (np.diff(cluster[order]) == 0)
    leader = np.maximum.accumulate(np.where(is_again, 0, np.arange(len(order))))
    later, first = negatives[order[is_again]], negatives[order[leader[is_again]]]
    is_near = lint.similar.nearness(rows.text[later], rows.text[first]) > 0
    later, first = later[is_near], first[is_near]
    return in_passages(
        REPEATED_NEGATIVE, lint, later, len(negatives), "negatives", lambda i: f"as {rows.places[rows.place[first[i]]]}"
    )


def _spelled_twice(lint: Lint) -> Found:
    """Return the rows whose query another row spells otherwise, with a positive that is nearly the same."""
    rows = lint.set
    positives = np.flatnonzero(rows.is_positive)
    of_row = rows.row[positives]
    group = np.stack([lint.query_clusters[of_row], lint.clusters[rows.text[positives]]], axis=1)
    _, first, place = np.unique(group, axis=0, return_index=True, return_inverse=True)
    leader = of_row[first[place.ravel()]]
    leading = positives[first[place.ravel()]]
    differs = np.flatnonzero(rows.query[leader] != rows.query[of_row])
    is_same = np.zeros(len(differs), np.bool_)
    for number, pair in enumerate(differs.tolist()):
        mine, theirs = int(rows.text[positives[pair]]), int(rows.text[leading[pair]])
        queries = rows.texts[rows.query[of_row[pair]]], rows.texts[rows.query[leader[pair]]]
        is_same[number] = mine == theirs or not names_another(*queries, rows.texts[mine], rows.texts[theirs])
    differs = differs[is_same]
    found, at = np.unique(of_row[differs], return_index=True)
    other = leader[differs][at]
    return in_rows(
        NEAR_DUPLICATE_QUERY,
        lint,
        found,
        lambda i: (
            f"{lint.clip(rows.query[found[i]])} and {lint.clip(rows.query[other[i]])} at {rows.where(int(other[i]))}"
        ),
    )
