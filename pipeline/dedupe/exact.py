"""Exact duplicates: texts with the same normal form."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from pipeline.dedupe.config import LONGEST, SHORTEST, DedupeConfig


def best_first(cfg: DedupeConfig) -> list[Column]:
    """Return the order in which documents of a cluster are preferred; it ends in the unique doc_id."""
    order: list[Column] = []
    for preferred in cfg.prefer:
        if preferred in (LONGEST, SHORTEST):
            order.append(F.desc("chars") if preferred == LONGEST else F.asc("chars"))
        elif cfg.sources:
            places = F.array(*[F.lit(name) for name in cfg.sources])
            place = F.array_position(places, F.col("source"))
            order.append(F.when(place == 0, len(cfg.sources) + 1).otherwise(place).asc())
    return [*order, F.asc("doc_id")]


def match_exact(documents: DataFrame, cfg: DedupeConfig) -> DataFrame:
    """Name, for every document, the best document with the same text.

    In:   kept DOCUMENTS.
    Out:  doc_id, source, chars and ``keeper_id``: the document itself where it is the best.
    Ties: by the config's order, then by doc_id.
    Cost: one shuffle of four narrow columns; any number of copies of one text is one group.
    """
    same_text = Window.partitionBy("text_hash").orderBy(*best_first(cfg))
    narrow = documents.select("doc_id", "source", "chars", "text_hash")
    return narrow.withColumn("keeper_id", F.first("doc_id").over(same_text)).drop("text_hash")
