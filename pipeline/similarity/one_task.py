"""The duplicates of a corpus whose shingle sets one task can hold: the way of ``near`` and ``survivors``, in arrays.

The steps, their order and so their answer are the same; what falls away is a dozen of shuffles and plans, which cost
more than the work itself up to some hundred thousand documents.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.similarity.buckets import Buckets, group_buckets, keep_shared
from pipeline.similarity.components import join_edges
from pipeline.similarity.minhash import Signing
from pipeline.similarity.near import F64, compare_pairs, link_bucket, sets_of, sign_batches
from pipeline.similarity.shingles import I64, ShingleSets
from schemas.documents import EXACT, NEAR

ONE_TASK = 1 << 25  # shingles, 8 bytes each: 256 MB; about 250,000 docstrings
ONE_PASS = 1 << 26  # characters that the task may also sign: about 100,000 docstrings
_THREADS = 2  # that sign and compare: what they compute with lets go of Python's lock, though not for long
FOUND = "doc_id string, survivor_id string, kind string, jaccard double"
_ROWS = 1 << 14
_SMALL = 8  # texts of a bucket, at most, of which all pairs are compared at once


@dataclass(frozen=True)
class Pairs:
    """Verified pairs: places of texts, and their similarity."""

    left: I64
    right: I64
    jaccard: F64


def sign_and_find(batches: Iterator[pa.RecordBatch], signing: Signing, threshold: float) -> Iterator[pa.RecordBatch]:
    """Do what ``sign_texts`` and :func:`find_in_one_task` do, in one task: no shingle travels.

    In:   ``doc_id``, ``preference``, ``text_hash``, ``judged``, ``node``, ``text``.
    Out:  FOUND.
    """
    return find_in_one_task(sign_batches(batches, signing, _THREADS), threshold)


def find_in_one_task(batches: Iterator[pa.RecordBatch], threshold: float) -> Iterator[pa.RecordBatch]:
    """Map the duplicates among all signed documents.

    In:   ``doc_id``, ``preference``, ``text_hash``, ``judged`` and SIGNATURES, in any order.
    Out:  FOUND, by node.
    Cost: the sets once, and the hubs' and texts' that are compared; about 100,000 docstrings a second.
    """
    signed, sets = _hold(batches)
    if not signed.num_rows:
        return
    order = pc.sort_indices(signed["node"]).to_numpy().astype(np.int64)
    rows = signed.select(["doc_id", "preference", "text_hash", "judged"]).take(pa.array(order)).combine_chunks()
    rank = _rank(rows)
    keepers = _choose(whole_column(rows, "text_hash").dictionary_encode().indices.to_numpy(), rank)
    is_first = keepers == np.arange(rows.num_rows)
    keys, owners = keep_shared(*bands_of(signed))
    place_of = np.empty_like(order)
    place_of[order] = np.arange(len(order))
    owners = place_of[owners]
    asked = is_first[owners]
    pairs = link_texts(sets, order, keys[asked], owners[asked], threshold)
    survivors, nearest = _survive(pairs, rank, whole_column(rows, "judged").to_numpy())
    survivors = survivors[keepers]
    dropped = np.flatnonzero(survivors != np.arange(rows.num_rows))
    is_near = is_first[dropped]
    ids = whole_column(rows, "doc_id")
    found = pa.RecordBatch.from_arrays(
        [
            ids.take(pa.array(dropped)),
            ids.take(pa.array(survivors[dropped])),
            pc.if_else(pa.array(is_near), NEAR, EXACT),
            pa.array(np.where(is_near, nearest[dropped], 1.0)),
        ],
        names=["doc_id", "survivor_id", "kind", "jaccard"],
    )
    for first in range(0, found.num_rows, _ROWS):
        yield found.slice(first, _ROWS)


def _hold(batches: Iterator[pa.RecordBatch]) -> tuple[pa.Table, ShingleSets]:
    """Return the rows but for their shingles, and the sets of these, each copied as it comes."""
    rows, sizes = [], [np.zeros(1, np.int64)]
    values, filled = np.empty(ONE_TASK, np.uint64), 0  # what is not filled takes no memory
    for batch in batches:
        sets = sets_of(batch.column("shingles"))
        after = filled + len(sets.values)
        if after > len(values):
            values, less = np.empty(2 * after, np.uint64), values
            values[:filled] = less[:filled]
        values[filled:after], filled = sets.values, after
        rows.append(batch.drop_columns(["shingles"]))
        sizes.append(sets.sizes)
    offsets = np.cumsum(np.concatenate(sizes))
    table = pa.Table.from_batches(rows) if rows else pa.table({})
    return table, ShingleSets(values[:filled], offsets, np.zeros(len(offsets) - 1, np.uint64))


def link_texts(sets: ShingleSets, places: I64, keys: I64, owners: I64, threshold: float) -> Pairs:
    """Return what ``near.link_near`` does, of texts by number; ``keys`` are the bands of ``owners``.

    ``sets`` lie in another order: text i's is at ``places[i]``.
    """
    buckets = group_buckets(keys, owners)
    hubs, count = buckets.each(buckets.hubs), len(places)
    is_spoke = buckets.nodes != hubs
    spokes = np.unique(hubs[is_spoke] * count + buckets.nodes[is_spoke])
    left, right = spokes // count, spokes % count
    jaccard = compare_pairs(sets, places[left], places[right], _THREADS)
    near = jaccard >= threshold
    pairs = Pairs(left[near], right[near], jaccard[near])
    roots = _roots(pairs, count)
    if not len(buckets.keys):
        return pairs
    rooted = roots[buckets.nodes]
    differ = np.minimum.reduceat(rooted, buckets.starts) != np.maximum.reduceat(rooted, buckets.starts)
    asked = np.flatnonzero(differ & (buckets.counts > 2))
    members = np.stack([buckets.alike[asked], buckets.counts[asked]], axis=1)
    _, first = np.unique(members, axis=0, return_index=True)  # keys rise: of the same members the smallest bucket
    asked = asked[np.sort(first)]
    small = buckets.counts[asked] <= _SMALL
    hides = ~small
    hides[small] = _hide_pairs(buckets, asked[small], sets, places, roots, threshold)
    links = [pairs]
    for place in asked[hides].tolist():
        start = int(buckets.starts[place])
        texts = np.sort(buckets.nodes[start : start + int(buckets.counts[place])])
        left, right, jaccard = link_bucket(sets.take(places[texts]), roots[texts], threshold)
        links.append(Pairs(texts[left], texts[right], jaccard))
    return Pairs(*(np.concatenate([getattr(each, side) for each in links]) for side in ("left", "right", "jaccard")))


def _hide_pairs(
    buckets: Buckets,
    asked: I64,
    sets: ShingleSets,
    places: I64,
    roots: I64,
    threshold: float,
) -> npt.NDArray[np.bool_]:
    """Return which of the asked buckets hold a pair across components that reaches the threshold, (A,).

    All pairs of all buckets at once, each once. Few buckets hold one, and to look through a small bucket alone costs a
    dozen calls of NumPy.
    """
    ends, holders = [], []
    for size in np.unique(buckets.counts[asked]).tolist():
        alike = np.flatnonzero(buckets.counts[asked] == size)
        texts = np.sort(buckets.nodes[buckets.starts[asked[alike]][:, None] + np.arange(size)], axis=1)
        two = texts[:, np.stack(np.triu_indices(size, 1), axis=1)]  # (buckets, pairs, 2)
        ends.append(two.reshape(-1, 2))
        holders.append(np.repeat(alike, two.shape[1]))
    hides = np.zeros(len(asked), np.bool_)
    if ends:
        left, right = np.concatenate(ends).T
        differ = roots[left] != roots[right]
        pairs, place = np.unique(left[differ] * len(places) + right[differ], return_inverse=True)
        jaccard = compare_pairs(sets, places[pairs // len(places)], places[pairs % len(places)], _THREADS)
        hides[np.concatenate(holders)[differ][(jaccard >= threshold)[place]]] = True
    return hides


def _roots(pairs: Pairs, count: int) -> I64:
    """Return the smallest text of each one's component, (count,)."""
    roots = np.arange(count)
    nodes, named = join_edges(pairs.left, pairs.right)
    roots[nodes] = named
    return roots


def _rank(rows: pa.Table) -> I64:
    """Return each document's place in the order of preference, then of doc_id."""
    preference = whole_column(rows, "preference")
    depth = len(preference.values) // rows.num_rows
    places = preference.flatten().to_numpy().reshape(rows.num_rows, depth) if depth else np.empty((rows.num_rows, 0))
    by_id = np.empty(rows.num_rows, np.int64)
    by_id[pc.sort_indices(whole_column(rows, "doc_id")).to_numpy()] = np.arange(rows.num_rows)
    rank = np.empty(rows.num_rows, np.int64)
    rank[np.lexsort([by_id, *places.T[::-1]])] = np.arange(rows.num_rows)
    return rank


def _choose(groups: npt.NDArray[np.int32] | I64, rank: I64) -> I64:
    """Return the best text of each one's group, (D,)."""
    order = np.lexsort([rank, groups])
    first = np.concatenate([[True], np.diff(groups[order]) != 0])
    chosen = np.empty(len(rank), np.int64)
    chosen[order] = order[np.flatnonzero(first)[np.cumsum(first) - 1]]
    return chosen


def _survive(pairs: Pairs, rank: I64, judged: I64) -> tuple[I64, F64]:
    """Return the best text of each one's component, and how like its nearest linked text it is; both (D,).

    A component is parted by the judged queries that its texts answer, and judged texts are the better ones.
    """
    count = len(rank)
    nearest = np.zeros(count)
    for side in (pairs.left, pairs.right):
        np.maximum.at(nearest, side, pairs.jaccard)
    roots = _roots(pairs, count)
    return _choose(_part_by_queries(roots, judged, rank), rank + count * (judged == 0)), nearest


def _part_by_queries(roots: I64, judged: I64, rank: I64) -> I64:
    """Return a number for the part of the component that each text is in: the unjudged go with the best judged one."""
    known = np.flatnonzero(judged)
    if not len(known):
        return roots
    known = known[np.lexsort([rank[known], roots[known]])]
    named, first = np.unique(roots[known], return_index=True)
    place = np.minimum(np.searchsorted(named, roots), len(named) - 1)
    joins = np.where(named[place] == roots, judged[known[first]][place], 0)
    parts = np.where(judged == 0, joins, judged)
    return np.unique(np.stack([roots, parts], axis=1), axis=0, return_inverse=True)[1].ravel()


def bands_of(signed: pa.Table) -> tuple[I64, I64]:
    """Return every band key of SIGNATURES, and the place of the text that it is of."""
    bands = whole_column(signed, "bands")
    owners = np.repeat(np.arange(signed.num_rows), np.diff(bands.offsets.to_numpy()))
    return bands.values.to_numpy()[bands.offsets[0].as_py() : bands.offsets[-1].as_py()], owners


def whole_column(rows: pa.Table, name: str) -> pa.Array:
    """Return a column as one array."""
    column = rows[name].combine_chunks()
    return column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
