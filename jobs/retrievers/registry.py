"""The retrievers by name.

A new retriever is one file and one line:

1. ``jobs/retrievers/NAME.py`` with a function ``search(asked) -> DataFrame``: what is asked (:class:`Asked`) to
   (query_id, doc_id, rank, score), ranks from 1, scores rounded, ties by doc_id (``pipeline/search/hits.py`` has the
   form and what makes it). It reads what ``mine`` reads: documents, their vectors, the lexical index, the queries'
   vectors.
2. ``"NAME": KIND`` in ``RETRIEVERS`` of ``schemas/mining.py``, where the recipe and the tables are checked. The kind
   says what its scores are: the judge puts lexical ones in relation to the query's best.

Recipes (``mine.retrievers``, ``mine.depth``), CANDIDATES, the hits of SCORES and VERDICTS, the judge's signals, reports
and ``explain`` know it from then on.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

from pyspark.sql import DataFrame

from jobs.runtime.stage import Run
from schemas.mining import RETRIEVERS, WRITTEN


@dataclass(frozen=True)
class Asked:
    """What a retriever is asked: the run that it reads from, (query_id, query), and how many hits a query.

    ``vectors`` are TEXT_EMBEDDINGS of the queries and the written negatives, ``negatives`` those that a language model
    wrote: (query_id, text_id, text).
    """

    run: Run
    queries: DataFrame
    negatives: DataFrame
    vectors: DataFrame
    depth: int


Search = Callable[[Asked], DataFrame]


def find_search(name: str) -> Search:
    """Return what a retriever searches by."""
    return cast("Search", importlib.import_module(f"jobs.retrievers.{name}").search)


def search_all(
    run: Run, queries: DataFrame, negatives: DataFrame, vectors: DataFrame
) -> Iterator[tuple[str, DataFrame]]:
    """Yield the hits of every retriever that the recipe asks for; what a language model wrote is always among them."""
    cfg = run.recipe.mine
    for name, kind in RETRIEVERS.items():
        if kind == WRITTEN or name in cfg.retrievers:
            asked = Asked(run, queries, negatives, vectors, cfg.depth_of(name) + cfg.skip_ranks)
            yield name, find_search(name)(asked)
