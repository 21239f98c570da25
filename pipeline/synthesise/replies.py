"""What is believed of the replies: parsed, gated one by one, then against search, protected queries and each other.

Round trip (consistency filter, after Promptagator, arXiv 2209.11755): a query whose document search does not find
among its first hits is about something else, or about everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from pipeline.contract import conform, kept
from pipeline.guard.config import GuardConfig
from pipeline.guard.leaks import flag_leaks, protected_texts
from pipeline.ids import hash_id
from pipeline.pair.pairs import form_of
from pipeline.similarity.queries import find_protected
from pipeline.synthesise.config import SynthesiseConfig
from pipeline.synthesise.gates import gate_text, parse_reply
from pipeline.text import normal_form
from schemas.documents import LEAK
from schemas.pairs import (
    DUPLICATE_TEXT,
    NEGATIVE,
    POSITIVES,
    PROTECTED_QUERY,
    QUERY,
    ROUND_TRIP,
    SYNTHETIC_RULE,
    SYNTHETICS,
)

_PARSED = (
    "request_id string, kind string, text_id string, text string, doc_id string, query_id string, drop_reason string"
)


def parse_replies(requests: DataFrame, replies: DataFrame, documents: DataFrame, cfg: SynthesiseConfig) -> DataFrame:
    """Parse every reply and gate it by what it is and what the model was shown.

    In:   REQUESTS, REPLIES, DOCUMENTS.
    Out:  SYNTHETICS' columns but for round_trip_rank, one row per reply.
    Drops: unparsable, text_too_short, text_too_long, repetition, copy_of_source.
    Cost: Python over the replies, an Arrow batch at a time.
    """
    answered = requests.join(replies, "request_id", how="inner")
    shown = answered.join(documents.select("doc_id", F.col("text").alias("source")), "doc_id", how="left")
    columns = ["request_id", "kind", "doc_id", "query_id", "prompt", "source", "reply", "finish_reason"]

    def parse(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            yield pd.DataFrame([_parsed(row, cfg) for row in batch.to_dict("records")], columns=_names())

    return shown.select(*columns).mapInPandas(parse, _PARSED)


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
    Drops: protected_query, leak, round_trip_failed, duplicate_text (also the text of any gold query).
    Ties: of equal texts the one whose document ranks best stays, then by request_id.
    """
    ranks = hits.select(F.col("query_id").alias("text_id"), "doc_id", F.col("rank").alias("round_trip_rank"))
    near = ranks.where(F.col("round_trip_rank") <= cfg.round_trip_depth)
    found = parsed.join(near, ["text_id", "doc_id"], how="left")
    marked = found.join(leaks.select("text_id", "leak"), "text_id", how="left").join(
        _gold_queries(positives), "text_id", how="left"
    )
    lost = (F.col("kind") == QUERY) & F.col("round_trip_rank").isNull() & F.lit(cfg.round_trip_depth > 0)
    reason = F.coalesce(
        "drop_reason", F.col("leak"), F.when(lost, ROUND_TRIP), F.when(F.col("is_gold"), DUPLICATE_TEXT)
    )
    judged = marked.withColumn("drop_reason", reason)
    best_first = Window.partitionBy("kind", "text_id", F.col("drop_reason").isNull()).orderBy(
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
    same = find_protected(asked, eval_queries.select(form_of("query").alias("form")), similarity)
    overlapping = flag_leaks(texts.select("text_id", "text"), protected_texts(eval_corpus, eval_queries), guard)
    both = same.select(F.col("query_id").alias("text_id"), F.lit(PROTECTED_QUERY).alias("leak")).unionByName(
        overlapping.select("text_id", F.lit(LEAK).alias("leak"))
    )
    # "protected_query" comes after "leak" in the alphabet and is the more telling of the two.
    return both.groupBy("text_id").agg(F.max("leak").alias("leak"))


def unite_positives(gold: DataFrame, synthetics: DataFrame, domains: DataFrame) -> DataFrame:
    """Return the gold positives and, as positives by the rule "synthetic", the queries that passed every gate.

    In: POSITIVES (unchanged in the result), SYNTHETICS, DOMAINS.
    """
    passed = kept(synthetics).where(F.col("kind") == QUERY)
    added = passed.select(
        F.col("text_id").alias("query_id"),
        F.col("text").alias("query"),
        "doc_id",
        F.lit(SYNTHETIC_RULE).alias("rule"),
        F.lit(1.0).alias("grade"),
        F.lit(None).cast("string").alias("drop_reason"),
    ).join(domains.select("doc_id", "domain"), "doc_id", how="inner")
    return conform(gold.unionByName(conform(added, POSITIVES)), POSITIVES)


def _gold_queries(positives: DataFrame) -> DataFrame:
    return positives.select(F.col("query_id").alias("text_id")).distinct().withColumn("is_gold", F.lit(True))


def _names() -> list[str]:
    return [part.split(" ")[0] for part in _PARSED.split(", ")]


def _parsed(row: Mapping[Any, Any], cfg: SynthesiseConfig) -> tuple[str | None, ...]:
    text = parse_reply(row["reply"], row["kind"], row["finish_reason"])
    reason = gate_text(text, row["kind"], row["finish_reason"], (row["source"] or "", row["prompt"]), cfg)
    text_id = _query_id(text) if row["kind"] == QUERY else hash_id(NEGATIVE, normal_form(text))
    return (row["request_id"], row["kind"], text_id, text, row["doc_id"], row["query_id"], reason)


def _query_id(query: str) -> str:
    return hash_id(normal_form(query))
