"""Texts as sparse rows of unit length: n-grams of words and of bytes, present or not, weighed by rarity (TF-IDF).

Word n-grams are those of dedupe (``pipeline.similarity.shingles``), a character a word in scripts without spaces;
n-grams of UTF-8 bytes add parts of words, case and punctuation, which tell code and names apart. Both are made for
whole Arrow batches, without a loop over words. A row depends on its own text alone, so it is the same at any
partitioning.
Source: Spaerck Jones 1972; presence in place of counts as in Wang and Manning (2012), "Baselines and Bigrams".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import sparse

from pipeline.similarity.shingles import I64, U8, U64, shingle_texts

F32 = npt.NDArray[np.float32]
_SALT = 0x9E3779B97F4A7C15  # so that an n-gram of words shares its hash with none of another size
_SHORTEST = 3  # bytes of a byte n-gram
_KEY_BITS = 43  # five bytes, and three bits for how many they are
_CHUNK_BYTES = 1 << 20  # text at a time: three 64-bit numbers a byte are sorted


@dataclass(frozen=True)
class Vocabulary:
    """The n-grams that are looked at, sorted by hash, and the weight of each."""

    words: int  # in a row, at most
    letters: int  # bytes in a row, at most; 0 = none
    grams: U64  # (V,)
    weights: F32  # (V,)


def fit_vocabulary(texts: pa.StringArray, words: int, letters: int, features: int) -> Vocabulary:
    """Return the n-grams that at least two texts hold; where these are too many, the most frequent.

    Ties: broken by the hash.
    """
    parts = [np.unique(grams, return_counts=True) for _, grams, _ in _grams(texts, words, letters)]
    held = np.concatenate([grams for grams, _ in parts]) if parts else np.empty(0, np.uint64)
    grams, place = np.unique(held, return_inverse=True)
    counts = np.bincount(place, np.concatenate([count for _, count in parts]) if parts else None, len(grams))
    best = np.lexsort((grams, -counts))[:features]
    chosen = np.sort(best[counts[best] > 1])
    weights = np.log((1 + len(texts)) / (1 + counts[chosen])) + 1
    return Vocabulary(words, letters, grams[chosen], np.round(weights, 6).astype(np.float32))


def vectorise(texts: pa.StringArray, vocabulary: Vocabulary) -> Any:
    """Return a sparse matrix (D, V), float32; a text without a known n-gram is a row of zeros."""
    rows, columns = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    known = vocabulary.grams
    for first, grams, offsets in _grams(texts, vocabulary.words, vocabulary.letters) if len(known) else ():
        place = np.minimum(np.searchsorted(known, grams), len(known) - 1)
        found = known[place] == grams
        rows.append(first + np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))[found])
        columns.append(place[found])
    row, column = np.concatenate(rows), np.concatenate(columns)
    order = np.lexsort((column, row))  # sums run in one order, whatever else is in the batch
    row, column = row[order], column[order]
    values = vocabulary.weights[column].astype(np.float64)
    bounds = np.searchsorted(row, np.arange(len(texts) + 1))
    squares = np.add.reduceat(np.append(values * values, 0.0), bounds[:-1]) if len(texts) else np.empty(0)
    unit = (values / np.sqrt(squares)[row]).astype(np.float32)
    return sparse.csr_matrix((unit, column, bounds), shape=(len(texts), len(known)))


def _grams(texts: pa.StringArray, words: int, letters: int) -> Iterator[tuple[int, U64, I64]]:
    """Yield (first text, hashes, offsets) of the distinct n-grams of some texts, until every text had all its own."""
    for size in range(1, words + 1):
        sets = shingle_texts(texts, size)
        yield 0, sets.values ^ np.uint64(size * _SALT % (1 << 64)), sets.offsets
    if letters and len(texts):
        bounds, data = _bytes_of(texts)
        first = 0
        while first < len(texts):
            last = int(np.searchsorted(bounds, bounds[first] + _CHUNK_BYTES, side="right")) - 1
            last = min(max(last, first + 1), len(texts))
            chunk = data[bounds[first] : bounds[last]]
            yield first, *_byte_grams(chunk, bounds[first : last + 1] - bounds[first], letters)
            first = last


def _bytes_of(texts: pa.StringArray) -> tuple[I64, U8]:
    """Return the bytes of all texts, and where each begins and ends."""
    whole: Any = pa.concat_arrays([texts.fill_null("").cast(pa.large_string())])
    bounds = np.frombuffer(whole.buffers()[1], np.int64)[whole.offset : whole.offset + len(whole) + 1]
    held = whole.buffers()[2]
    data = np.frombuffer(held, np.uint8)[bounds[0] : bounds[-1]] if held else np.empty(0, np.uint8)
    return bounds - bounds[0], data


def _byte_grams(data: U8, bounds: I64, letters: int) -> tuple[U64, I64]:
    """Return the distinct n-grams of ``_SHORTEST`` to ``letters`` bytes of each text, packed as they are."""
    owner = np.repeat(np.arange(len(bounds) - 1, dtype=np.uint64), np.diff(bounds))
    left = bounds[owner.astype(np.int64) + 1] - np.arange(len(data))  # bytes from each place to the end of its text
    keys = []
    for size in range(_SHORTEST, letters + 1):
        count = max(0, len(data) - size + 1)
        key = np.full(count, size << 40, np.uint64)
        for place in range(size):
            key |= data[place : place + count].astype(np.uint64) << np.uint64(8 * place)
        keys.append((owner[:count] << np.uint64(_KEY_BITS) | key)[left[:count] >= size])
    found = np.concatenate(keys)
    found.sort()  # several times as fast as np.unique
    found = found[np.append(True, found[1:] != found[:-1])[: len(found)]]
    ends = np.searchsorted(found, np.arange(len(bounds), dtype=np.uint64) << np.uint64(_KEY_BITS))
    return found & np.uint64((1 << _KEY_BITS) - 1), ends.astype(np.int64)
