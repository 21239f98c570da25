"""Which gold the teacher never sees, which pairs it scores, and the scoring itself.

Source: Thakur et al. 2021, Augmented SBERT: (1) fine-tune a cross-encoder on gold (``pipeline/label/lessons.py``), (2)
sample pairs by BM25 and semantic search, (3) let it label them.
Known weakness: the pairs of queries that it learned from get scores that it has partly learned by heart.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from pipeline.contract import conform, kept
from pipeline.ids import unit_column
from pipeline.label.config import LabelConfig
from pipeline.label.signals import DECIMALS, gold_of
from pipeline.placement import device_profile, spread_over_devices
from pipeline.ports import ScoreMemory, ScorerFactory
from schemas.mining import SCORES
from schemas.pairs import NEGATIVE, SYNTHETIC_RULE

_CHARS_PER_TOKEN = 16  # texts are cut to this many characters a token before they travel: generous for every script
_KEYS = ["query_key", "text_key"]
_SCORED = T.StructType(
    [
        T.StructField("query_key", T.StringType()),
        T.StructField("text_key", T.StringType()),
        T.StructField("teacher", T.DoubleType()),
        T.StructField("teacher_model", T.StringType()),
    ]
)


def split_gold(positives: DataFrame, cfg: LabelConfig, seed: int) -> DataFrame:
    """Return (query_id, is_held_out, draw) of the gold queries; the split depends on seed and query alone."""
    draw = unit_column(seed, F.lit("teacher"), F.col("query_id"))
    is_held_out = unit_column(seed, F.lit("held out"), F.col("query_id")) < cfg.held_out
    return (
        gold_of(positives)
        .select("query_id")
        .distinct()
        .select("query_id", is_held_out.alias("is_held_out"), draw.alias("draw"))
    )


def choose_measured(scores: DataFrame, positives: DataFrame, cfg: LabelConfig, seed: int) -> DataFrame:
    """Return (query_id) of the held-out gold queries that the teacher is measured on.

    Queries with several positives come first: one can be shown and the others hidden. Ties by hash, then query_id.
    """
    gold = positives.where(F.col("rule") != SYNTHETIC_RULE)
    known = scores.where("is_positive").join(gold, ["query_id", "doc_id"], how="left_semi")
    several = known.groupBy("query_id").agg((F.count("*") > 1).alias("is_several"))
    held_out = split_gold(positives, cfg, seed).where("is_held_out").join(several, "query_id", how="inner")
    return held_out.orderBy(F.desc("is_several"), "draw", "query_id").limit(cfg.measure_queries).select("query_id")


def choose_labelled(scores: DataFrame, positives: DataFrame, cfg: LabelConfig, seed: int) -> DataFrame:
    """Choose the pairs that the teacher scores, at most ``cap``.

    In:   SCORES, POSITIVES.
    Out:  (query_id, doc_id).
    Ties: the measured queries' hardest candidates first, then every query's positives, then every query's hardest
          candidate, its second hardest and so on; inside such a level by hash of the seed, query_id, doc_id.
    Cost: one window a query and one a level; the levels are summed up in a frame of one row each.
    """
    hardest = Window.partitionBy("query_id", "is_positive").orderBy(F.desc("dense"), "doc_id")
    measured = choose_measured(scores, positives, cfg, seed).withColumn("is_measured", F.lit(True))
    nth = F.row_number().over(hardest)
    is_urgent = F.col("is_measured").isNotNull() & (F.col("is_positive") | (F.col("nth") <= cfg.measure_depth))
    level = F.when(is_urgent, 0).when(F.col("is_positive"), 1).otherwise(F.col("nth") + 1)
    levelled = (
        scores.select("query_id", "doc_id", "is_positive", "dense")
        .withColumn("nth", nth)
        .join(measured, "query_id", how="left")
        .withColumn("level", level)
    )
    before = Window.orderBy("level").rowsBetween(Window.unboundedPreceding, -1)
    sizes = (
        levelled.groupBy("level")
        .agg(F.count("*").alias("size"))
        .select("level", F.coalesce(F.sum("size").over(before), F.lit(0)).alias("earlier"))
    )
    draw = unit_column(seed, F.lit("cap"), F.col("query_id"))
    inside = Window.partitionBy("level").orderBy("draw", "query_id", "nth", "doc_id")
    placed = levelled.join(F.broadcast(sizes), "level", how="inner").withColumn("draw", draw)
    return (
        placed.withColumn("place", F.col("earlier") + F.row_number().over(inside))
        .where(F.col("place") <= cfg.cap)
        .select("query_id", "doc_id")
    )


def add_texts(
    pairs: DataFrame, positives: DataFrame, documents: DataFrame, synthetics: DataFrame, cfg: LabelConfig
) -> DataFrame:
    """Add ``query`` and ``text`` to (query_id, doc_id, ...) rows, cut to what the teacher can read, and their keys.

    In:   pairs; POSITIVES; DOCUMENTS and SYNTHETICS (written negatives stand under their text_id).
    Out:  the pairs with four columns more; query_key and text_key are hashes of the whole texts.
    """
    queries = positives.groupBy("query_id").agg(F.min("query").alias("query"))
    written = kept(synthetics).where(F.col("kind") == NEGATIVE).groupBy("text_id").agg(F.min("text").alias("text"))
    texts = kept(documents).select("doc_id", "text").unionByName(written.withColumnRenamed("text_id", "doc_id"))
    short = cfg.max_length * _CHARS_PER_TOKEN
    return pairs.join(queries.select("query_id", *_cut("query", short)), "query_id", how="inner").join(
        texts.select("doc_id", *_cut("text", short)), "doc_id", how="inner"
    )


def _cut(name: str, chars: int) -> tuple[Column, Column]:
    return F.substring(name, 1, chars).alias(name), F.sha2(name, 256).alias(f"{name}_key")


def score_pairs(pairs: DataFrame, factory: ScorerFactory, memory: ScoreMemory | None = None) -> DataFrame:
    """Score the rows of :func:`add_texts` with one engine a partition; equal texts are scored once, known ones not.

    Out:  (query_id, doc_id, teacher, teacher_model); scores rounded to 6 decimals.
    Cost: one cross-encoder pass a pair of texts.
    """

    def score(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        engine = None
        for frame in frames:
            engine = engine or factory()  # a partition without rows opens no model
            values = engine.score(list(zip(frame["query"], frame["text"], strict=True)))
            yield frame[_KEYS].assign(teacher=np.round(values, DECIMALS), teacher_model=engine.digest)

    def compute(texts: DataFrame) -> DataFrame:
        placed = spread_over_devices(texts, *_KEYS, tasks=1)
        return placed.mapInPandas(score, _SCORED, profile=device_profile(placed))

    texts = pairs.groupBy(*_KEYS).agg(F.min("query").alias("query"), F.min("text").alias("text"))
    scored = memory.recall(texts, compute) if memory else compute(texts)
    return pairs.join(scored, _KEYS, how="inner").select("query_id", "doc_id", "teacher", "teacher_model")


def attach_teacher(scores: DataFrame, labels: DataFrame) -> DataFrame:
    """Put the teacher's scores into SCORES; pairs over the cap keep null."""
    unscored = scores.drop("teacher", "teacher_model")
    return conform(unscored.join(labels, ["query_id", "doc_id"], how="left"), SCORES)
