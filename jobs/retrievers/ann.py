"""The nearest documents by the encoder's vectors."""

from __future__ import annotations

from pyspark.sql import DataFrame

from jobs.engines.dense import build_search
from jobs.retrievers.registry import Asked
from schemas.mining import EMBEDDINGS


def search(asked: Asked) -> DataFrame:
    """Return the nearest documents of every query, and say how they were searched."""
    run = asked.run
    cfg, documents = run.recipe.mine, run.read(EMBEDDINGS)
    named = asked.vectors.withColumnRenamed("text_id", "query_id")
    queries = named.join(asked.queries.select("query_id"), "query_id", how="left_semi")
    counts, depth = (documents.count(), queries.count()), asked.depth
    found = build_search(documents, queries, counts, depth, cfg, run.recipe.seed, run.scratch / "vectors")
    run.note(search=found.figures)
    if remark := found.remark():
        run.remark(remark)
    return found.find(queries, depth)
