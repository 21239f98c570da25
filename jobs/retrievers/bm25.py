"""BM25 over the lexical index."""

from __future__ import annotations

from pyspark.sql import DataFrame

from jobs.engines.lucene import search_bm25
from jobs.retrievers.registry import Asked
from jobs.runtime.artefacts import LUCENE


def search(asked: Asked) -> DataFrame:
    """Return the best documents of every query by their words."""
    return search_bm25(asked.queries, asked.run.source_of(LUCENE), asked.depth)
