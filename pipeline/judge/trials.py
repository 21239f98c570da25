"""Trials: gold queries with known positives hidden among their candidates, to learn what a hidden positive looks like.

Of a query with several positives one is shown and the others are hidden; what the retrievers found and gold does not
know counts as negative. A query with one positive can only hide that one, with nothing shown.
Known weaknesses: an unlabelled candidate may be relevant (see ``completeness`` in the fusion); a positive that no
retriever found is no candidate and teaches nothing; duplicates of a positive were dropped before indexing and have no
signals, so they cannot serve as hidden positives.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from pipeline.ids import unit_column
from pipeline.label.config import LabelConfig
from pipeline.label.signals import DECIMALS
from pipeline.label.teacher import split_gold
from pipeline.vectors import inner_product
from schemas.mining import DENSE, LEXICAL, RETRIEVERS
from schemas.pairs import SYNTHETIC_RULE

TRIAL = (
    "query_id",
    "doc_id",
    "hidden",
    "is_several",
    "is_held_out",
    "dense",
    "gap",
    "excess",
    "bm25_share",
    "positive_sim",
    "log_rank",
    "teacher_logit",
    "bm25_score",
    "teacher",
)
_EDGE = 1e-6  # teacher scores are kept this far from 0 and 1 before the logit


def describe_signals(frame: DataFrame, prior_margin: float) -> DataFrame:
    """Add the features that the fusion reads, from raw signals and ``reference`` (cosine of the best shown positive).

    In:   SCORES columns and ``reference``; all rows of each query (BM25 is put in relation to the query's best hit).
    Out:  the same rows with bm25_score, gap, excess, bm25_share, log_rank, teacher_logit; null = missing. Ranks are
          those of retrievers that search: the best one.
    """
    query = Window.partitionBy("query_id")
    best_bm25 = F.max("bm25_score").over(query)
    lexical = F.filter("hits", lambda hit: hit["retriever"].isin(*_retrievers(LEXICAL)))
    searched = F.filter("hits", lambda hit: hit["retriever"].isin(*_retrievers(LEXICAL, DENSE)))
    score, rank = (F.transform(lexical, lambda hit: hit["score"]), F.transform(searched, lambda hit: hit["rank"]))
    teacher = F.greatest(F.least(F.col("teacher"), F.lit(1 - _EDGE)), F.lit(_EDGE))
    reference = F.col("reference")
    return (
        frame.withColumn("bm25_score", F.array_max(score))
        .withColumn("gap", F.round(F.col("dense") - reference, DECIMALS))
        .withColumn("excess", F.round(F.col("dense") - reference + F.abs(reference) * prior_margin, DECIMALS))
        .withColumn("bm25_share", F.when(best_bm25 > 0, F.round(F.col("bm25_score") / best_bm25, DECIMALS)))
        .withColumn("log_rank", F.round(F.log(F.array_min(rank).cast("double")), DECIMALS))
        .withColumn(
            "teacher_logit", F.when(F.col("teacher").isNotNull(), F.round(F.log(teacher / (1 - teacher)), DECIMALS))
        )
    )


def _retrievers(*kinds: str) -> list[str]:
    return [name for name, kind in RETRIEVERS.items() if kind in kinds]


def hide_positives(
    scores: DataFrame,
    positives: DataFrame,
    embeddings: DataFrame,
    label: LabelConfig,
    prior_margin: float,
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
    described = describe_signals(marked.join(shown, "query_id", how="left"), prior_margin)
    is_found = F.exists("hits", lambda hit: hit["retriever"].isin(*_retrievers(LEXICAL, DENSE)))
    is_candidate = ~F.col("is_shown") & is_found
    trials = described.where(is_candidate).withColumnRenamed("is_gold", "hidden").drop("positive_sim")
    return _with_shown_similarity(trials, embeddings).select(*TRIAL)


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
