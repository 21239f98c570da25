"""Long documents become passages: cut by structure, within a budget of tokens, each with its place in its parent.

A passage is filled up to the budget, then cut at the strongest place of its second half: before a heading, else between
paragraphs, sentences, lines, words, and only where a single word is too long between characters. The tokens are those
of the model that will be trained, counted for a whole Arrow batch at a time.

A passage that begins with a heading has it for a title, and not in its text: a text that repeats its query teaches
nothing. The first passage keeps the parent's title, native id and links. What lies between ``start`` and ``end`` of all
passages is every character of the parent.

Known weakness: tables and long lists are lines like any others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from pipeline.contract import conform, kept, spark_schema
from pipeline.ids import hash_id, hash_text
from pipeline.ingest.clean.record import drop_reason
from pipeline.ingest.config import SourceConfig
from pipeline.ingest.passages.config import PassageConfig
from pipeline.ingest.passages.cut import Budget, Passage, cut_texts
from pipeline.ports import CounterFactory
from schemas.documents import DOCUMENTS, PASSAGES, SPLIT

_BATCH_CHARS = 4 << 20


_CUT = T.StructType(
    [*spark_schema(DOCUMENTS).fields, *(each for each in spark_schema(PASSAGES).fields if each.name != "doc_id")]
)
_READ = [name for name in DOCUMENTS.names if name not in ("chars", "text_hash", "drop_reason")]


def cut_documents(
    documents: DataFrame,
    factory: CounterFactory,
    cfg: PassageConfig,
    sources: Sequence[SourceConfig],
) -> DataFrame:
    """Cut the kept documents that are longer than the budget.

    In:   DOCUMENTS.
    Out:  one row a passage: DOCUMENTS and PASSAGES in one. Of native id and links the first passage is the heir.
    Drops: too_short and no_letters, by the rules of the source; documents that fit give no row.
    Cost: the tokenizer, twice; no shuffle.
    """
    known = {source.name: source for source in sources}
    wanted = Budget((cfg.tokens or 1 << 30) - cfg.room, cfg.overlap, cfg.header)

    def cut(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        counter, schema = factory(), to_arrow_schema(_CUT)
        for batch in batches:
            for rows in _by_chars(batch):
                texts, titles = ([row[name] for row in rows] for name in ("text", "title"))
                cuts = cut_texts(texts, titles, counter, wanted)
                made = [
                    _row(row, place, passage, known.get(row["source"], _ANY))
                    for row, passages in zip(rows, cuts, strict=True)
                    for place, passage in enumerate(passages, start=1)
                ]
                if made:
                    yield pa.RecordBatch.from_pylist(made, schema=schema)

    chosen = kept(documents)
    if cfg.sources:
        chosen = chosen.where(F.col("source").isin(list(cfg.sources)))
    return chosen.select(*_READ).mapInArrow(cut, _CUT)


_ANY = SourceConfig(name="any", format="text", path=".")


def _by_chars(batch: pa.RecordBatch) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of a batch, some millions of characters at a time."""
    rows: list[dict[str, Any]] = []
    chars = 0
    for place in range(batch.num_rows):
        row = batch.slice(place, 1).to_pylist()[0]
        rows.append(row)
        chars += len(row["text"])
        if chars >= _BATCH_CHARS:
            yield rows
            rows, chars = [], 0
    if rows:
        yield rows


def _row(parent: dict[str, Any], place: int, passage: Passage, source: SourceConfig) -> dict[str, Any]:
    parent_id = parent["doc_id"]
    heir: dict[str, Any] = {} if place == 1 else {"native_id": None, "links": []}
    return {
        **parent,
        **heir,
        "doc_id": hash_id(parent_id, str(passage.start), str(passage.end)),
        "parent_id": parent_id,
        "place": place,
        "start": passage.start,
        "end": passage.end,
        "tokens": passage.tokens,
        "title": passage.title,
        "text": passage.text,
        "chars": len(passage.text),
        "text_hash": hash_text(passage.text),
        "drop_reason": drop_reason(passage.text, source),
    }


def put_passages(documents: DataFrame, cut: DataFrame) -> DataFrame:
    """Put the passages in the place of the documents that they were cut from.

    In:   DOCUMENTS, cut_documents' rows.
    Out:  DOCUMENTS: every row, and one a passage; a document that was cut has the drop_reason split.
    """
    parents = cut.select(F.col("parent_id").alias("doc_id"), F.lit(SPLIT).alias("_split")).distinct()
    marked = documents.join(parents, "doc_id", how="left")
    whole = conform(marked.withColumn("drop_reason", F.coalesce("drop_reason", "_split")), DOCUMENTS)
    return whole.unionByName(conform(cut, DOCUMENTS))


def list_passages(cut: DataFrame) -> DataFrame:
    """Return PASSAGES of cut_documents' rows."""
    return conform(cut, PASSAGES)
