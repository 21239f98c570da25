"""Exact duplicates: texts that are the same but for white space."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from pipeline.dedupe.config import LONGEST, SHORTEST, DedupeConfig


def preference(cfg: DedupeConfig) -> Column:
    """Return what a cluster's documents are compared by, the smallest first: a number a rule. Ties go to doc_id."""
    places: list[Column] = []
    for preferred in cfg.prefer:
        if preferred in (LONGEST, SHORTEST):
            places.append(F.col("chars").cast("long") * (-1 if preferred == LONGEST else 1))
        elif cfg.sources:
            place = F.array_position(F.array(*[F.lit(name) for name in cfg.sources]), F.col("source"))
            places.append(F.when(place == 0, len(cfg.sources) + 1).otherwise(place).cast("long"))
    return F.array(*places).cast("array<long>")


def match_exact(documents: DataFrame, *carried: str) -> DataFrame:
    """Name, for every document, the best document with the same text.

    In:   doc_id, text_hash, ``preference``, and what is to be carried along.
    Out:  doc_id, preference, what was carried and ``keeper_id``: the document itself where it is the best.
    Ties: by preference, then by doc_id.
    Cost: one shuffle of three narrow columns; any number of copies of one text is one group.
    """
    same_text = Window.partitionBy("text_hash").orderBy("preference", "doc_id")
    return documents.select("doc_id", "preference", *carried, F.first("doc_id").over(same_text).alias("keeper_id"))
