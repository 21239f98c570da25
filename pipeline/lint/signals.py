"""A sample of the negatives, measured by a model and by words: the signals of the judge, as far as a file gives them.

A hundred thousand triplets would take a CPU an hour to encode, a sample of a thousand negatives a minute. Pairs of a
query and a negative are drawn by hash of their texts: the same set gives the same sample, in whatever order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.lint.lexical import share_of_best
from pipeline.lint.rows import F64, TrainingSet
from pipeline.ports import FloatMatrix
from pipeline.similarity.shingles import I64, mix

Encode = Callable[[list[str]], FloatMatrix]
_DECIMALS = 6


@dataclass(frozen=True)
class Measured:
    """N sampled negatives: the passage, its query's number, and its signals; NaN = missing.

    ``dense``: cosine of query and negative; ``gap``: less the best positive's; ``positive_sim``: the highest cosine
    to a positive; ``bm25_share``: of the query's best BM25 score in the set; ``closer``: share of the sample's other
    documents that are nearer to the query. ``documents`` and ``vectors`` (D, H) are of the sampled texts beside
    queries; ``of`` counts the pairs drawn from.
    """

    passage: I64
    query: I64
    dense: F64
    gap: F64
    positive_sim: F64
    bm25_share: F64
    closer: F64
    documents: I64
    vectors: FloatMatrix
    of: int

    @property
    def is_sample(self) -> bool:
        """Whether others were left out."""
        return len(self.passage) < self.of


def measure_sample(
    rows: TrainingSet, queries: I64, size: int, seed: int, encode_query: Encode, encode_document: Encode
) -> Measured:
    """Return the signals of so many negatives, each pair of query and text once.

    ``queries`` are numbers of the rows' queries, (R,): the same for one query.
    Cost: three texts a negative are encoded, or fewer; the words of all documents are read once.
    """
    chosen, of = _draw(rows, queries, size, seed)
    asked = np.unique(queries[rows.row[chosen]])
    known = np.flatnonzero(rows.is_positive & np.isin(queries[rows.row], asked))
    documents = np.unique(np.concatenate([rows.text[chosen], rows.text[known]]))
    text_of = dict(zip(queries[::-1].tolist(), rows.query[::-1].tolist(), strict=True))
    query_texts = np.array([text_of[each] for each in asked.tolist()], np.int64)
    vectors = encode_document(rows.texts.take(documents)).astype(np.float64)
    query_vectors = encode_query(rows.texts.take(query_texts)).astype(np.float64)
    of_query = np.searchsorted(asked, queries[rows.row[chosen]])
    place = np.searchsorted(documents, rows.text[chosen])
    dense = np.round((vectors[place] * query_vectors[of_query]).sum(axis=1), _DECIMALS)
    gap, positive_sim = np.full(len(chosen), np.nan), np.full(len(chosen), np.nan)
    closer = np.zeros(len(chosen))
    beside = _beside(rows, queries, asked)
    for query in range(len(asked)):
        mine = np.flatnonzero(of_query == query)
        answers = np.unique(rows.text[known[queries[rows.row[known]] == asked[query]]])
        spots = np.searchsorted(documents, answers)
        cosines = vectors @ query_vectors[query]
        if len(spots):
            gap[mine] = np.round(dense[mine] - cosines[spots].max(), _DECIMALS)
            near = vectors[place[mine]] @ vectors[spots].T
            near[rows.text[chosen[mine]][:, None] == answers[None, :]] = -np.inf
            best = near.max(axis=1)
            positive_sim[mine] = np.where(np.isfinite(best), np.round(best, _DECIMALS), np.nan)
        others = cosines[~np.isin(documents, beside[query])]
        closer[mine] = (others[None, :] > dense[mine][:, None]).mean(axis=1) if len(others) else 0.0
    share = share_of_best(rows.texts, np.unique(rows.text), query_texts, of_query, rows.text[chosen])
    narrow = vectors.astype(np.float32)
    return Measured(chosen, of_query, dense, gap, positive_sim, share, np.round(closer, 6), documents, narrow, of)


def _draw(rows: TrainingSet, queries: I64, size: int, seed: int) -> tuple[I64, int]:
    """Return the first passage of each drawn pair, in order, and how many pairs there are."""
    negatives = np.flatnonzero(rows.is_negative)
    pairs = np.stack([queries[rows.row[negatives]], rows.text[negatives]], axis=1)
    _, first = np.unique(pairs, axis=0, return_index=True)
    own = negatives[first]
    keys = mix(rows.texts.keys[rows.query[rows.row[own]]] + np.uint64(seed)) ^ rows.texts.keys[rows.text[own]]
    drawn = own[np.argsort(mix(keys), kind="stable")[:size]]
    return np.sort(drawn), len(own)


def _beside(rows: TrainingSet, queries: I64, asked: I64) -> list[I64]:
    """Return the texts that stand beside each of the asked queries, in any row."""
    passages = np.flatnonzero(np.isin(queries[rows.row], asked))
    place = np.searchsorted(asked, queries[rows.row[passages]])
    order = np.argsort(place, kind="stable")
    ends = np.searchsorted(place[order], np.arange(1, len(asked)))
    return np.split(rows.text[passages[order]], ends)
