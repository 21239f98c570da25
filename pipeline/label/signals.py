"""All signals of a (query, document) pair in one row: ranks, scores and cosines.

Cosines are float64 dot products of the stored float32 embeddings, one row at a time (no matrix product, whose rounding
depends on the shape of the block), so that a pair has the same cosine whatever is computed beside it.
Known weakness: a query's candidates are held in memory together; 10,000 of them with 384 dimensions are 15 MB.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipeline.contract import conform, kept, spark_schema
from schemas.errors import ContractError
from schemas.mining import ANN, BM25, SCORES, SYNTHETIC
from schemas.pairs import SYNTHETIC_RULE

DECIMALS = 6
Matrix = npt.NDArray[np.float64]


def measure_pairs(
    candidates: DataFrame, positives: DataFrame, embeddings: DataFrame, text_embeddings: DataFrame,
) -> DataFrame:
    """Describe every candidate and every known positive by all signals but the teacher's.

    In:   CANDIDATES; POSITIVES, whole (a pair dropped from training still answers its query); EMBEDDINGS of documents;
          TEXT_EMBEDDINGS of queries and of written negatives.
    Out:  SCORES, one row per (query, document) over all retrievers, and one per kept positive that no retriever found;
          teacher is null.
    Drops: a positive that no retriever found when its query was not mined or its document is not embedded.
    Cost: a shuffle of one vector a pair, by query.
    Raises: ContractError for a candidate without an embedding.
    """
    written = candidates.where(F.col("retriever") == SYNTHETIC).select("doc_id").distinct()
    texts = text_embeddings.select(F.col("text_id").alias("doc_id"), "vector")
    vectors = embeddings.select("doc_id", "vector").unionByName(texts.join(written, "doc_id", how="left_semi"))
    queries = text_embeddings.select(F.col("text_id").alias("query_id"), "vector")
    pairs = _pivot(candidates, positives).join(queries.select("query_id"), "query_id", how="left_semi")
    with_vectors = pairs.join(vectors, "doc_id", how="left").where(F.col("is_candidate") | F.col("vector").isNotNull())
    mined = queries.join(pairs.select("query_id").distinct(), "query_id", how="left_semi")
    schema = spark_schema(SCORES)
    measured = with_vectors.groupBy("query_id").cogroup(mined.groupBy("query_id")).applyInArrow(_measure_query, schema)
    return conform(measured, SCORES)


def _pivot(candidates: DataFrame, positives: DataFrame) -> DataFrame:
    """Return one row per pair: its ranks and scores, whether it is a known positive, whether a retriever found it."""

    def of(retriever: str, what: str) -> Column:
        return F.min(F.when(F.col("retriever") == retriever, F.col(what)))

    found = candidates.groupBy("query_id", "doc_id").agg(
        of(BM25, "rank").alias("bm25_rank"), of(BM25, "score").alias("bm25_score"), of(ANN, "rank").alias("ann_rank"),
        F.lit(True).alias("is_candidate"),
    )
    known = positives.select("query_id", "doc_id", F.lit(True).alias("is_positive"),
                             F.col("drop_reason").isNull().alias("is_kept"))
    pairs = found.join(known, ["query_id", "doc_id"], how="full")
    is_wanted = F.col("is_candidate").isNotNull() | F.col("is_kept")
    return pairs.where(is_wanted).fillna(False, ["is_positive", "is_candidate"]).drop("is_kept")


def _measure_query(pairs: pa.Table, query: pa.Table) -> pa.Table:
    """Add the cosines to one query's pairs."""
    if pairs.num_rows == 0 or query.num_rows == 0:
        return _table(pairs.slice(0, 0), np.zeros(0), [])
    if pairs["vector"].null_count:
        blank = pairs.filter(pc.is_null(pairs["vector"]))["doc_id"][0].as_py()
        raise ContractError(f"candidates must have embeddings, got none for {blank} of query "
                            f"{query['query_id'][0].as_py()}; try building the stages index and mine again")
    documents, asked = _matrix(pairs["vector"]), _matrix(query["vector"])[0]
    dense = _round((documents * asked).sum(axis=1))
    positives = np.flatnonzero(pairs["is_positive"].to_numpy(zero_copy_only=False))
    return _table(pairs, dense, nearest_other(documents, positives))


def nearest_other(documents: Matrix, positives: npt.NDArray[np.intp]) -> list[float | None]:
    """Return each row's highest cosine to a positive row other than itself, rounded; None where there is no other."""
    best = np.full(len(documents), -np.inf)
    for row in positives:
        cosines = (documents * documents[row]).sum(axis=1)
        cosines[row] = -np.inf
        best = np.maximum(best, cosines)
    return [float(value) if np.isfinite(value) else None for value in _round(best)]


def _matrix(column: pa.ChunkedArray) -> Matrix:
    """Return a column of equally long vectors as (N, H)."""
    array = column.combine_chunks()
    flat = array.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
    return np.ascontiguousarray(flat.reshape(len(array), -1))


def _round(values: Matrix) -> Matrix:
    """Round to the stated decimals; adding 0 turns -0.0 into 0.0, which would be other bytes."""
    return np.round(values, DECIMALS) + 0.0


def _table(pairs: pa.Table, dense: Matrix, nearest: list[float | None]) -> pa.Table:
    rows = pairs.num_rows
    columns: dict[str, pa.Array | pa.ChunkedArray] = {
        "query_id": pairs["query_id"], "doc_id": pairs["doc_id"], "is_positive": pairs["is_positive"],
        "bm25_rank": pairs["bm25_rank"], "bm25_score": pairs["bm25_score"], "ann_rank": pairs["ann_rank"],
        "dense": pa.array(dense, pa.float64()), "positive_sim": pa.array(nearest, pa.float64()),
        "teacher": pa.nulls(rows, pa.float64()), "teacher_model": pa.nulls(rows, pa.string()),
    }
    return pa.table(columns)


def gold_of(positives: DataFrame) -> DataFrame:
    """Return the kept positives that were not written by a model."""
    return kept(positives).where(F.col("rule") != SYNTHETIC_RULE)
