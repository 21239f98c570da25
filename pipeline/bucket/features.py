"""Texts as sparse rows: hashed word n-grams, present or not, weighed by rarity (TF-IDF), of unit length.

The n-grams are those of dedupe (``pipeline.dedupe.shingling``): whole Arrow batches at a time, a character a word in
scripts without spaces. A row depends on its own text alone, so it is the same at any partitioning.
Source: Spaerck Jones 1972; presence in place of counts as in Wang and Manning (2012), "Baselines and Bigrams".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import sparse

from pipeline.dedupe.shingling import I64, U64, shingle_texts

F32 = npt.NDArray[np.float32]
_SALT = np.uint64(0x9E3779B97F4A7C15)  # so that a unigram and a bigram never share a hash by their making


@dataclass(frozen=True)
class Vocabulary:
    """The n-grams that are looked at, sorted by hash, and the weight of each."""

    ngram: int
    grams: U64  # (V,)
    weights: F32  # (V,)


def fit_vocabulary(texts: pa.StringArray, ngram: int, features: int) -> Vocabulary:
    """Return the n-grams that at least two texts hold; where these are too many, the most frequent.

    Ties: broken by the hash.
    """
    held = np.concatenate([grams for grams, _ in _grams(texts, ngram)])
    grams, counts = np.unique(held, return_counts=True)
    best = np.lexsort((grams, -counts))[:features]
    chosen = np.sort(best[counts[best] > 1])
    weights = np.log((1 + len(texts)) / (1 + counts[chosen])) + 1
    return Vocabulary(ngram, grams[chosen], np.round(weights, 6).astype(np.float32))


def vectorise(texts: pa.StringArray, vocabulary: Vocabulary) -> Any:
    """Return a sparse matrix (D, V), float32; a text without a known n-gram is a row of zeros."""
    rows, columns = [], []
    last = max(0, len(vocabulary.grams) - 1)
    for grams, offsets in _grams(texts, vocabulary.ngram):
        if not len(vocabulary.grams):
            break
        place = np.minimum(np.searchsorted(vocabulary.grams, grams), last)
        known = vocabulary.grams[place] == grams
        rows.append(np.repeat(np.arange(len(texts)), np.diff(offsets))[known])
        columns.append(place[known])
    row = np.concatenate(rows) if rows else np.empty(0, np.int64)
    column = np.concatenate(columns) if columns else np.empty(0, np.int64)
    order = np.lexsort((column, row))  # sums run in one order, whatever else is in the batch
    row, column = row[order], column[order]
    values = vocabulary.weights[column].astype(np.float64)
    bounds = np.searchsorted(row, np.arange(len(texts) + 1))
    lengths = np.sqrt(np.add.reduceat(np.append(values * values, 0.0), bounds[:-1])) if len(texts) else np.empty(0)
    unit = (values / lengths[row]).astype(np.float32)
    return sparse.csr_matrix((unit, column, bounds), shape=(len(texts), len(vocabulary.grams)))


def _grams(texts: pa.StringArray, ngram: int) -> list[tuple[U64, I64]]:
    """Return hashes and offsets of the n-grams of each size."""
    found = []
    for size in range(1, ngram + 1):
        sets = shingle_texts(texts, size)
        found.append((sets.values ^ (np.uint64(size) * _SALT), sets.offsets))
    return found
