"""What every retriever returns: one row per query and document found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
from pyspark.sql import Column
from pyspark.sql import functions as F

from pipeline.ports import Hit
from schemas.mining import RETRIEVERS

HITS = "query_id string, doc_id string, rank int, score double"
SCORE_DECIMALS = 6
_ROWS = 50_000  # of an Arrow batch: a few megabytes

_SCHEMA = pa.schema([("query_id", pa.string()), ("doc_id", pa.string()), ("rank", pa.int32()), ("score", pa.float64())])


def hits_of(*kinds: str) -> Column:
    """Return the ``hits`` (retriever, rank, score) of a row, only those whose scores are of these kinds."""
    names = [name for name, kind in RETRIEVERS.items() if kind in kinds]
    return F.filter("hits", lambda hit: hit["retriever"].isin(*names))


def ranked(pairs: Sequence[tuple[str, float]], k: int) -> list[Hit]:
    """Return the k best of (doc_id, score) as hits.

    Ties: scores are rounded to 6 decimals first, equal ones go by doc_id.
    """
    rounded = sorted((-round(score, SCORE_DECIMALS), doc_id) for doc_id, score in pairs)
    return [Hit(doc_id, rank, 0.0 - score) for rank, (score, doc_id) in enumerate(rounded[:k], start=1)]


def hit_batches(query_ids: Sequence[str], found: Sequence[Sequence[Hit]]) -> Iterator[pa.RecordBatch]:
    """Yield the hits of the queries as Arrow batches in the columns of HITS."""
    rows = [(query_id, hit) for query_id, hits in zip(query_ids, found, strict=True) for hit in hits]
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        yield pa.RecordBatch.from_arrays(
            [
                pa.array([query_id for query_id, _ in part], pa.string()),
                pa.array([hit.doc_id for _, hit in part], pa.string()),
                pa.array([hit.rank for _, hit in part], pa.int32()),
                pa.array([hit.score for _, hit in part], pa.float64()),
            ],
            schema=_SCHEMA,
        )
