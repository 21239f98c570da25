"""What the teacher learns from, and the exam that it sits on the way.

A lesson is a known positive among negatives mined for its query; the exam is held-out queries, their known positives
hidden among the hardest of what was found for them.
Known weakness: a negative for teaching is an unlabelled candidate, so some are unknown positives. ``margin`` can leave
out the likeliest, but then no lesson shows what the exam and the judge ask about: documents above the positive.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from pipeline.ids import unit_column
from pipeline.label.config import LabelConfig
from pipeline.label.signals import DECIMALS, gold_of
from pipeline.label.teacher import choose_measured, split_gold
from pipeline.ports import Lesson, Question
from pipeline.search.hits import hits_of
from schemas.mining import DENSE, LEXICAL
from schemas.pairs import SYNTHETIC_RULE

SIGNALS = ("dense", "bm25_share", "rank")  # what the judge reads of a query with one known positive


def taught_queries(scores: DataFrame, positives: DataFrame, cfg: LabelConfig, seed: int) -> DataFrame:
    """Return (query_id, draw) of the gold queries that there is something to learn from.

    In:   SCORES, POSITIVES.
    Drops: held-out queries, those none of whose positives was embedded, those beyond gold_queries.
    Ties: by hash of the seed, then query_id.
    """
    with_positive = scores.where("is_positive").select("query_id").distinct()
    taught = split_gold(positives, cfg, seed).where(~F.col("is_held_out")).select("query_id", "draw")
    taught = taught.join(with_positive, "query_id", how="left_semi")
    return taught if cfg.gold_queries is None else taught.orderBy("draw", "query_id").limit(cfg.gold_queries)


def choose_lessons(scores: DataFrame, positives: DataFrame, cfg: LabelConfig, seed: int) -> DataFrame:
    """Choose what the teacher learns from: every gold pair of the taught queries, each with negatives of its query.

    In:   SCORES, POSITIVES.
    Out:  (query_id, positive_id, doc_id, label, place): one row a text of a lesson. Lessons have the key (query_id,
          positive_id), label 1 marks the positive; place is a random order of the lessons in [0, 1), by hash.
    Drops: lessons without a negative; queries beyond gold_queries, lessons beyond what max_steps can use.
    Ties: queries by hash of the seed, then query_id; documents likewise.
    """
    taught = taught_queries(scores, positives, cfg, seed)
    place = unit_column(seed, F.lit("lesson"), F.col("query_id"), F.col("positive_id"))
    shown = (
        gold_of(positives)
        .join(taught.select("query_id"), "query_id", how="left_semi")
        .join(scores.select("query_id", "doc_id", "dense"), ["query_id", "doc_id"], how="inner")
        .select("query_id", F.col("doc_id").alias("positive_id"), "dense")
        .withColumn("place", place)
    )
    negatives = _mined(scores, shown, cfg, seed).unionByName(_random(shown, positives, scores, cfg.random_negatives))
    most = -(-cfg.max_steps * cfg.batch // (1 + cfg.mined_negatives + cfg.random_negatives))
    used = (
        shown.join(negatives, ["query_id", "positive_id"], how="left_semi")
        .orderBy("place", "query_id", "positive_id")
        .limit(most)
        .select("query_id", "positive_id", "place")
    )
    own = used.select("query_id", "positive_id", F.col("positive_id").alias("doc_id"), F.lit(1.0).alias("label"))
    others = negatives.withColumn("label", F.lit(0.0))
    return own.unionByName(others).join(used, ["query_id", "positive_id"], how="inner")


def _mined(scores: DataFrame, shown: DataFrame, cfg: LabelConfig, seed: int) -> DataFrame:
    """Return mined negatives, drawn by hash from the candidates that are not too close to the shown positive."""
    ceiling = F.col("shown_dense") - F.abs("shown_dense") * cfg.margin if cfg.margin is not None else F.lit(1.0)
    draw = unit_column(seed, F.lit("mined"), F.col("query_id"), F.col("positive_id"), F.col("doc_id"))
    drawn = Window.partitionBy("query_id", "positive_id").orderBy("draw", "doc_id")
    return (
        scores.where(~F.col("is_positive"))
        .join(shown.select("query_id", "positive_id", F.col("dense").alias("shown_dense")), "query_id", how="inner")
        .where(F.col("dense") <= ceiling)
        .withColumn("draw", draw)
        .withColumn("nth", F.row_number().over(drawn))
        .where(F.col("nth") <= cfg.mined_negatives)
        .select("query_id", "positive_id", "doc_id")
    )


def _random(shown: DataFrame, positives: DataFrame, scores: DataFrame, count: int) -> DataFrame:
    """Return the positives of the next ``count`` lessons in hash order, unless they are found for this query too."""
    if not count:
        return shown.select("query_id", "positive_id", F.lit("").alias("doc_id")).where("false")
    numbered = Window.orderBy("place", "query_id", "positive_id")
    placed = shown.withColumn("at", F.row_number().over(numbered) - 1)
    total = shown.agg(F.count("*").alias("total"))
    steps = F.explode(F.sequence(F.lit(1), F.lit(count)))
    wanted = placed.crossJoin(F.broadcast(total)).select("query_id", "positive_id", "at", "total", steps.alias("step"))
    others = placed.select(F.col("positive_id").alias("doc_id"), "at")
    ahead = wanted.withColumn("at", (F.col("at") + F.col("step")) % F.col("total"))
    pairs = ahead.join(others, "at", how="inner").select("query_id", "positive_id", "doc_id").distinct()
    unknown = pairs.join(positives.select("query_id", "doc_id"), ["query_id", "doc_id"], how="left_anti")
    known = scores.select("query_id", "doc_id")
    return unknown.join(known, ["query_id", "doc_id"], how="left_anti").select("query_id", "positive_id", "doc_id")


def choose_exam(scores: DataFrame, positives: DataFrame, cfg: LabelConfig, seed: int) -> DataFrame:
    """Choose the pairs of the exam: the hidden positives and the hardest other candidates of the measured queries.

    In:   SCORES, POSITIVES.
    Out:  (query_id, doc_id, hidden, dense, bm25_share, rank): signals, higher = nearer, null = not found.
    Drops: positives that no retriever found: no signal can speak of them.
    Ties: the hardest by cosine, then doc_id.
    """
    asked = choose_measured(scores, positives, cfg, seed)
    gold = positives.where(F.col("rule") != SYNTHETIC_RULE).select("query_id", "doc_id").distinct()
    hardest = Window.partitionBy("query_id", "is_positive").orderBy(F.desc("dense"), "doc_id")
    best = F.max("bm25").over(Window.partitionBy("query_id"))
    found = (
        scores.join(asked, "query_id", how="left_semi")
        .withColumn("bm25", F.array_max(F.transform(hits_of(LEXICAL), lambda hit: hit["score"])))
        .withColumn("bm25_share", F.when(best > 0, F.round(F.col("bm25") / best, DECIMALS)))
        .withColumn("first", F.array_min(F.transform(hits_of(LEXICAL, DENSE), lambda hit: hit["rank"])))
        .where(F.col("first").isNotNull())
    )
    hidden = found.where("is_positive").join(gold, ["query_id", "doc_id"], how="left_semi")
    others = found.where(~F.col("is_positive")).withColumn("nth", F.row_number().over(hardest))
    chosen = hidden.unionByName(others.where(F.col("nth") <= cfg.measure_depth).drop("nth"))
    rank = F.round(-F.log(F.col("first").cast("double")), DECIMALS)
    return chosen.select(
        "query_id", "doc_id", F.col("is_positive").alias("hidden"), "dense", "bm25_share", rank.alias("rank")
    )


def gather_lessons(rows: Iterable[Any]) -> Iterator[Lesson]:
    """Yield lessons from rows of :func:`choose_lessons` with texts, by lesson, each positive before its negatives."""
    for _, texts in groupby(rows, key=lambda row: (row.query_id, row.positive_id)):
        first, *others = texts
        if first.label and others:
            yield Lesson(first.query, first.text, tuple(row.text for row in others))


def gather_questions(rows: Iterable[Any]) -> Iterator[Question]:
    """Yield questions from rows of :func:`choose_exam` with texts."""
    for row in rows:
        yield Question(row.query, row.text, row.hidden, {name: row[name] for name in SIGNALS})
