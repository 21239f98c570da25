"""All signals of a (query, document) pair in one row: ranks, scores and cosines.

Cosines are float64 dot products of the stored float32 embeddings, one row at a time (no matrix product, whose rounding
depends on the shape of the block), so that a pair has the same cosine whatever is computed beside it. Pairs travel as
ids; the worker that measures them reads their vectors from a file that the workers of its machine share.
Known weakness: a query's candidates are held in memory together; 10,000 of them with 384 dimensions are 30 MB.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline.contract import conform, kept, spark_schema
from pipeline.plans import spread
from pipeline.ports import StoreOpener, VectorStore
from schemas.errors import ContractError
from schemas.mining import SCORES
from schemas.pairs import OWN_DOCUMENT, SYNTHETIC_RULE

DECIMALS = 6
Matrix = npt.NDArray[np.float64]


def measure_pairs(candidates: DataFrame, positives: DataFrame, vectors: StoreOpener) -> DataFrame:
    """Describe every candidate and every known positive by all signals but the teacher's.

    In:   CANDIDATES; POSITIVES, whole (a pair dropped from training still answers its query); the vectors of EMBEDDINGS
          and of TEXT_EMBEDDINGS by id: documents, queries, written negatives.
    Out:  SCORES, one row per (query, document) over all retrievers, and one per kept positive that no retriever found;
          teacher is null.
    Drops: a positive that no retriever found when its query was not mined or its document is not embedded.
    Cost: a shuffle of the ids and ranks of a pair, by query; no vector leaves its file but for the arithmetic.
    Raises: ContractError for a candidate without an embedding.
    """
    schema = spark_schema(SCORES)

    def measure(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with vectors() as store:
            for rows in _whole_queries(batches):
                yield _measure_queries(rows, store)

    return conform(_pivot(candidates, positives).mapInArrow(measure, schema), SCORES)


def _pivot(candidates: DataFrame, positives: DataFrame) -> DataFrame:
    """Return one row per pair: its hits, whether it is a known positive, whether a retriever found it.

    A query's pairs stand together, by doc_id. Found and known pairs are put under each other, not joined: one shuffle,
    by query, serves the pairs and the queries.
    """
    answers = positives.where(~F.col("drop_reason").eqNullSafe(OWN_DOCUMENT))  # the query itself is no measure
    known = answers.select(
        "query_id", "doc_id", F.lit(True).alias("is_known"), F.col("drop_reason").isNull().alias("is_kept")
    )
    found = candidates.select("query_id", "doc_id", "retriever", "rank", "score")
    hit = F.struct("retriever", "rank", "score")
    rows = spread(found.unionByName(known, allowMissingColumns=True), "query_id")
    pairs = rows.groupBy("query_id", "doc_id").agg(
        F.sort_array(F.collect_list(F.when(F.col("retriever").isNotNull(), hit))).alias("hits"),
        (F.count("retriever") > 0).alias("is_candidate"),
        (F.count("is_known") > 0).alias("is_positive"),
        F.max("is_kept").alias("is_kept"),
    )
    wanted = pairs.where(F.col("is_candidate") | F.col("is_kept")).drop("is_kept")
    return wanted.sortWithinPartitions("query_id", "doc_id")


def _whole_queries(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the same rows in batches that end where a query ends."""
    pending: list[pa.RecordBatch] = []  # rows of one query, which may go on
    for batch in filter(len, batches):
        queries = batch.column("query_id")
        last = pc.index(queries, queries[-1]).as_py()
        if last:
            yield pa.concat_batches([*pending, batch.slice(0, last)])
            pending = []
        elif pending and pending[0].column("query_id")[0] != queries[0]:
            yield pa.concat_batches(pending)
            pending = []
        pending.append(batch.slice(last))
    if pending:
        yield pa.concat_batches(pending)


def _measure_queries(rows: pa.RecordBatch, store: VectorStore) -> pa.RecordBatch:
    """Add the cosines to the pairs of some queries, query by query: a few hundred vectors stay in a core's cache."""
    encoded = rows.column("query_id").dictionary_encode()
    asked, nth = store.find(encoded.dictionary.to_pylist()), encoded.indices.to_numpy()
    found = store.find(rows.column("doc_id").to_pylist())
    is_mined, is_candidate = asked[nth] >= 0, _flags(rows, "is_candidate")
    for row in np.flatnonzero(is_mined & is_candidate & (found < 0))[:1].tolist():
        raise ContractError(
            f"candidates must have embeddings, got none for {rows['doc_id'][row].as_py()} of query "
            f"{rows['query_id'][row].as_py()}; try building the stages index and mine again"
        )
    measured = is_mined & (found >= 0)
    rows, nth, found = rows.filter(pa.array(measured)), nth[measured], found[measured]
    is_positive = _flags(rows, "is_positive")
    dense, nearest = np.zeros(len(found)), np.zeros(len(found))
    for first, last in pairwise([0, *(np.flatnonzero(np.diff(nth)) + 1).tolist(), len(nth)]):
        here = slice(first, last)
        documents, query = _doubles(store, found[here]), _doubles(store, asked[nth[here][:1]])
        dense[here] = (documents * query).sum(axis=1)
        nearest[here] = nearest_other(documents, np.flatnonzero(is_positive[here]))
    return _score_rows(rows, _round(dense), _round(nearest))


def nearest_other(documents: Matrix, positives: npt.NDArray[np.intp]) -> Matrix:
    """Return each row's highest cosine to a positive row other than itself, (N,); -inf where there is no other."""
    best = np.full(len(documents), -np.inf)
    for row in positives:
        cosines = (documents * documents[row]).sum(axis=1)
        cosines[row] = -np.inf
        best = np.maximum(best, cosines)
    return best


def _doubles(store: VectorStore, rows: npt.NDArray[np.int64]) -> Matrix:
    """Return vectors as (N, H), row after row in memory: sums of rows that lie otherwise differ in the last bits."""
    return np.ascontiguousarray(store.take(rows), np.float64)


def _flags(rows: pa.RecordBatch, name: str) -> npt.NDArray[np.bool_]:
    return np.asarray(rows.column(name).to_numpy(zero_copy_only=False), bool)


def _round(values: Matrix) -> Matrix:
    """Round to the stated decimals; adding 0 turns -0.0 into 0.0, which would be other bytes."""
    return np.round(values, DECIMALS) + 0.0


def _score_rows(rows: pa.RecordBatch, dense: Matrix, nearest: Matrix) -> pa.RecordBatch:
    columns = {name: rows.column(name) for name in rows.schema.names if name in SCORES.names} | {
        "dense": pa.array(dense),
        "positive_sim": pa.array(nearest, mask=~np.isfinite(nearest)),
        "teacher": pa.nulls(len(dense), pa.float64()),
        "teacher_model": pa.nulls(len(dense), pa.string()),
    }
    return pa.RecordBatch.from_pydict({name: columns[name] for name in SCORES.names})


def gold_of(positives: DataFrame) -> DataFrame:
    """Return the kept positives that were not written by a model."""
    return kept(positives).where(F.col("rule") != SYNTHETIC_RULE)
