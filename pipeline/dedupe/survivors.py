"""Who stays: one survivor a cluster, and every other document mapped to it."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from pipeline.contract import conform, kept
from pipeline.dedupe.components import connect_components
from pipeline.dedupe.config import DedupeConfig
from pipeline.dedupe.exact import best_first, match_exact
from pipeline.dedupe.lineage import Cut, cut_lineage
from pipeline.dedupe.near import link_near, node_of, sign_texts
from schemas.documents import DOCUMENTS, DUPLICATES, EXACT, EXACT_DUPLICATE, NEAR, NEAR_DUPLICATE


def find_duplicates(documents: DataFrame, cfg: DedupeConfig, cut: Cut = cut_lineage) -> DataFrame:
    """Map every duplicate to the one document of its cluster that is kept.

    In:    DOCUMENTS; rows with a drop_reason are not looked at.
    Out:   DUPLICATES; survivors are never in doc_id. ``exact``: another kept document has the same normal form.
    Ties:  the survivor is the best by ``prefer``, then the smallest doc_id.
    Cost:  runs jobs, because the components of an unknown graph take an unknown number of rounds; ``cut`` says where
           their results lie. Text is read once.
    """
    matched = match_exact(kept(documents), cfg)
    if not cfg.near:
        return conform(_exact_rows(matched.withColumn("survivor_id", F.col("keeper_id"))), DUPLICATES)
    matched = cut(matched)
    keepers = matched.where(F.col("doc_id") == F.col("keeper_id")).select("doc_id")
    texts = documents.select("doc_id", "text").join(keepers, "doc_id", how="left_semi")
    signatures = cut(sign_texts(texts.select(node_of("doc_id").alias("node"), "text"), cfg))
    pairs = cut(link_near(signatures, cfg, cut))
    clusters = _name_survivors(matched, connect_components(pairs, cut), pairs, cfg)
    mapped = matched.join(clusters, "keeper_id", how="left").withColumn(
        "survivor_id", F.coalesce("survivor_id", "keeper_id"))
    is_near = (F.col("doc_id") == F.col("keeper_id")) & (F.col("doc_id") != F.col("survivor_id"))
    near = mapped.where(is_near).withColumn("kind", F.lit(NEAR))
    return conform(_exact_rows(mapped).unionByName(near, allowMissingColumns=True), DUPLICATES)


def drop_duplicates(documents: DataFrame, duplicates: DataFrame) -> DataFrame:
    """Mark the documents that a survivor stands for.

    In:    DOCUMENTS, and the DUPLICATES found among them.
    Out:   DOCUMENTS, every row; drop_reason exact_duplicate or near_duplicate.
    """
    reason = F.when(F.col("kind") == EXACT, EXACT_DUPLICATE).when(F.col("kind") == NEAR, NEAR_DUPLICATE)
    marked = documents.join(duplicates.select("doc_id", "kind"), "doc_id", how="left")
    return conform(marked.withColumn("drop_reason", F.coalesce("drop_reason", reason)), DOCUMENTS)


def _exact_rows(mapped: DataFrame) -> DataFrame:
    """Return the DUPLICATES rows of copies; their nearest linked document is the keeper of their text."""
    copies = mapped.where(F.col("doc_id") != F.col("keeper_id"))
    return copies.withColumns({"kind": F.lit(EXACT), "jaccard": F.lit(1.0)})


def _name_survivors(matched: DataFrame, components: DataFrame, pairs: DataFrame, cfg: DedupeConfig) -> DataFrame:
    """Return (keeper_id, survivor_id, jaccard) of the documents in near-duplicate clusters."""
    ends = pairs.select(F.col("left").alias("node"), "jaccard").unionByName(
        pairs.select(F.col("right").alias("node"), "jaccard"))
    nearest = ends.groupBy("node").agg(F.max("jaccard").alias("jaccard"))
    keepers = matched.where(F.col("doc_id") == F.col("keeper_id")).withColumn("node", node_of("doc_id"))
    clustered = keepers.join(components, "node", how="inner").join(nearest, "node", how="inner")
    best = Window.partitionBy("root").orderBy(*best_first(cfg))
    return clustered.select("keeper_id", F.first("doc_id").over(best).alias("survivor_id"), "jaccard")
