"""Blind trials of a judged collection: one judged positive of a query is shown, all others are hidden.

The shown one is drawn by hash; the candidates are the first hundred of BM25 and of the encoder. The signals are what
``pipeline/judge/trials.py`` describes, here from arrays.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.ids import unit_of
from tests.bench.negatives.pools import F64, I64, Pool


def blind_trials(pool: Pool, draw: int = 0) -> pd.DataFrame:
    """Return the candidates of every query with their signals and ``hidden``, in the order of query and document."""
    documents = pool.documents.astype(np.float64)
    parts = []
    for query in range(len(pool.queries)):
        relevant = np.flatnonzero(pool.relevant[query])
        shown = relevant[[int(unit_of(draw, "shown", pool.name, str(query)) * len(relevant))]]
        parts.append(_describe(pool, documents, query, shown))
    rows = pd.concat(parts, ignore_index=True)
    rows["gap_spread"] = (rows["dense"] - rows["reference"]) / round(float(rows["dense"].std(ddof=0)), 4)
    nothing = {"teacher_logit": np.nan, "teacher": np.nan, "bm25_score": np.nan, "gap": np.nan}
    return rows.assign(is_several=False, is_held_out=False, **nothing)


def _describe(pool: Pool, documents: F64, query: int, shown: I64) -> pd.DataFrame:
    asked = pool.queries[query].astype(np.float64)
    lexical = pool.lexical[query][pool.lexical[query] >= 0]
    found = np.setdiff1d(np.union1d(lexical, pool.dense[query]), shown)
    scores, lexical_rank, dense_rank = (np.full(len(documents), np.nan) for _ in range(3))
    scores[lexical] = pool.lexical_scores[query][: len(lexical)]
    lexical_rank[lexical] = np.arange(1, len(lexical) + 1)
    dense_rank[pool.dense[query]] = np.arange(1, len(pool.dense[query]) + 1)
    cosine = documents[found] @ asked
    to_shown = (documents[found] @ documents[shown].T).max(axis=1)
    best = np.nanmax(scores) if len(lexical) else np.nan
    return pd.DataFrame(
        {
            "query_id": query,
            "doc_id": found,
            "hidden": pool.relevant[query][found],
            "dense": cosine,
            "reference": float((documents[shown] @ asked).max()),
            "is_allowed": True,
            "cosine_z": _standardise(cosine),
            "lexical_share": np.nan_to_num(scores[found] / best) if len(lexical) else np.nan,
            "positive_z": _standardise(to_shown),
            "positive_sim": to_shown,
            "log_lexical": _log_rank(lexical_rank[found]),
            "log_dense": _log_rank(dense_rank[found]),
        }
    )


def _standardise(values: F64) -> F64:
    return (values - values.mean()) / max(float(values.std()), 1e-6)


def _log_rank(ranks: F64) -> F64:
    """Return the log of ranks; what was not found counts as half as deep again as the deepest that was."""
    if np.isnan(ranks).all():
        return ranks
    return np.asarray(np.log(np.where(np.isnan(ranks), 1.5 * np.nanmax(ranks), ranks)))
