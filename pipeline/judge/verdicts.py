"""The ledger: every candidate of every query, what was decided, and why."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from pipeline.contract import conform
from pipeline.judge.config import JudgeConfig
from pipeline.judge.fusion import Calibration
from pipeline.judge.signals import describe_signals
from pipeline.judge.trade import TRADE_OFF
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

_SCORE_DECIMALS = 9


def describe_candidates(
    scores: DataFrame,
    positives: DataFrame,
    duplicates: DataFrame,
    calibration: Calibration,
    cfg: JudgeConfig,
) -> DataFrame:
    """Add to every candidate its signals, its probability, and what keeps it from being a negative whatever the rule.

    In:   SCORES with ``spread`` (:func:`~pipeline.judge.signals.with_spread`), whole queries; POSITIVES, whole (a pair
          dropped from training still answers its query); DUPLICATES.
    Out:  the rows with the signals, reference, fn_probability (null for a known positive), is_allowed, drop_reason:
          positive, duplicate_of_positive (same cluster, or as close as one), promoted, too_easy, null = allowed.
    Cost: two windows over a query's rows; joins on query and document ids.
    """
    query = Window.partitionBy("query_id")
    reference = F.max(F.when(F.col("is_positive"), F.col("dense"))).over(query)
    marked = scores.withColumn("reference", reference).withColumn("is_shown", F.col("is_positive"))
    judged = _mark_twins(describe_signals(marked), positives, duplicates).withColumn(
        "fn_probability", F.when(~F.col("is_positive"), calibration.probability())
    )
    reasoned = judged.withColumn("drop_reason", _reason(calibration, cfg))
    return reasoned.withColumn("is_allowed", F.col("drop_reason").isNull())


def judge_candidates(described: DataFrame, cfg: JudgeConfig, price: float = 0.0) -> DataFrame:
    """Take each query's negatives by the rule, and say why the others are none.

    In:   what :func:`describe_candidates` returns; the price of risk, for the rule ``trade_off``.
    Out:  VERDICTS, one row per SCORES row; drop_reason null = kept as a negative. ``threshold`` is the highest
          probability that was taken in the query, at least the tolerated one: above that, its window was widened.
    Drops: beside the reasons given, likely_positive (probability above the tolerated one) and surplus (below). A query
          that has too few candidates below ``widest`` gets fewer.
    Ties: by doc_id, so a rerun keeps the same rows.
    Cost: three windows over a query's rows.
    """
    chance = F.col("fn_probability")
    if cfg.rule == TRADE_OFF:
        score = F.col("dense") - F.lit(price) * chance
    else:
        score = F.when(chance <= cfg.tolerance, F.col("dense")).otherwise(F.lit(-10.0) - chance)
    is_eligible = F.col("is_allowed") & (chance <= cfg.widest)
    best = Window.partitionBy("query_id", "is_eligible").orderBy(F.desc("score"), "doc_id")
    placed = described.withColumn("is_eligible", is_eligible).withColumn("score", F.round(score, _SCORE_DECIMALS))
    taken = placed.withColumn("is_taken", F.col("is_eligible") & (F.row_number().over(best) <= cfg.per_query))
    rest = F.when(chance > cfg.tolerance, LIKELY_POSITIVE).otherwise(SURPLUS)
    reason = F.when(~F.col("is_allowed"), F.col("drop_reason")).when(~F.col("is_taken"), rest)
    highest = F.max(F.when(F.col("is_taken"), chance)).over(Window.partitionBy("query_id"))
    hardest = Window.partitionBy("query_id", "drop_reason").orderBy(F.desc("dense"), "doc_id")
    ranked = (
        taken.withColumn("drop_reason", reason)
        .withColumn("threshold", F.greatest(F.lit(cfg.tolerance), highest))
        .withColumn("rank", F.row_number().over(hardest))
    )
    return conform(ranked.withColumn("verdict", _verdict()), VERDICTS)


def _reason(calibration: Calibration, cfg: JudgeConfig) -> Column:
    """Return the first reason not to take a candidate as a negative, whatever the rule; null = none."""
    is_twin = F.col("is_twin") | (F.coalesce("positive_sim", F.lit(-1.0)) >= cfg.duplicate_cosine)
    reason = F.when(F.col("is_positive"), POSITIVE).when(is_twin, DUPLICATE_OF_POSITIVE)
    if cfg.promote_above is not None:
        reason = reason.when(calibration.lower_bound() > cfg.promote_above, PROMOTED)
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
