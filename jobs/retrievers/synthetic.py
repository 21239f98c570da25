"""The negatives that a language model wrote, each for the query that it was written for."""

from __future__ import annotations

from pyspark.sql import DataFrame

from jobs.retrievers.registry import Asked
from pipeline.mine.candidates import score_negatives


def search(asked: Asked) -> DataFrame:
    """Return every negative that was written for a query; ``depth`` does not bound them, the LLM's budget did."""
    return score_negatives(asked.negatives, asked.vectors)
