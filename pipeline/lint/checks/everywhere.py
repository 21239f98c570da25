"""Negatives that stand against far too many queries: the model learns that text, not what answers a query."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.lint.context import Lint
from pipeline.lint.findings import WARNING, Found, Kind, in_passages

NEGATIVE_EVERYWHERE = Kind("negative_everywhere", "the same negative against very many queries", WARNING)
KINDS = (NEGATIVE_EVERYWHERE,)


def find(lint: Lint) -> Iterator[Found]:
    """Count the queries that each negative stands against; texts that differ in case and punctuation are one."""
    rows = lint.set
    negatives = np.flatnonzero(rows.is_negative)
    both = np.stack([lint.similar.form(rows.text[negatives]), lint.queries[rows.row[negatives]]], axis=1)
    cluster, counts = np.unique(np.unique(both, axis=0)[:, 0], return_counts=True)
    queries = len(np.unique(lint.queries))
    most = max(lint.cfg.everywhere_queries, lint.cfg.everywhere * queries)
    against = dict(zip(cluster.tolist(), counts.tolist(), strict=True))
    often = np.array([against[each] for each in both[:, 0].tolist()], np.int64)
    found = np.flatnonzero(often > most)

    def tell(i: int) -> str:
        return f"{lint.clip(rows.text[negatives[found[i]]])} against {often[found[i]]:,} of {queries:,} queries"

    yield in_passages(NEGATIVE_EVERYWHERE, lint, negatives[found], len(negatives), "negatives", tell)
