"""The ledger: every candidate of every query, what was decided, and why."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from pipeline.contract import conform
from pipeline.judge.config import JudgeConfig
from pipeline.judge.fusion import Calibration
from pipeline.judge.trials import describe_signals
from pipeline.queries import share_positives
from schemas.mining import (
    DROPPED,
    DUPLICATE_OF_POSITIVE,
    KEPT,
    LIKELY_POSITIVE,
    POSITIVE,
    PROMOTED,
    RELABELLED,
    SURPLUS,
    TOO_EASY,
    VERDICTS,
    VETOED,
)


def judge_candidates(
    scores: DataFrame,
    positives: DataFrame,
    duplicates: DataFrame,
    calibration: Calibration,
    cfg: JudgeConfig,
) -> DataFrame:
    """Rank each query's candidates, hardest (highest cosine) first, and say why the others are no negatives.

    In:   SCORES; POSITIVES, whole (a pair dropped from training still answers its query); DUPLICATES.
    Out:  VERDICTS, one row per SCORES row; drop_reason null = kept as a negative.
    Drops: positive, duplicate_of_positive (same cluster, or as close as one), promoted, likely_positive, too_easy,
          surplus: the first that applies, in this order. A query that has too few good candidates gets fewer.
    Ties: by doc_id, so a rerun keeps the same rows.
    Cost: two windows over a query's rows; joins on query and document ids.
    """
    query = Window.partitionBy("query_id")
    reference = F.max(F.when(F.col("is_positive"), F.col("dense"))).over(query)
    described = describe_signals(scores.withColumn("reference", reference), cfg.prior_margin)
    likely = F.when(~F.col("is_positive"), calibration.probability())
    judged = _mark_twins(described, positives, duplicates).withColumn("fn_probability", likely)
    reasoned = judged.withColumn("drop_reason", _reason(cfg))
    hardest = Window.partitionBy("query_id", "drop_reason").orderBy(F.desc("dense"), "doc_id")
    is_surplus = F.col("drop_reason").isNull() & (F.row_number().over(hardest) > cfg.per_query)
    final = reasoned.withColumn("is_surplus", is_surplus).withColumn(
        "drop_reason", F.when(F.col("is_surplus"), SURPLUS).otherwise(F.col("drop_reason"))
    )
    ranked = final.withColumn("rank", F.row_number().over(hardest)).withColumn("threshold", F.lit(cfg.tolerance))
    return conform(ranked.withColumn("verdict", _verdict()), VERDICTS)


def _reason(cfg: JudgeConfig) -> Column:
    """Return the first reason not to take a candidate as a negative; null = none."""
    is_twin = F.col("is_twin") | (F.coalesce("positive_sim", F.lit(-1.0)) >= cfg.duplicate_cosine)
    reason = F.when(F.col("is_positive"), POSITIVE).when(is_twin, DUPLICATE_OF_POSITIVE)
    if cfg.promote_above is not None:
        reason = reason.when(F.col("fn_probability") > cfg.promote_above, PROMOTED)
    reason = reason.when(F.col("fn_probability") > cfg.tolerance, LIKELY_POSITIVE)
    return reason.when(F.col("dense") < cfg.min_dense, TOO_EASY)


def _verdict() -> Column:
    reason = F.col("drop_reason")
    return (
        F.when(reason.isNull(), KEPT)
        .when(reason == PROMOTED, RELABELLED)
        .when(reason.isin(DUPLICATE_OF_POSITIVE, LIKELY_POSITIVE), VETOED)
        .otherwise(DROPPED)
    )


def _mark_twins(scores: DataFrame, positives: DataFrame, duplicates: DataFrame) -> DataFrame:
    """Add is_twin: whether the document stands in the duplicate cluster of a positive of its query.

    Positives that are known but not in training count too: a dropped pair, a positive replaced by its survivor, one of
    a query that is spelt in another way.
    """
    survivors = duplicates.select("doc_id", "survivor_id")

    def clustered(frame: DataFrame) -> DataFrame:
        joined = frame.join(survivors, "doc_id", how="left")
        return joined.withColumn("cluster", F.coalesce("survivor_id", "doc_id")).drop("survivor_id")

    shared = share_positives(positives).select("query_id", "doc_id")
    known = shared.unionByName(scores.where("is_positive").select("query_id", "doc_id"))
    clusters = clustered(known).select("query_id", "cluster").distinct().withColumn("is_twin", F.lit(True))
    marked = clustered(scores).join(clusters, ["query_id", "cluster"], how="left")
    return marked.withColumn("is_twin", F.coalesce("is_twin", F.lit(False)))


def count_starved(verdicts: DataFrame, wanted: int) -> DataFrame:
    """Count the queries that got fewer negatives than wanted, by what took most of their candidates.

    In:   VERDICTS.
    Out:  (main_reason, queries, missing): ``few_candidates`` where the retrievers found fewer than wanted.
    Ties: by reason, alphabetically.
    """
    reasons = [DUPLICATE_OF_POSITIVE, LIKELY_POSITIVE, PROMOTED, TOO_EASY]
    counts = [F.count_if(F.col("drop_reason") == name).alias(name) for name in reasons]
    found = verdicts.groupBy("query_id").agg(
        F.count_if(F.col("drop_reason").isNull()).alias("kept"),
        F.count_if(~F.col("is_positive")).alias("pool"),
        *counts,
    )
    most = F.greatest(*[F.col(name) for name in reasons])
    main: Column = F.when(F.col("pool") < wanted, "few_candidates")
    for name in reasons:
        main = main.when(F.col(name) == most, name)
    short = found.where(F.col("kept") < wanted).withColumn("main_reason", main)
    return (
        short.groupBy("main_reason")
        .agg(F.count("*").alias("queries"), F.sum(F.lit(wanted) - F.col("kept")).alias("missing"))
        .orderBy("main_reason")
    )
