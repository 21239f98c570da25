"""All pairs at a true Jaccard similarity, exactly: what a dedupe is held against.

Two sets of similarity t or more share one of the first ``n - ceil(t * n) + 1`` elements of either, whatever the order
of elements; with the rarest first that proposes few pairs. Every proposed pair is then counted. Nothing is approximate.

Source: Chaudhuri et al. (2006), "A Primitive Operator for Similarity Joins"; Bayardo et al. (2007).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from pipeline.similarity.shingles import ShingleSets, shingle_texts

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

_CHUNK = 1 << 16  # pairs counted at a time
_PROPOSED = 1 << 24  # pairs held before they are made distinct


@dataclass(frozen=True)
class Truth:
    """Every pair (left < right, indices of texts) at the threshold, and each text's component under these pairs."""

    left: I64
    right: I64
    jaccard: F64
    components: I64


def compare_all(texts: list[str], ngram: int, threshold: float) -> Truth:
    """Compare all texts with all, over the shingles that dedupe uses.

    Copies (texts of equal sets) are compared once: of ``k`` of them all ``k * (k - 1) / 2`` pairs are returned.
    """
    sets = shingle_texts(pa.array(texts, pa.string()), ngram)
    copies = _group_copies(sets)
    firsts = np.array([group[0] for group in copies], np.int64)
    grams = _matrix(sets, firsts)
    sizes = np.diff(grams.indptr)
    left, right = _propose(grams, sizes, threshold)
    similar = _count(grams, sizes, left, right)
    near = similar >= threshold
    pairs = [
        _between(copies, int(a), int(b), s) for a, b, s in zip(left[near], right[near], similar[near], strict=True)
    ]
    pairs += [_within(group) for group in copies if len(group) > 1]
    lefts, rights, found = (np.concatenate(side) for side in zip(*pairs, strict=True)) if pairs else _NONE
    graph = coo_array((np.ones(len(lefts), np.bool_), (lefts, rights)), shape=(len(texts), len(texts)))
    components = connected_components(graph, directed=False)[1]
    return Truth(np.minimum(lefts, rights), np.maximum(lefts, rights), found, components.astype(np.int64))


_NONE = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64))


def _group_copies(sets: ShingleSets) -> list[I64]:
    """Return the indices of the texts of each distinct set; texts without words are in none."""
    groups: dict[bytes, list[int]] = {}
    for text, (first, last) in enumerate(zip(sets.offsets[:-1], sets.offsets[1:], strict=True)):
        if last > first:
            groups.setdefault(sets.values[first:last].tobytes(), []).append(text)
    return [np.array(group, np.int64) for group in groups.values()]


def _matrix(sets: ShingleSets, chosen: I64) -> csr_array:
    """Return a row a text and a column a shingle, the rarest shingles in the first columns."""
    sizes = sets.sizes[chosen]
    values = np.concatenate([sets.values[sets.offsets[i] : sets.offsets[i + 1]] for i in chosen] or [sets.values[:0]])
    _, terms, counts = np.unique(values, return_inverse=True, return_counts=True)
    places = np.empty(len(counts), np.int64)
    places[np.lexsort((np.arange(len(counts)), counts))] = np.arange(len(counts))
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    grams = csr_array((np.ones(len(values), np.int32), places[terms], indptr), shape=(len(chosen), len(counts)))
    grams.sort_indices()
    return grams


def _propose(grams: csr_array, sizes: I64, threshold: float) -> tuple[I64, I64]:
    """Return the pairs that share an element of their prefixes and whose sizes allow the similarity."""
    prefix = sizes - np.ceil(np.round(threshold * sizes, 6)).astype(np.int64) + 1
    place = np.arange(grams.nnz) - np.repeat(grams.indptr[:-1], sizes)
    inside = place < np.repeat(prefix, sizes)
    owners, terms = np.repeat(np.arange(len(sizes)), sizes)[inside], grams.indices[inside].astype(np.int64)
    order = np.lexsort((owners, terms))
    owners, bounds = owners[order], np.flatnonzero(np.diff(terms[order], prepend=-1, append=-1))
    found, held, waiting = np.empty(0, np.int64), 0, []
    for first, last in pairwise(bounds.tolist()):
        if last - first < 2:
            continue
        group = owners[first:last]
        a, b = np.triu_indices(len(group), 1)
        short, long = np.minimum(sizes[group[a]], sizes[group[b]]), np.maximum(sizes[group[a]], sizes[group[b]])
        fits = short >= threshold * long - 1e-9
        waiting.append(group[a][fits] * len(sizes) + group[b][fits])
        held += len(waiting[-1])
        if held > _PROPOSED:
            found, held, waiting = np.unique(np.concatenate([found, *waiting])), 0, []
    found = np.unique(np.concatenate([found, *waiting]))
    return found // len(sizes), found % len(sizes)


def _count(grams: csr_array, sizes: I64, left: I64, right: I64) -> F64:
    """Return the Jaccard similarity of each pair to 6 decimals."""
    parts = []
    for first in range(0, len(left), _CHUNK):
        a, b = left[first : first + _CHUNK], right[first : first + _CHUNK]
        shared = np.asarray(grams[a].multiply(grams[b]).sum(axis=1)).ravel()
        parts.append(np.round(shared / (sizes[a] + sizes[b] - shared), 6))
    return np.concatenate(parts) if parts else np.empty(0, np.float64)


def _between(copies: list[I64], a: int, b: int, similar: float) -> tuple[I64, I64, F64]:
    left, right = np.repeat(copies[a], len(copies[b])), np.tile(copies[b], len(copies[a]))
    return left, right, np.full(len(left), similar)


def _within(group: I64) -> tuple[I64, I64, F64]:
    a, b = np.triu_indices(len(group), 1)
    return group[a], group[b], np.ones(len(a))


def same_clusters(one: I64, other: I64) -> I64:
    """Return, for every text, whether its cluster holds the same texts under both namings."""
    _, ones = np.unique(one, return_inverse=True)
    _, others = np.unique(other, return_inverse=True)
    both = np.unique(ones * (int(others.max(initial=0)) + 1) + others, return_inverse=True, return_counts=True)
    size = both[2][both[1]]
    alike = (np.bincount(ones)[ones] == size) & (np.bincount(others)[others] == size)
    return alike.astype(np.int64)
