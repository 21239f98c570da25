"""Texts to vectors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline.contract import conform
from pipeline.index.config import EncoderConfig
from pipeline.placement import device_profile, spread_over_devices
from pipeline.ports import EncoderFactory, FloatMatrix, VectorMemory
from schemas.mining import EMBEDDINGS, TEXT_EMBEDDINGS

_VECTORS = "key string, vector array<float>"


def encode_texts(
    frame: DataFrame,
    id_col: str,
    text_col: str,
    factory: EncoderFactory,
    prefix: str = "",
    memory: VectorMemory | None = None,
) -> DataFrame:
    """Return (id_col, vector) for every row of the frame; identical texts are encoded once, known ones not at all.

    In:   any frame with a unique id and a text.
    Out:  one row per row of the frame; vector is array<float>, L2-normalised, whatever the partitioning.
    Cost: the model, once per distinct text; the frame is read twice and its texts are shuffled once.
    """
    keyed = frame.select(id_col, F.col(text_col).alias("text"), F.sha2(text_col, 256).alias("key"))
    distinct = keyed.groupBy("key").agg(F.first("text").alias("text"))

    def encode(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if batch.num_rows:
                vectors = _lists(factory().encode([prefix + text for text in batch.column("text").to_pylist()]))
                yield pa.RecordBatch.from_arrays([batch.column("key"), vectors], ["key", "vector"])

    def compute(texts: DataFrame) -> DataFrame:
        placed = spread_over_devices(texts, "key", tasks=4)
        return placed.mapInArrow(encode, _VECTORS, profile=device_profile(placed))

    vectors = memory.recall(distinct, prefix, compute) if memory else compute(distinct)
    return keyed.select(id_col, "key").join(vectors, "key", how="inner").select(id_col, "vector")


def embed_documents(
    documents: DataFrame, factory: EncoderFactory, cfg: EncoderConfig, memory: VectorMemory | None = None
) -> DataFrame:
    """Embed the text of every document.

    In:   DOCUMENTS, kept rows.
    Out:  EMBEDDINGS, one row per document.
    """
    return conform(encode_texts(documents, "doc_id", "text", factory, cfg.doc_prefix or "", memory), EMBEDDINGS)


def embed_texts(
    queries: DataFrame,
    negatives: DataFrame,
    factory: EncoderFactory,
    cfg: EncoderConfig,
    memory: VectorMemory | None = None,
) -> DataFrame:
    """Embed the mined queries and the synthetic negatives.

    In:   (query_id, query) and (text_id, text), each id once.
    Out:  TEXT_EMBEDDINGS, one row per id.
    """
    asked = queries.select(F.col("query_id").alias("text_id"), F.col("query").alias("text"))
    encoded = [
        encode_texts(frame.select("text_id", "text"), "text_id", "text", factory, prefix, memory)
        for frame, prefix in ((asked, cfg.query_prefix or ""), (negatives, cfg.doc_prefix or ""))
    ]
    return conform(encoded[0].unionByName(encoded[1]), TEXT_EMBEDDINGS)


def _lists(vectors: FloatMatrix) -> pa.Array:
    offsets = np.arange(0, vectors.size + 1, vectors.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(offsets, np.ascontiguousarray(vectors).ravel())
