"""Which texts of a set are nearly the same: signed once, their n-grams in a mapped file.

Two texts are nearly the same when the Jaccard similarity of their n-grams reaches a threshold, or when the longer one
holds those of the shorter one. Texts that differ in numbers alone are not: "in 2010" is no copy of "in 2011", but a
hard negative. Nor are siblings of one template, in which one name stands in the place of another throughout.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.lint.config import LintConfig
from pipeline.lint.texts import Texts
from pipeline.similarity.buckets import keep_shared
from pipeline.similarity.components import join_edges
from pipeline.similarity.minhash import Signing, choose_banding
from pipeline.similarity.near import F64, compare_pairs, sets_of, sign_batches
from pipeline.similarity.one_task import bands_of, link_texts
from pipeline.similarity.shingles import I64, ShingleSets, shingle_texts
from pipeline.text import normal_form, words

_NUMBER = re.compile(r"\d+")
_PAIRS = 1 << 19  # compared at a time
_BATCH = 1 << 14


class Similar:
    """The n-gram sets of a set's texts, a digest of each one's words, and who is near whom."""

    def __init__(self, texts: Texts, cfg: LintConfig, folder: Path) -> None:
        """Sign every text. Cost: about 60,000 short texts a second on one core."""
        self.texts, self._cfg = texts, cfg
        path = folder / "ngrams.bin"
        sizes, digests, keys, owners = [np.zeros(1, np.int64)], [], [], []
        first = 0
        with path.open("wb") as file:
            for signed in sign_batches(_batches(texts.column), cfg.signing, threads=2):
                rows = pa.Table.from_batches([signed])
                sets = sets_of(signed.column("shingles"))
                file.write(sets.values.tobytes())
                sizes.append(sets.sizes)
                digests.append(signed.column("digest").to_numpy())
                of_text, place = bands_of(rows)
                keys.append(of_text)
                owners.append(place + first)
                first += signed.num_rows
        values = np.memmap(path, np.uint64, "r") if path.stat().st_size else np.empty(0, np.uint64)
        self.digests = np.concatenate(digests) if digests else np.empty(0, np.int64)
        offsets = np.cumsum(np.concatenate(sizes))
        self.sets = ShingleSets(values, offsets, self.digests.view(np.uint64))
        self._bands = (np.concatenate(keys), np.concatenate(owners)) if keys else (offsets[:0], offsets[:0])

    def form(self, texts: I64) -> I64:
        """Return a number for each text's words: the same when case and punctuation alone differ."""
        digests = self.digests[texts]
        return np.where(digests != 0, digests, self.texts.keys[texts].view(np.int64))

    def cluster(self, texts: I64) -> I64:
        """Return for all texts the smallest that each is nearly the same as, over any number of others between them.

        Looked at are those texts; the others are their own.
        """
        is_asked = np.zeros(len(self.texts), np.bool_)
        is_asked[texts] = True
        keys, owners = self._bands
        keys, owners = keep_shared(keys[is_asked[owners]], owners[is_asked[owners]])
        places = np.arange(len(self.texts))
        pairs = link_texts(self.sets, places, keys, owners, self._cfg.near)
        return _roots(pairs.left, pairs.right, len(self.texts))

    def nearness(self, left: I64, right: I64) -> F64:
        """Return how near the texts of each pair are, (P,): 0 where they are not nearly the same, 1 for copies."""
        return np.concatenate([np.zeros(0), *(self._measure(left[p], right[p]) for p in _parts(len(left)))])

    def _measure(self, left: I64, right: I64) -> F64:
        sizes = self.sets.sizes
        jaccard = compare_pairs(self.sets, left, right, threads=2)
        both, least = sizes[left] + sizes[right], np.minimum(sizes[left], sizes[right])
        shared = np.round(jaccard * both / (1 + jaccard))
        held = np.round(shared / np.maximum(least, 1), 6)
        is_held = (held >= self._cfg.contained) & (least >= self._cfg.contained_grams)
        found = np.where(jaccard >= self._cfg.near, jaccard, np.where(is_held, held, 0.0))
        found[self.form(left) == self.form(right)] = 1.0
        asked = np.flatnonzero((found > 0) & (found < 1))
        if len(asked):
            told = zip(self.texts.take(left[asked]), self.texts.take(right[asked]), strict=True)
            found[asked[[differ_in_numbers(*pair) or are_siblings(*pair) for pair in told]]] = 0.0
        return found


def cluster_queries(texts: list[str], similarity: float, recall: float, permutations: int, seed: int) -> I64:
    """Return for each query the first one with nearly its words, whatever their order."""
    banding = choose_banding(similarity, recall, permutations)
    if banding is None or not texts:
        return np.arange(len(texts))
    column = pa.chunked_array([pa.array(texts, pa.large_string())])
    signed = pa.Table.from_batches(list(sign_batches(_batches(column), Signing(1, banding, seed))))
    sets = shingle_texts(column.combine_chunks() if column.num_chunks > 1 else column.chunk(0), 1)
    pairs = link_texts(sets, np.arange(len(texts)), *keep_shared(*bands_of(signed)), similarity)
    is_same = np.array(
        [not differ_in_numbers(texts[a], texts[b]) for a, b in zip(pairs.left, pairs.right, strict=True)]
    )
    kept = np.flatnonzero(is_same) if len(is_same) else np.empty(0, np.int64)
    return _roots(pairs.left[kept], pairs.right[kept], len(texts))


def differ_in_numbers(one: str, other: str) -> bool:
    """Return whether two texts are the same but for their numbers."""
    forms = normal_form(one), normal_form(other)
    return forms[0] != forms[1] and _NUMBER.sub("0", forms[0]) == _NUMBER.sub("0", forms[1])


def are_siblings(one: str, other: str) -> bool:
    """Return whether two near texts are one template about two things: each repeats a word that the other lacks."""
    counts, others = Counter(words(one)), Counter(words(other))
    return any(count > 1 and word not in others for word, count in counts.items()) and any(
        count > 1 and word not in counts for word, count in others.items()
    )


def names_another(query: str, other_query: str, text: str, other_text: str) -> bool:
    """Return whether two pairs of one template are about other things: the queries' difference tells the texts apart.

    "symptoms of gout" and "symptoms of lupus" are no duplicates where one text speaks of gout and the other does not.
    """
    mine, theirs, in_text, in_other = (set(words(each)) for each in (query, other_query, text, other_text))
    return bool((mine - theirs) & (in_text - in_other) or (theirs - mine) & (in_other - in_text))


def answers_less(query: str, text: str, other: str) -> bool:
    """Return whether a word of the query that stands twice and more in the text is missing in the other text."""
    asked, counts = set(words(query)), Counter(words(text))
    repeated = {word for word in asked if counts[word] > 1}
    return bool(repeated) and not repeated <= set(words(other))


def _roots(left: I64, right: I64, count: int) -> I64:
    roots = np.arange(count)
    if len(left):
        nodes, named = join_edges(left, right)
        roots[nodes] = named
    return roots


def _batches(column: pa.ChunkedArray) -> Iterator[pa.RecordBatch]:
    table = pa.table({"text": column})
    yield from table.to_batches(max_chunksize=_BATCH)


def _parts(count: int) -> Iterator[slice]:
    return (slice(first, first + _PAIRS) for first in range(0, count, _PAIRS))
