"""Retrieval metrics per query, and paired bootstrap intervals of their differences.

Definitions are trec_eval's: ``ndcg_cut.10`` with linear gain (grade / log2(rank + 1), ideal over all judged documents),
``recall.5``, ``recall.100``, and ``recip_rank`` cut at rank 10. A query with nothing found scores 0. The bootstrap is
the percentile method over queries (Sakai 2006), the same resamples for both systems.

Known weakness: unjudged documents count as not relevant, as in trec_eval.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

METRICS = ("ndcg@10", "recall@5", "recall@100", "mrr@10")
Floats = npt.NDArray[np.float64]


def score_query(hits: Sequence[str], grades: Mapping[str, int]) -> tuple[float, ...]:
    """Return the METRICS of one query. In: document ids, best first; its judgements, at least one above 0."""
    gains = [max(grades.get(doc, 0), 0) for doc in hits]
    relevant = sum(grade > 0 for grade in grades.values())
    ideal = sorted((grade for grade in grades.values() if grade > 0), reverse=True)
    first = next((rank for rank, gain in enumerate(gains[:10], start=1) if gain > 0), None)
    return (
        _dcg(gains[:10]) / _dcg(ideal[:10]),
        sum(gain > 0 for gain in gains[:5]) / relevant,
        sum(gain > 0 for gain in gains[:100]) / relevant,
        1.0 / first if first else 0.0,
    )


def _dcg(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def bootstrap_interval(differences: Floats, resamples: int, seed: int, share: float = 0.95) -> tuple[Floats, Floats]:
    """Return lower and upper ends (M,) of the interval of the mean of (N, M) paired differences.

    Cost: resamples x N integers, drawn in chunks of about 4 million.
    """
    count = len(differences)
    generator = np.random.default_rng(seed)
    chunk = max(1, 4_000_000 // count)
    means: list[Floats] = []
    for start in range(0, resamples, chunk):
        rows = min(chunk, resamples - start)
        drawn = generator.integers(count, size=(rows, count)) + np.arange(rows)[:, None] * count
        weights = np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count)
        means.append(weights @ differences / count)
    tail = (1.0 - share) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1.0 - tail], axis=0)
    return low, high
