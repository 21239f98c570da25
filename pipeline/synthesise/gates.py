"""What a text that a model wrote must pass before it is trained on.

One text and what the model was shown come first: shape, looping, copying. Then what other rows say of it: protected
queries, the round trip, duplicates. Round trip (consistency filter, after Promptagator, arXiv 2209.11755): a query
whose document search does not find among its first hits is about something else, or about everything.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from pipeline.contract import conform, kept
from pipeline.guard.config import GuardConfig
from pipeline.guard.leaks import flag_leaks, protected_texts
from pipeline.prompting import copied_share, repeated_share
from pipeline.queries import form_of, id_of, spelling_of
from pipeline.similarity.queries import find_protected
from pipeline.synthesise.config import SynthesiseConfig
from pipeline.text import words
from schemas.documents import LEAK
from schemas.pairs import (
    COPY,
    DUPLICATE_TEXT,
    PROTECTED_QUERY,
    QUERY,
    REPETITION,
    ROUND_TRIP,
    SYNTHETICS,
    TEXT_TOO_LONG,
    TEXT_TOO_SHORT,
    UNPARSABLE,
)


def gate_text(text: str, kind: str, finish_reason: str, sources: tuple[str, ...], cfg: SynthesiseConfig) -> str | None:
    """Return why the text is not used, or None.

    In: the parsed text; the sources are what it must not repeat: document or pair, and the prompt.
    """
    if not text:
        return UNPARSABLE
    low, high = (
        (cfg.min_query_words, cfg.max_query_words)
        if kind == QUERY
        else (cfg.min_negative_words, cfg.max_negative_words)
    )
    count = len(words(text))
    if count < low:
        return TEXT_TOO_SHORT
    # A query that met the token limit never came to an end.
    if count > high or (kind == QUERY and finish_reason == "length"):
        return TEXT_TOO_LONG
    if repeated_share(text) > cfg.max_repetition:
        return REPETITION
    if copied_share(text, sources, cfg.copy_words) > cfg.max_copy:
        return COPY
    return None


def judge_synthetics(
    parsed: DataFrame,
    hits: DataFrame,
    leaks: DataFrame,
    positives: DataFrame,
    cfg: SynthesiseConfig,
) -> DataFrame:
    """Gate the parsed texts by search, protected queries and duplicates.

    In:   parse_replies' frame; hits (query_id, doc_id, rank) of the queries in it; leaks (text_id, leak) of texts too
          close to a protected one; gold POSITIVES.
    Out:  SYNTHETICS.
    Drops: protected_query, leak, round_trip_failed, duplicate_text (spelt like a better one, or like any gold query).
    Ties: of texts spelt alike the one whose document ranks best stays, then by request_id.
    """
    ranks = hits.select(F.col("query_id").alias("text_id"), "doc_id", F.col("rank").alias("round_trip_rank"))
    near = ranks.where(F.col("round_trip_rank") <= cfg.round_trip_depth)
    found = parsed.join(near, ["text_id", "doc_id"], how="left").withColumn("spelling", spelling_of("text"))
    marked = found.join(leaks.select("text_id", "leak"), "text_id", how="left").join(
        _gold_queries(positives), "spelling", how="left"
    )
    lost = (F.col("kind") == QUERY) & F.col("round_trip_rank").isNull() & F.lit(cfg.round_trip_depth > 0)
    reason = F.coalesce(
        "drop_reason", F.col("leak"), F.when(lost, ROUND_TRIP), F.when(F.col("is_gold"), DUPLICATE_TEXT)
    )
    judged = marked.withColumn("drop_reason", reason)
    best_first = Window.partitionBy("kind", "spelling", F.col("drop_reason").isNull()).orderBy(
        F.coalesce("round_trip_rank", F.lit(0)), "request_id"
    )
    again = F.when(F.row_number().over(best_first) > 1, DUPLICATE_TEXT)
    return conform(judged.withColumn("drop_reason", F.coalesce("drop_reason", again)), SYNTHETICS)


def flag_protected(
    parsed: DataFrame,
    eval_corpus: DataFrame,
    eval_queries: DataFrame,
    guard: GuardConfig,
    similarity: float,
) -> DataFrame:
    """Find the texts that overlap a protected evaluation set.

    In:  parse_replies' frame; EVAL_CORPUS; EVAL_QUERIES; the similarity of words that makes two queries one.
    Out: text_id and leak: protected_query (says what a protected query says) before leak (overlaps a protected text).
    """
    texts = kept(parsed).groupBy("kind", "text_id").agg(F.min("text").alias("text"))
    queries = texts.where(F.col("kind") == QUERY)
    asked = queries.select(F.col("text_id").alias("query_id"), form_of("text").alias("form"))
    guarded = eval_queries.select(id_of("query").alias("query_id"), form_of("query").alias("form"))
    same = find_protected(asked, guarded, similarity)
    overlapping = flag_leaks(texts.select("text_id", "text"), protected_texts(eval_corpus, eval_queries), guard)
    both = same.select(F.col("query_id").alias("text_id"), F.lit(PROTECTED_QUERY).alias("leak")).unionByName(
        overlapping.select("text_id", F.lit(LEAK).alias("leak"))
    )
    # "protected_query" comes after "leak" in the alphabet and is the more telling of the two.
    return both.groupBy("text_id").agg(F.max("leak").alias("leak"))


def _gold_queries(positives: DataFrame) -> DataFrame:
    return positives.select(spelling_of("query").alias("spelling")).distinct().withColumn("is_gold", F.lit(True))
