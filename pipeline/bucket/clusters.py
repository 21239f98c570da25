"""Domains from embeddings: k-means finds clusters and clusters of clusters, and their top terms name them.

Centres and names come from documents drawn by hash and read in the order of their ids, so they are the same at any
partitioning; every document then joins its nearest centre.
Known weakness: k-means finds clusters of like spread, whatever the subject; a name is a hint, no definition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline.bucket.config import SEPARATOR, BucketConfig, ClusterConfig
from pipeline.bucket.terms import count_terms, name_groups, weigh_terms
from pipeline.contract import conform, kept
from pipeline.ids import unit_column
from pipeline.ports import CentreFinder, FloatMatrix
from pipeline.vectors import matrix_of
from schemas.documents import GUESSES

MOST_CLUSTERS = 256
_SIZES_A_CLUSTER = 5
_CHARS = 4000
_DECIMALS = 6


def count_clusters(documents: int, cfg: BucketConfig) -> int:
    """Return how many clusters so many documents are parted into."""
    wanted = cfg.cluster.clusters or min(MOST_CLUSTERS, documents // (_SIZES_A_CLUSTER * cfg.min_size))
    return max(1, min(wanted, documents))


def count_groups(clusters: int, cfg: BucketConfig) -> int:
    """Return how many groups so many clusters are parted into; 1 = they are not."""
    if cfg.depth == 1 or clusters < 4:
        return 1
    return min(cfg.cluster.groups or round(clusters**0.5), clusters)


def draw_vectors(documents: DataFrame, vectors: DataFrame, cfg: ClusterConfig) -> DataFrame:
    """Choose the documents from which centres and names are made.

    In:   DOCUMENTS; (doc_id, vector) of the kept ones.
    Out:  doc_id, vector, text (its beginning, after the title); in the order of doc_id, at most ``lessons`` rows.
    """
    drawn = unit_column(cfg.seed, F.lit("cluster"), F.col("doc_id"))
    text = F.substring(F.concat_ws("\n", "title", "text"), 1, _CHARS).alias("text")
    chosen = kept(documents).select("doc_id", text).orderBy(drawn, "doc_id").limit(cfg.lessons)
    return chosen.join(vectors, "doc_id", how="inner").select("doc_id", "vector", "text").orderBy("doc_id")


def name_clusters(
    lessons: pa.Table,
    clusters: int,
    cfg: BucketConfig,
    find: CentreFinder,
) -> tuple[FloatMatrix, list[str]]:
    """Return centres (K, H) and the path of each: its name, below that of its group where there are groups.

    In:   draw_vectors' rows, in their order.
    """
    vectors = matrix_of(lessons["vector"].combine_chunks())
    clusters = min(clusters, len(vectors))
    centres = find(vectors, clusters)
    owners, _ = nearest(vectors, centres)
    counts = _count_terms(lessons["text"].to_pylist(), owners, clusters)
    sizes = np.bincount(owners, minlength=clusters).tolist()
    names = name_groups(weigh_terms(counts, sizes), cfg.cluster.words)
    groups = count_groups(clusters, cfg)
    if groups == 1:
        return centres, names
    group_of, _ = nearest(centres, find(centres, groups))
    merged, held = [Counter[str]() for _ in range(groups)], [0] * groups
    for cluster, group in enumerate(group_of.tolist()):
        merged[group].update(counts[cluster])
        held[group] += sizes[cluster]
    above = name_groups(weigh_terms(merged, held), cfg.cluster.words)
    return centres, [f"{above[group]}{SEPARATOR}{name}" for group, name in zip(group_of.tolist(), names, strict=True)]


def _count_terms(texts: Sequence[str], owners: npt.NDArray[np.int64], clusters: int) -> list[Counter[str]]:
    rows = np.argsort(owners, kind="stable")
    bounds = np.searchsorted(owners[rows], np.arange(clusters + 1)).tolist()
    return [count_terms(texts[row] for row in rows[a:b].tolist()) for a, b in pairwise(bounds)]


def nearest(vectors: FloatMatrix, centres: FloatMatrix) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return the nearest centre of each vector and its cosine, (D,) each; cosines are rounded to 6 decimals first.

    Ties: the first centre.
    """
    cosines = np.round(vectors.astype(np.float64) @ centres.astype(np.float64).T, _DECIMALS)
    best = cosines.argmax(axis=1)
    return best, cosines[np.arange(len(best)), best]


def join_clusters(vectors: DataFrame, centres: FloatMatrix, paths: Sequence[str]) -> DataFrame:
    """Return the cluster of every document.

    In:   (doc_id, vector) of the kept documents; name_clusters' result.
    Out:  GUESSES: the path of the nearest centre and the cosine to it.
    """
    names = list(paths)

    def join(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        known = pa.array(names, pa.string())
        for batch in batches:
            if batch.num_rows:
                best, cosine = nearest(matrix_of(batch.column("vector")), centres)
                yield pa.RecordBatch.from_arrays(
                    [batch.column("doc_id"), known.take(pa.array(best)), pa.array(cosine)],
                    names=["doc_id", "guess", "confidence"],
                )

    found = vectors.select("doc_id", "vector").mapInArrow(join, "doc_id string, guess string, confidence double")
    return conform(found, GUESSES)
