"""Replies become texts, each gated by what it is; and the queries that passed every gate become positives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline.contract import conform, kept
from pipeline.ids import hash_id, hash_text
from pipeline.prompting import parse_reply
from pipeline.synthesise.config import SynthesiseConfig
from pipeline.synthesise.gates import gate_text
from pipeline.text import exact_form
from schemas.pairs import (
    NEGATIVE,
    POSITIVES,
    QUERY,
    SYNTHETIC_RULE,
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


def _names() -> list[str]:
    return [part.split(" ")[0] for part in _PARSED.split(", ")]


def _parsed(row: Mapping[Any, Any], cfg: SynthesiseConfig) -> tuple[str | None, ...]:
    text = parse_reply(row["reply"], row["kind"], row["finish_reason"])
    reason = gate_text(text, row["kind"], row["finish_reason"], (row["source"] or "", row["prompt"]), cfg)
    text_id = hash_text(text) if row["kind"] == QUERY else hash_id(NEGATIVE, exact_form(text))
    return (row["request_id"], row["kind"], text_id, text, row["doc_id"], row["query_id"], reason)
