"""The evaluation set that is cut from the sources themselves.

The cut is by *family* (pipeline.ingest), so that a function is never trained on under one class and asked for under
another. Families that share a cluster of duplicates move together, for what dedupe dropped in one may live on in the
other; a group that grows large this way (every ``fit``, every ``forward``) is boilerplate and stays in training. What
overlap is left between documents, ``guard`` cuts out of training afterwards.

Queries are titles that mean one document: of some words, in no text word for word, and no other kept document's title,
however that is spelt.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from pipeline.contract import conform
from pipeline.holdout.config import HoldoutConfig
from pipeline.ids import unit_column
from pipeline.plans import Cut, cut_lineage
from pipeline.queries import measure_queries, spelling_of
from pipeline.similarity.components import connect_components
from schemas.documents import DOCUMENTS, EVAL_CORPUS, EVAL_QRELS, EVAL_QUERIES, HELD_OUT


def hold_out(
    documents: DataFrame,
    duplicates: DataFrame,
    cfg: HoldoutConfig,
    seed: int,
    cut: Cut = cut_lineage,
) -> DataFrame:
    """Mark the documents of the families that are held out.

    In:    DOCUMENTS, DUPLICATES.
    Out:   DOCUMENTS, every row; drop_reason held_out.
    Ties:  none: a group of families is drawn by the hash of seed and its name.
    Cost:  the groups take one job, see connect_components.
    """
    if not cfg.fraction:
        return conform(documents, DOCUMENTS)
    groups = group_families(documents, duplicates, cut)
    grouped = documents.join(groups, "family", how="left").withColumn("_group", F.coalesce("group", "family"))
    is_kept = F.col("drop_reason").isNull()
    size = F.sum(is_kept.cast("int")).over(Window.partitionBy("_group"))
    is_drawn = (unit_column(seed, F.lit("holdout"), F.col("_group")) < cfg.fraction) & (size <= cfg.max_group)
    reason = F.when(is_kept & is_drawn, HELD_OUT).otherwise(F.col("drop_reason"))
    return conform(grouped.withColumn("drop_reason", reason), DOCUMENTS)


def group_families(documents: DataFrame, duplicates: DataFrame, cut: Cut = cut_lineage) -> DataFrame:
    """Name the group of each family that shares a cluster of duplicates with another: its smallest family.

    In:   DOCUMENTS, DUPLICATES.
    Out:  ``family``, ``group``.
    """
    family_of = documents.select("doc_id", "family")
    dropped = duplicates.join(family_of.withColumnRenamed("family", "from"), "doc_id", how="inner")
    edges = dropped.join(
        family_of.select(F.col("doc_id").alias("survivor_id"), F.col("family").alias("to")), "survivor_id", how="inner"
    )
    edges = cut(edges.where(F.col("from") != F.col("to")).select("from", "to").distinct())
    nodes = edges.select(F.xxhash64("from").alias("left"), F.xxhash64("to").alias("right"))
    names = edges.select(F.explode(F.array("from", "to")).alias("family")).distinct()
    named = names.withColumn("node", F.xxhash64("family")).join(connect_components(nodes, cut), "node", how="inner")
    return named.select("family", F.min("family").over(Window.partitionBy("root")).alias("group"))


def held_out_corpus(documents: DataFrame, cfg: HoldoutConfig) -> DataFrame:
    """Return the held-out documents as a corpus to search.

    In:   DOCUMENTS after hold_out.
    Out:  EVAL_CORPUS.
    """
    held = documents.where(F.col("drop_reason") == HELD_OUT)
    named = held.withColumns({"eval_name": F.lit(cfg.name), "protect": F.lit(cfg.protect_documents)})
    return conform(named, EVAL_CORPUS)


def held_out_queries(documents: DataFrame, cfg: HoldoutConfig, seed: int) -> DataFrame:
    """Return the titles of held-out documents that are fit to be queries, with the document each one means.

    In:   DOCUMENTS after hold_out.
    Out:  eval_name, query_id, query, domain, doc_id, relevance: EVAL_QUERIES and EVAL_QRELS in one.
    Drops: titles that are short, long, in the text word for word, or shared by two documents; those over max_queries.
    Ties: the draw is by hash of seed and query_id.
    """
    is_held = F.col("drop_reason").eqNullSafe(HELD_OUT)
    live = documents.where((F.col("drop_reason").isNull() | is_held) & (F.col("title") != ""))
    titles = live.select("doc_id", spelling_of("title").alias("spelling"), is_held.alias("is_held"))
    holders = titles.withColumn("holders", F.count("*").over(Window.partitionBy("spelling")))
    single = holders.where(F.col("is_held") & (F.col("holders") == 1)).select("doc_id")
    asked = live.select("doc_id", F.col("title").alias("query"), "text", "domain")
    measured = measure_queries(asked.join(single, "doc_id", how="left_semi"))
    fit = ~F.col("in_text") & F.col("words").between(cfg.min_words, cfg.max_words)
    drawn = Window.partitionBy(F.lit(0)).orderBy(unit_column(seed, F.col("query_id")), "query_id")
    chosen = measured.where(fit).withColumn("place", F.row_number().over(drawn))
    return chosen.where(F.col("place") <= cfg.max_queries).select(
        F.lit(cfg.name).alias("eval_name"), "query_id", "query", "domain", "doc_id", F.lit(1).alias("relevance")
    )


def split_queries(judged: DataFrame) -> tuple[DataFrame, DataFrame]:
    """Return EVAL_QUERIES and EVAL_QRELS of queries with their relevant documents."""
    told = [F.min("query").alias("query"), F.min("domain").alias("domain")]
    queries = judged.groupBy("eval_name", "query_id").agg(*told)
    return conform(queries, EVAL_QUERIES), conform(judged, EVAL_QRELS)
