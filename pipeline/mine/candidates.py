"""Candidates for hard negatives: the union of what every retriever finds for every query.

A union of miners gives better negatives than any one of them (NV-Retriever), and keeping each retriever's rank and
score apart lets a later stage fuse them. Nothing is judged here: known positives are among the candidates too.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from pipeline.contract import conform
from pipeline.ids import unit_column
from pipeline.mine.config import MineConfig
from pipeline.search.hits import SCORE_DECIMALS
from pipeline.vectors import inner_product
from schemas.mining import CANDIDATES, SYNTHETIC
from schemas.pairs import NEGATIVE, OWN_DOCUMENT


def choose_queries(positives: DataFrame, cfg: MineConfig, seed: int) -> DataFrame:
    """Return the queries that are mined for, each once.

    In:   POSITIVES, kept rows.
    Out:  (query_id, query); of texts that share an id (they differ in case or spacing) the first in order stands.
    Ties: the draw is by hash of seed and query_id, then by query_id.
    """
    queries = positives.groupBy("query_id").agg(F.min("query").alias("query"))
    if cfg.max_queries is None:
        return queries
    drawn = queries.orderBy(unit_column(seed, F.lit("mine"), F.col("query_id")), "query_id")
    return drawn.limit(cfg.max_queries)


def choose_negatives(synthetics: DataFrame, queries: DataFrame) -> DataFrame:
    """Return the synthetic negatives of the mined queries.

    In:   SYNTHETICS, kept rows; the queries that are mined for.
    Out:  (query_id, text_id, text), each pair once.
    """
    negatives = synthetics.where(F.col("kind") == NEGATIVE)
    of_mined = negatives.join(queries.select("query_id"), "query_id", how="left_semi")
    return of_mined.groupBy("query_id", "text_id").agg(F.min("text").alias("text"))


def score_negatives(negatives: DataFrame, vectors: DataFrame) -> DataFrame:
    """Score each synthetic negative against its query by cosine.

    In:   (query_id, text_id); TEXT_EMBEDDINGS of both.
    Out:  (query_id, doc_id, rank, score); doc_id is the text_id.
    Ties: broken by doc_id.
    """
    queries = vectors.select(F.col("text_id").alias("query_id"), F.col("vector").alias("query_vector"))
    pairs = negatives.join(vectors, "text_id", how="inner").join(queries, "query_id", how="inner")
    scored = pairs.select(
        "query_id",
        F.col("text_id").alias("doc_id"),
        F.round(inner_product(F.col("query_vector"), F.col("vector")), SCORE_DECIMALS).alias("score"),
    )
    best_first = Window.partitionBy("query_id").orderBy(F.desc("score"), "doc_id")
    return scored.withColumn("rank", F.row_number().over(best_first))


def mine_candidates(hits: Sequence[tuple[str, DataFrame]], cfg: MineConfig) -> DataFrame:
    """Put the hits of all retrievers under one another.

    In:   (retriever, its (query_id, doc_id, rank, score)).
    Out:  CANDIDATES, one row per query, document and retriever; ranks stay the retriever's own.
    """
    parts = [_part_of(retriever, frame, cfg) for retriever, frame in hits]
    union = parts[0]
    for part in parts[1:]:
        union = union.unionByName(part)
    return conform(union, CANDIDATES)


def leave_out_own(candidates: DataFrame, positives: DataFrame) -> DataFrame:
    """Leave out the documents that are the query itself. In: CANDIDATES; POSITIVES, whole. Out: CANDIDATES."""
    own = positives.where(F.col("drop_reason") == OWN_DOCUMENT).select("query_id", "doc_id")
    return conform(candidates.join(own, ["query_id", "doc_id"], how="left_anti"), CANDIDATES)


def _part_of(retriever: str, hits: DataFrame, cfg: MineConfig) -> DataFrame:
    rows = hits.select("query_id", "doc_id", F.lit(retriever).alias("retriever"), "rank", "score")
    return rows if retriever == SYNTHETIC else rows.where(F.col("rank") > cfg.skip_ranks)
