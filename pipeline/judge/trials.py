"""Trials: gold queries with known positives hidden among their candidates, to learn what a hidden positive looks like.

Of a query with several positives one is shown and the others are hidden; what the retrievers found and gold does not
know counts as negative. A query with one positive can only hide that one, with nothing shown.
Known weaknesses: an unlabelled candidate may be relevant (see completeness in ``evidence.py``); a positive that no
retriever found is no candidate and teaches nothing; duplicates of a positive were dropped before indexing and have no
signals, so they cannot serve as hidden positives.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from pipeline.ids import unit_column
from pipeline.judge.fusion import FEATURES, TEACHER
from pipeline.judge.signals import describe_signals, with_spread
from pipeline.label.config import LabelConfig
from pipeline.label.signals import DECIMALS
from pipeline.label.teacher import split_gold
from pipeline.vectors import inner_product
from schemas.pairs import SYNTHETIC_RULE

TRIAL = (
    "query_id",
    "doc_id",
    "hidden",
    "is_several",
    "is_held_out",
    "dense",
    "reference",
    "gap",
    "positive_sim",
    "bm25_score",
    "teacher",
    *FEATURES,
    TEACHER,
)


def hide_positives(
    scores: DataFrame,
    positives: DataFrame,
    embeddings: DataFrame,
    label: LabelConfig,
    queries: int,
    seed: int,
) -> DataFrame:
    """Make the trials of a bounded number of gold queries.

    In:   SCORES, POSITIVES, EMBEDDINGS.
    Out:  TRIAL columns, one row per retrieved candidate of a trial query but the shown positive; ``hidden`` marks the
          positives, ``is_several`` the queries with one shown, ``is_held_out`` those that no teacher learned from.
    Drops: nothing is written; queries beyond the bound are not looked at. Held-out queries with several positives come
          first, then others with several, then held-out ones with one.
    Ties: by hash of the seed, then by id.
    """
    scores = with_spread(scores)
    gold = _known_gold(scores, positives)
    chosen = _choose_queries(gold, positives, label, queries, seed)
    others = scores.where(~F.col("is_positive")).withColumn("is_gold", F.lit(False))
    rows = (
        gold.withColumn("is_gold", F.lit(True)).unionByName(others).join(F.broadcast(chosen), "query_id", how="inner")
    )
    order = Window.partitionBy("query_id").orderBy(F.desc("is_gold"), "draw", "doc_id")
    drawn = rows.withColumn("draw", unit_column(seed, F.lit("shown"), F.col("query_id"), F.col("doc_id")))
    marked = drawn.withColumn("is_shown", F.col("is_several") & (F.row_number().over(order) == 1))
    shown = marked.where("is_shown").select(
        "query_id", F.col("doc_id").alias("shown_id"), F.col("dense").alias("reference")
    )
    beside = marked.drop("positive_sim").join(shown, "query_id", how="left")
    described = describe_signals(_with_shown_similarity(beside, embeddings))
    trials = described.where(~F.col("is_shown") & F.col("is_found")).withColumnRenamed("is_gold", "hidden")
    return trials.select(*TRIAL)


def _known_gold(scores: DataFrame, positives: DataFrame) -> DataFrame:
    """Return the scored pairs that gold knows; a pair that was dropped from training is as true as the others."""
    gold = positives.where(F.col("rule") != SYNTHETIC_RULE).select("query_id", "doc_id")
    return scores.where("is_positive").join(gold, ["query_id", "doc_id"], how="left_semi")


def _choose_queries(gold: DataFrame, positives: DataFrame, label: LabelConfig, queries: int, seed: int) -> DataFrame:
    """Return (query_id, is_several, is_held_out) of the trial queries."""
    known = gold.groupBy("query_id").agg((F.count("*") > 1).alias("is_several"))
    split = split_gold(positives, label, seed).join(known, "query_id", how="inner")
    order = (F.desc("is_several"), F.desc("is_held_out"), F.col("draw"), F.col("query_id"))
    return split.orderBy(*order).limit(queries).select("query_id", "is_several", "is_held_out")


def _with_shown_similarity(trials: DataFrame, embeddings: DataFrame) -> DataFrame:
    """Add positive_sim to the shown positive alone: SCORES has it to all others, hidden ones included."""
    shown = embeddings.select(F.col("doc_id").alias("shown_id"), F.col("vector").alias("shown_vector"))
    with_vectors = trials.join(embeddings.select("doc_id", "vector"), "doc_id", how="left").join(
        shown, "shown_id", how="left"
    )
    return with_vectors.withColumn(
        "positive_sim", F.round(inner_product(F.col("vector"), F.col("shown_vector")), DECIMALS)
    )
