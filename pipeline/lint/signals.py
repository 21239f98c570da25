"""A sample of the negatives, measured by a model and by words: the signals of the judge, as far as a file gives them.

A hundred thousand triplets would take a CPU an hour to encode, a sample of a thousand negatives a minute. Pairs of a
query and a negative are drawn by hash of their texts: the same set gives the same sample, in whatever order.

The judge's signals stand in relation to a query's candidates. A file has none: the sampled documents nearest to the
query stand for them. Ranks are among the set's own texts, which are the top of a corpus that the file does not show.
Known weakness: negatives drawn deep in a corpus stand higher among the texts of their file than they did there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.lint.lexical import search_words
from pipeline.lint.rows import F64, TrainingSet
from pipeline.ports import FloatMatrix
from pipeline.similarity.shingles import I64, mix

Encode = Callable[[list[str]], FloatMatrix]
_DECIMALS = 6
_POOL = 100  # documents nearest to a query, as the judge's candidates are


@dataclass(frozen=True)
class Measured:
    """N sampled negatives: the passage, its query's number, cosine of the two, and the judge's signals.

    ``signals`` has a column each: cosine and similarity to the nearest positive, standardised over the documents
    nearest to the query; the gap to the positive's cosine, in deviations; share of the query's best BM25 score; log
    ranks. NaN = missing. ``closer`` is the share of the sample's other documents that are nearer to the query.
    ``documents`` and ``vectors`` (D, H) are of the sampled texts beside queries; ``of`` counts the pairs drawn from.
    """

    passage: I64
    query: I64
    dense: F64
    closer: F64
    signals: pd.DataFrame
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
    columns = {name: np.full(len(chosen), np.nan) for name in ("cosine_z", "gap", "positive_z", "log_dense")}
    dense, closer, nearest = np.zeros(len(chosen)), np.zeros(len(chosen)), []
    beside = _beside(rows, queries, asked)
    answers = [beside[query][1] for query in range(len(asked))]
    for query in range(len(asked)):
        mine, spots = np.flatnonzero(of_query == query), np.searchsorted(documents, answers[query])
        cosines, own = np.round(vectors @ query_vectors[query], _DECIMALS), place[of_query == query]
        is_other = np.ones(len(documents), np.bool_)
        is_other[spots] = False
        others = np.flatnonzero(is_other)
        pool = others[np.argsort(-cosines[others], kind="stable")[:_POOL]]
        dense[mine] = cosines[own]
        nearest.append(cosines[pool])
        columns["cosine_z"][mine] = _standardise(cosines[own], cosines[pool])
        rank = 1 + (cosines[others][None, :] > cosines[own][:, None]).sum(axis=1)
        columns["log_dense"][mine] = _log_rank(rank)
        if len(spots):
            columns["gap"][mine] = cosines[own] - cosines[spots].max()
            similar = (vectors @ vectors[spots].T).max(axis=1)
            columns["positive_z"][mine] = np.where(is_other[own], _standardise(similar[own], similar[pool]), np.nan)
        foreign = cosines[~np.isin(documents, beside[query][0])]
        closer[mine] = (foreign[None, :] > cosines[own][:, None]).mean(axis=1) if len(foreign) else 0.0
    share, rank = search_words(rows.texts, np.unique(rows.text), query_texts, of_query, rows.text[chosen])
    columns["gap_spread"] = columns.pop("gap") / max(float(np.concatenate(nearest or [np.zeros(1)]).std()), 1e-6)
    columns["log_lexical"] = np.where(np.isnan(share), np.nan, _log_rank(rank))
    columns["lexical_share"] = np.where(rank <= _POOL, share, share * 0)  # the judge knows a hundred hits
    signals = pd.DataFrame({name: np.round(column, _DECIMALS) for name, column in columns.items()})
    return Measured(chosen, of_query, dense, np.round(closer, 6), signals, documents, vectors.astype(np.float32), of)


def _standardise(values: F64, among: F64) -> F64:
    found: F64 = (values - among.mean()) / max(float(among.std()), 1e-6) if len(among) else values * np.nan
    return found


def _log_rank(rank: npt.ArrayLike) -> F64:
    """Return the log of ranks; what is beyond the pool counts as half as deep again."""
    ranks = np.asarray(rank, np.float64)
    return np.log(np.where(ranks <= _POOL, ranks, 1.5 * _POOL))


def _draw(rows: TrainingSet, queries: I64, size: int, seed: int) -> tuple[I64, int]:
    """Return the first passage of each drawn pair, in order, and how many pairs there are."""
    negatives = np.flatnonzero(rows.is_negative)
    pairs = np.stack([queries[rows.row[negatives]], rows.text[negatives]], axis=1)
    _, first = np.unique(pairs, axis=0, return_index=True)
    own = negatives[first]
    keys = mix(rows.texts.keys[rows.query[rows.row[own]]] + np.uint64(seed)) ^ rows.texts.keys[rows.text[own]]
    drawn = own[np.argsort(mix(keys), kind="stable")[:size]]
    return np.sort(drawn), len(own)


def _beside(rows: TrainingSet, queries: I64, asked: I64) -> list[tuple[I64, I64]]:
    """Return the texts that stand beside each of the asked queries in any row, and those of them that answer."""
    passages = np.flatnonzero(np.isin(queries[rows.row], asked))
    place = np.searchsorted(asked, queries[rows.row[passages]])
    passages = passages[np.argsort(place, kind="stable")]
    ends = np.cumsum(np.bincount(place, minlength=len(asked)))[:-1]
    parts = np.split(passages, ends)
    return [(np.unique(rows.text[each]), np.unique(rows.text[each[rows.is_positive[each]]])) for each in parts]
