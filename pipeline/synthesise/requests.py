"""Who is asked about: the solved examples of each domain, and the documents and pairs that are written for.

The shots are the corpus' own gold pairs, so that a query for a docstring looks like the queries of this corpus and
one for an abstract like those of that; a domain with too few borrows from the others, a corpus without any gets the
built-in ones. Pairs by the rule "links" are no shots: their query is about another document.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from pipeline.contract import conform, kept
from pipeline.ids import hash_column, unit_column
from pipeline.synthesise.config import SynthesiseConfig
from pipeline.synthesise.prompts import Shot, negative_prefix, negative_prompt, query_prefix, query_prompt
from schemas.pairs import NEGATIVE, QUERY, REQUESTS

# Pairs that people judged make better examples than pairs read off a structure.
_RULE_ORDER = ("qrels", "title")
_LINKS = "links"
# The very first hits of a gold query are where unknown positives are: a shot shows a later one when there is one.
_NEGATIVE_FROM = 3
SHOT_SEARCH_DEPTH = 10


def choose_shots(
    documents: DataFrame,
    domains: DataFrame,
    positives: DataFrame,
    cfg: SynthesiseConfig,
    seed: int,
) -> DataFrame:
    """Choose the gold pairs that each domain's prompts show.

    In:   DOCUMENTS, DOMAINS, POSITIVES.
    Out:  domain, place (1 = first), query_id, query, doc_id, text; the domain's own pairs first, then others.
    Ties: by hash of seed, query and document, then by both ids.
    """
    order = F.coalesce(
        *[F.when(F.col("rule") == rule, F.lit(i)) for i, rule in enumerate(_RULE_ORDER)], F.lit(len(_RULE_ORDER))
    )
    pool = showable_pairs(documents, positives, cfg).select(
        "query_id",
        "query",
        "doc_id",
        "text",
        F.col("domain").alias("home"),
        order.alias("order"),
        unit_column(seed, F.lit("shot"), F.col("query_id"), F.col("doc_id")).alias("unit"),
    )
    ranking = [F.col("order"), F.col("unit"), F.col("query_id"), F.col("doc_id")]
    pool = _first_of(_first_of(pool, ["query_id"], ranking), ["doc_id"], ranking)
    own = pool.withColumn("domain", F.col("home"))
    # Twice the number: of so many, enough are from elsewhere for a domain that has too few of its own.
    spare = pool.orderBy(*ranking).limit(2 * cfg.shots)
    borrowed = spare.crossJoin(domains.select("domain").distinct()).where(F.col("home") != F.col("domain"))
    is_borrowed = (F.col("home") != F.col("domain")).cast("int")
    by_domain = Window.partitionBy("domain").orderBy(is_borrowed, *ranking)
    return (
        own.unionByName(borrowed)
        .withColumn("place", F.row_number().over(by_domain))
        .where(F.col("place") <= cfg.shots)
        .select("domain", "place", "query_id", "query", "doc_id", "text")
    )


def showable_pairs(documents: DataFrame, positives: DataFrame, cfg: SynthesiseConfig) -> DataFrame:
    """Return the gold pairs that may be shots, with the texts of their documents."""
    texts = kept(documents).where(F.col("chars") >= cfg.min_document_chars).select("doc_id", "text")
    return kept(positives).where(F.col("rule") != _LINKS).join(texts, "doc_id", how="inner")


def add_shot_negatives(shots: DataFrame, hits: DataFrame, documents: DataFrame, positives: DataFrame) -> DataFrame:
    """Give each shot a real hard negative: a hit of its query that is no positive of it.

    In:   choose_shots' frame; hits (query_id, doc_id, rank); DOCUMENTS; POSITIVES.
    Out:  the shots, ``negative_id`` and ``negative``, its text; null when the search found nothing else.
    Ties: rank 3 and below before 2 and 1; among them by hash of the ids, which new documents hardly ever move,
          where the best rank would change with every shift of an idf, and every prompt with it.
    """
    known = positives.select("query_id", "doc_id").distinct()
    wrong = hits.join(known, ["query_id", "doc_id"], how="left_anti")
    is_early = (F.col("rank") < _NEGATIVE_FROM).cast("int")
    drawn = hash_column(F.col("query_id"), F.col("doc_id"))
    chosen = _first_of(wrong, ["query_id"], [is_early, drawn, F.col("doc_id")])
    texts = kept(documents).select("doc_id", F.col("doc_id").alias("negative_id"), F.col("text").alias("negative"))
    negatives = chosen.join(texts, "doc_id", how="inner").select("query_id", "negative_id", "negative")
    return shots.join(negatives, "query_id", how="left")


def plan_requests(
    documents: DataFrame,
    domains: DataFrame,
    positives: DataFrame,
    shots: DataFrame,
    cfg: SynthesiseConfig,
    seed: int,
) -> DataFrame:
    """Write the prompts: one per sampled document (a query) and one per sampled gold pair (a hard negative).

    In:   DOCUMENTS, DOMAINS, POSITIVES, the frame of add_shot_negatives or keep_shots.
    Out:  REQUESTS. Documents that are shots are not asked about: their answer is in the prompt.
    Ties: documents without a gold positive first, domains in turn, then by hash of seed and ids, then by ids.
    Cost: two sorts of the eligible ids; texts join the sampled rows only.
    """
    texts = kept(documents).where(F.col("chars") >= cfg.min_document_chars).select("doc_id", "text")
    asked = _sample_documents(texts, domains, positives, shots, cfg, seed)
    pairs = _sample_pairs(texts, positives, shots, cfg, seed)
    prefixes = _prefixes(domains, shots, cfg)
    targets = asked.unionByName(pairs).join(texts, "doc_id", how="inner").join(prefixes, "domain", how="inner")
    write = F.udf(lambda kind, prefix, query, text: _prompt(kind, prefix, query, text, cfg), T.StringType())
    prefix = F.when(F.col("kind") == QUERY, F.col("query_prefix")).otherwise(F.col("negative_prefix"))
    prompted = targets.withColumn("prompt", write("kind", prefix, "query", "text"))
    ids = [F.col(name) for name in ("kind", "doc_id", "query_id", "prompt")]
    return conform(prompted.withColumn("request_id", hash_column(*ids)), REQUESTS)


def _sample_documents(
    texts: DataFrame,
    domains: DataFrame,
    positives: DataFrame,
    shots: DataFrame,
    cfg: SynthesiseConfig,
    seed: int,
) -> DataFrame:
    """Return kind, doc_id, query_id (null), query (null), domain of the documents that get a query."""
    gold = kept(positives).select("doc_id").distinct().withColumn("has_gold", F.lit(1))
    eligible = (
        texts.select("doc_id")
        .join(domains.select("doc_id", "domain"), "doc_id", how="inner")
        .join(shots.select("doc_id").distinct(), "doc_id", how="left_anti")
        .join(gold, "doc_id", how="left")
        .withColumn("last", F.coalesce("has_gold", F.lit(0)))
        .withColumn("unit", unit_column(seed, F.lit(QUERY), F.col("doc_id")))
    )
    taken = _in_turn(eligible, ["doc_id"], cfg.queries)
    null = F.lit(None).cast("string")
    return taken.select(F.lit(QUERY).alias("kind"), "doc_id", null.alias("query_id"), null.alias("query"), "domain")


def _sample_pairs(
    texts: DataFrame,
    positives: DataFrame,
    shots: DataFrame,
    cfg: SynthesiseConfig,
    seed: int,
) -> DataFrame:
    """Return kind, doc_id, query_id, query, domain of the gold pairs that get a negative."""
    eligible = (
        kept(positives)
        .join(texts.select("doc_id"), "doc_id", how="left_semi")
        .join(shots.select("query_id").distinct(), "query_id", how="left_anti")
        .withColumn("last", (F.col("rule") == _LINKS).cast("int"))
        .withColumn("unit", unit_column(seed, F.lit(NEGATIVE), F.col("query_id"), F.col("doc_id")))
    )
    taken = _in_turn(eligible, ["query_id", "doc_id"], cfg.negatives)
    return taken.select(F.lit(NEGATIVE).alias("kind"), "doc_id", "query_id", "query", "domain")


def _in_turn(frame: DataFrame, ids: Sequence[str], count: int) -> DataFrame:
    """Take that many rows: the lowest ``last`` first, then the domains in turn, within one by ``unit`` and ids."""
    in_domain = Window.partitionBy("domain", "last").orderBy("unit", *ids)
    return frame.withColumn("turn", F.row_number().over(in_domain)).orderBy("last", "turn", "unit", *ids).limit(count)


def _first_of(frame: DataFrame, keys: Sequence[str], ranking: Sequence[Column]) -> DataFrame:
    """Keep the first row of each group."""
    place = F.row_number().over(Window.partitionBy(*keys).orderBy(*ranking))
    return frame.withColumn("_place", place).where(F.col("_place") == 1).drop("_place")


def _prefixes(domains: DataFrame, shots: DataFrame, cfg: SynthesiseConfig) -> DataFrame:
    """Return domain, query_prefix, negative_prefix: the shared beginning of a domain's prompts, built once."""
    shown = shots.groupBy("domain").agg(
        F.array_sort(F.collect_list(F.struct("place", "text", "query", "negative"))).alias("shown")
    )
    both = T.StructType([T.StructField("query", T.StringType()), T.StructField("negative", T.StringType())])
    build = F.udf(lambda found: _prefix_pair(found or [], cfg), both)
    every = domains.select("domain").distinct().join(shown, "domain", how="left").withColumn("both", build("shown"))
    return every.select(
        "domain", F.col("both.query").alias("query_prefix"), F.col("both.negative").alias("negative_prefix")
    )


def _prefix_pair(shown: Sequence[Any], cfg: SynthesiseConfig) -> tuple[str, str]:
    shots = [Shot(row.text, row.query, row.negative) for row in shown]
    solved = [shot for shot in shots if shot.negative][: cfg.negative_shots]
    return query_prefix(shots, cfg.shot_tokens), negative_prefix(solved, cfg.negative_shot_tokens)


def _prompt(kind: str, prefix: str, query: str | None, text: str, cfg: SynthesiseConfig) -> str:
    if kind == QUERY:
        return query_prompt(prefix, text, cfg.document_tokens)
    return negative_prompt(prefix, query or "", text, cfg.document_tokens)
