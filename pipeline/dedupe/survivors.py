"""Who stays: one survivor a cluster, and every other document mapped to it."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from pipeline.contract import conform, kept
from pipeline.dedupe.config import DedupeConfig
from pipeline.dedupe.exact import match_exact, preference
from pipeline.dedupe.judged import judged_first, mark_judged, part_by_queries
from pipeline.plans import Cut, cut_lineage, send_few
from pipeline.similarity.components import connect_components
from pipeline.similarity.near import link_near, node_of, sign_texts
from pipeline.similarity.one_task import FOUND, ONE_PASS, ONE_TASK, find_in_one_task, sign_and_find
from schemas.documents import (
    DOCUMENTS,
    DUPLICATES,
    EXACT,
    EXACT_DUPLICATE,
    NEAR,
    NEAR_DUPLICATE,
    SEMANTIC,
    SEMANTIC_DUPLICATE,
)

_REASONS = {EXACT: EXACT_DUPLICATE, NEAR: NEAR_DUPLICATE, SEMANTIC: SEMANTIC_DUPLICATE}


def find_duplicates(
    documents: DataFrame,
    judgements: DataFrame,
    cfg: DedupeConfig,
    cut: Cut = cut_lineage,
    one_task: int = ONE_TASK,
    one_pass: int = ONE_PASS,
) -> DataFrame:
    """Map every duplicate to the one document of its cluster that is kept.

    In:    DOCUMENTS; rows with a drop_reason are not looked at. JUDGEMENTS.
    Out:   DUPLICATES; survivors are never in doc_id. ``exact``: another kept document has the same text. Documents that
           answer different judged queries are no near-duplicates (``judged``).
    Ties:  the survivor is a judged document where the cluster has one, the best by ``prefer``, the smallest doc_id.
    Cost:  runs jobs, because the components of an unknown graph take an unknown number of rounds; ``cut`` says where
           their results lie. Text is read once. Up to ``one_pass`` characters one task does it all, up to ``one_task``
           shingles what follows the signing.
    """
    asked = kept(documents).withColumns({"preference": preference(cfg), "node": node_of("doc_id")})
    if not cfg.near:
        matched = match_exact(asked)
        return _name_kinds(matched.withColumns({"survivor_id": F.col("keeper_id"), "jaccard": F.lit(1.0)}))
    signing, threshold = cfg.signing, cfg.threshold
    read = ("doc_id", "preference", "text_hash", "judged", "node", "text")
    texts = mark_judged(asked, judgements).select(*read)
    if (asked.agg(F.sum("chars")).collect()[0][0] or 0) <= one_pass:
        return _conform(texts.coalesce(1).mapInArrow(lambda rows: sign_and_find(rows, signing, threshold), FOUND))
    signed = cut(sign_texts(texts, signing))
    if (signed.agg(F.sum("size")).collect()[0][0] or 0) <= one_task:
        return _conform(signed.coalesce(1).mapInArrow(lambda rows: find_in_one_task(rows, threshold), FOUND))
    matched = cut(match_exact(signed, "judged").withColumn("node", node_of("doc_id")))
    copies = matched.where(F.col("doc_id") != F.col("keeper_id")).select("node")
    firsts = signed.join(send_few(copies, copies.count()), "node", how="left_anti")
    pairs = link_near(firsts, threshold, cut).withColumnRenamed("jaccard", "similarity")
    clusters = name_survivors(matched, pairs, cut).withColumnRenamed("similarity", "jaccard")
    mapped = matched.join(clusters, "keeper_id", how="left")
    return _name_kinds(mapped.withColumn("survivor_id", F.coalesce("survivor_id", "keeper_id")))


def drop_duplicates(documents: DataFrame, duplicates: DataFrame) -> DataFrame:
    """Mark the documents that a survivor stands for.

    In:    DOCUMENTS, and the DUPLICATES found among them.
    Out:   DOCUMENTS, every row; drop_reason exact_duplicate, near_duplicate or semantic_duplicate.
    """
    reason = F.coalesce(*[F.when(F.col("kind") == kind, why) for kind, why in _REASONS.items()])
    marked = documents.join(duplicates.select("doc_id", "kind"), "doc_id", how="left")
    return conform(marked.withColumn("drop_reason", F.coalesce("drop_reason", reason)), DOCUMENTS)


def _name_kinds(mapped: DataFrame) -> DataFrame:
    """Return the DUPLICATES rows: a copy's nearest linked document is the keeper of its text."""
    is_copy = F.col("doc_id") != F.col("keeper_id")
    kind = F.when(is_copy, EXACT).when(F.col("doc_id") != F.col("survivor_id"), NEAR)
    jaccard = F.when(is_copy, 1.0).otherwise(F.col("jaccard"))
    return _conform(mapped.withColumns({"kind": kind, "jaccard": jaccard}).where(F.col("kind").isNotNull()))


def _conform(found: DataFrame) -> DataFrame:
    return conform(found.withColumn("cosine", F.lit(None)), DUPLICATES)


def name_survivors(matched: DataFrame, pairs: DataFrame, cut: Cut) -> DataFrame:
    """Name the survivor of every cluster of linked documents.

    In:   doc_id, keeper_id, preference, judged, node; the pairs as nodes left and right with their ``similarity``.
    Out:  keeper_id, survivor_id and the largest similarity to a linked document; only of documents that have one.
    """
    nodes = 2 * pairs.count()
    ends = pairs.select(F.col("left").alias("node"), "similarity").unionByName(
        pairs.select(F.col("right").alias("node"), "similarity")
    )
    nearest = ends.groupBy("node").agg(F.max("similarity").alias("similarity"))
    named = connect_components(pairs, cut).join(nearest, "node", how="inner")
    keepers = matched.where(F.col("doc_id") == F.col("keeper_id"))
    clustered = part_by_queries(keepers.join(send_few(named, nodes), "node", how="inner"))
    best = Window.partitionBy("root", "part").orderBy(judged_first(), "preference", "doc_id")
    survivors = clustered.select("keeper_id", F.first("doc_id").over(best).alias("survivor_id"), "similarity")
    return send_few(survivors, nodes)
