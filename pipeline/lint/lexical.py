"""How much a text shares with a query, by BM25 over the texts of the set itself, as a share of the query's best.

Words are compared as they stand, without stems; a word that half of the texts hold tells nothing and is left out, as an
analyser leaves out stop words. Only the words of the queries at hand are held.
Source: Robertson and Zaragoza 2009, with Lucene's idf; k1 and b as the stage index has them.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from scipy.sparse import csc_array

from pipeline.lint.rows import F64
from pipeline.lint.texts import Texts
from pipeline.similarity.shingles import I64, hash_words

K1, B = 0.9, 0.4
_BATCH = 1 << 14
_COMMON = 0.5


def search_words(texts: Texts, documents: I64, queries: I64, of_query: I64, text: I64) -> tuple[F64, F64]:
    """Return the share of the best score and the rank of each pair, (N,); NaN where no document shares a word.

    Pair i is query ``queries[of_query[i]]`` (a text) and document ``text[i]``, ``documents`` are those searched, in
    order. A document without a word of the query has the share 0 and no rank (NaN).
    Cost: the words of all documents once, and for each query the documents that hold its words.
    """
    asked, counts = hash_words(pa.array(texts.take(queries), pa.large_string()))
    vocabulary, term = np.unique(asked, return_inverse=True)
    bounds = np.concatenate([[0], np.cumsum(counts)])
    matrix = _weigh(texts, documents, vocabulary)
    place = np.searchsorted(documents, text)
    share, rank = np.full(len(text), np.nan), np.full(len(text), np.nan)
    order = np.argsort(of_query, kind="stable")
    ends = np.searchsorted(of_query[order], np.arange(len(queries) + 1))
    for query in range(len(queries)):
        mine = order[ends[query] : ends[query + 1]]
        terms = np.unique(term[bounds[query] : bounds[query + 1]])
        scores = np.asarray(matrix[:, terms].sum(axis=1)).ravel()
        best = scores.max(initial=0.0)
        if best > 0:
            own = scores[place[mine]]
            share[mine] = np.round(own / best, 6)
            above = len(scores) - np.searchsorted(np.sort(scores), own, "right")
            rank[mine] = np.where(own > 0, above + 1, np.nan)
    return share, rank


def _weigh(texts: Texts, documents: I64, vocabulary: np.typing.NDArray[np.uint64]) -> csc_array:
    """Return the BM25 weight of each word of the vocabulary in each document, (D, V)."""
    rows, columns, lengths = [], [], []
    for first in range(0, len(documents), _BATCH):
        part = documents[first : first + _BATCH]
        hashes, counts = hash_words(texts.column.take(pa.array(part)).combine_chunks())
        place = np.minimum(np.searchsorted(vocabulary, hashes), max(len(vocabulary) - 1, 0))
        is_asked = vocabulary[place] == hashes if len(vocabulary) else np.zeros(len(hashes), np.bool_)
        rows.append(np.repeat(np.arange(first, first + len(part)), counts)[is_asked])
        columns.append(place[is_asked])
        lengths.append(counts)
    row, column, length = (np.concatenate([np.empty(0, np.int64), *each]) for each in (rows, columns, lengths))
    key, frequency = np.unique(row * max(len(vocabulary), 1) + column, return_counts=True)
    row, column = key // max(len(vocabulary), 1), key % max(len(vocabulary), 1)
    held = np.bincount(column, minlength=len(vocabulary))
    idf = np.log1p((len(documents) - held + 0.5) / (held + 0.5))
    idf[held > max(_COMMON * len(documents), 2)] = 0.0
    norm = K1 * (1 - B + B * length / max(length.mean() if len(length) else 1.0, 1.0))
    weight = idf[column] * frequency * (K1 + 1) / (frequency + norm[row])
    return csc_array((weight, (row, column)), shape=(len(documents), len(vocabulary)))
