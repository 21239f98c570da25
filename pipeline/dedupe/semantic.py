"""Texts that say the same in other words: of each cluster of close embeddings one document is kept.

Source: Abbas et al. 2023, "SemDeDup: Data-efficient learning at web-scale through semantic deduplication". There pairs
are looked for within k-means clusters; here each text's nearest neighbours are asked for, whichever cluster they are
in, from the index that mines negatives.
Known weakness: a cosine is no proof, as a Jaccard similarity of shingles is: two docstrings of sister functions come
close as well. So this is off unless asked for, and its threshold belongs to one encoder.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline.contract import conform
from pipeline.dedupe.config import DedupeConfig
from pipeline.dedupe.exact import preference
from pipeline.dedupe.survivors import name_survivors
from pipeline.plans import Cut, cut_lineage
from pipeline.ports import VectorOpener
from pipeline.search.dense import retrieve_nearest
from pipeline.similarity.near import node_of
from schemas.documents import DUPLICATES, SEMANTIC


def find_alike(
    documents: DataFrame,
    judged: DataFrame,
    vectors: DataFrame,
    opener: VectorOpener,
    cfg: DedupeConfig,
    cut: Cut = cut_lineage,
) -> DataFrame:
    """Map every document to the one that is kept of those that say the same.

    In:    kept DOCUMENTS without exact and near-duplicates; (doc_id, judged) of them (``mark_judged``); EMBEDDINGS of
           them, which ``opener`` searches.
    Out:   DUPLICATES of kind semantic; ``cosine`` is that to the nearest linked document. Documents that answer
           different judged queries stay apart.
    Ties:  the survivor is a judged document where the cluster has one, the best by ``prefer``, the smallest doc_id.
    Cost:  one search a document, then the components of the pairs found.
    """
    assert cfg.semantic is not None, "the caller asks whether it is on"
    asked = vectors.withColumnRenamed("doc_id", "query_id")
    hits = retrieve_nearest(asked, opener, cfg.neighbours + 1)  # each finds itself
    close = hits.where((F.col("score") >= cfg.semantic) & (F.col("query_id") != F.col("doc_id")))
    pairs = cut(
        close.select(
            node_of("query_id").alias("left"), node_of("doc_id").alias("right"), F.col("score").alias("similarity")
        )
    )
    each = documents.join(judged, "doc_id", how="inner").select(
        "doc_id",
        "judged",
        F.col("doc_id").alias("keeper_id"),
        preference(cfg).alias("preference"),
        node_of("doc_id").alias("node"),
    )
    found = name_survivors(each, pairs, cut).where(F.col("keeper_id") != F.col("survivor_id"))
    return conform(
        found.select(
            F.col("keeper_id").alias("doc_id"),
            "survivor_id",
            F.lit(SEMANTIC).alias("kind"),
            F.lit(None).alias("jaccard"),
            F.least(F.lit(1.0), "similarity").alias("cosine"),
        ),
        DUPLICATES,
    )


def with_alike(duplicates: DataFrame, alike: DataFrame) -> DataFrame:
    """Return one mapping of both: what stood for its duplicates and went itself is stood for by its survivor.

    In and out: DUPLICATES; survivors are never in doc_id.
    """
    gone = alike.select(F.col("doc_id").alias("survivor_id"), F.col("survivor_id").alias("_heir"))
    moved = duplicates.join(gone, "survivor_id", how="left")
    return conform(moved.withColumn("survivor_id", F.coalesce("_heir", "survivor_id")), DUPLICATES).unionByName(alike)
