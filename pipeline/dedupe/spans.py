"""Passages of text that stand in several documents are left in one: runs of sentences, wherever they stand.

Every run of ``spans`` sentences in a row is hashed by its normal form; of equal runs the first one stays, the others
are cut out of their texts. What a document loses is listed, and a document that has too little left is dropped, with
all of its text.
Source: Raffel et al. 2020 (C4: all but one of any three-sentence span); the case for it: Lee et al. 2022,
"Deduplicating Training Data Makes Language Models Better".
Known weakness: a run is found where sentence ends are: a passage that begins within a sentence loses that sentence's
rest to no one. Tables and lists are runs like others, so this is off unless asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from pipeline.contract import conform, kept
from pipeline.dedupe.config import DedupeConfig
from pipeline.dedupe.exact import preference
from pipeline.ids import hash_text
from pipeline.sentences import find_pieces
from pipeline.text import clean_text, normal_form, words
from schemas.documents import DOCUMENTS, REPEATED_SPANS, REPEATS

_RUNS = "key string, doc_id string, preference array<long>, start int, end int"
_CUT = "doc_id string, text string, chars int, text_hash string, too_little boolean"


def find_repeats(documents: DataFrame, cfg: DedupeConfig) -> DataFrame:
    """List the runs of sentences that stand elsewhere already.

    In:    DOCUMENTS; rows with a drop_reason are not looked at.
    Out:   REPEATS, overlapping ones each.
    Ties:  the run that stays is in the best document by ``prefer``, then in the smallest doc_id, and its first there.
    Cost:  one shuffle of a narrow row a sentence.
    """
    assert cfg.spans is not None, "the caller asks whether it is on"
    length, least = cfg.spans, cfg.span_words

    def list_runs(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = [
                (key, row["doc_id"], row["preference"], start, end)
                for row in batch.to_pylist()
                for key, start, end in runs_of(row["text"], length, least)
            ]
            if rows:
                columns = [pa.array(column) for column in zip(*rows, strict=True)]
                yield pa.RecordBatch.from_arrays(columns, ["key", "doc_id", "preference", "start", "end"]).cast(_SHAPE)

    runs = kept(documents).select("doc_id", preference(cfg).alias("preference"), "text").mapInArrow(list_runs, _RUNS)
    order = Window.partitionBy("key").orderBy("preference", "doc_id", "start")
    ranked = runs.select(
        "doc_id",
        "start",
        "end",
        F.first("doc_id").over(order).alias("kept_id"),
        F.row_number().over(order).alias("place"),
    )
    return conform(ranked.where(F.col("place") > 1), REPEATS)


_SHAPE = pa.schema(
    [
        ("key", pa.string()),
        ("doc_id", pa.string()),
        ("preference", pa.list_(pa.int64())),
        ("start", pa.int32()),
        ("end", pa.int32()),
    ]
)


def runs_of(text: str, length: int, least: int) -> list[tuple[str, int, int]]:
    """Return (hash of the normal form, start, end) of each run of ``length`` sentences with ``least`` words or more."""
    pieces = [piece for piece in find_pieces(text) if text[piece.start : piece.end].strip()]
    found = []
    for first, last in zip(pieces, pieces[length - 1 :], strict=False):
        run = text[first.start : last.end]
        if len(words(run)) >= least:
            key = hashlib.blake2b(normal_form(run).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
            found.append((key, first.start, last.end))
    return found


def cut_repeats(documents: DataFrame, repeats: DataFrame, cfg: DedupeConfig) -> DataFrame:
    """Cut the repeated runs out of the texts.

    In:    DOCUMENTS; REPEATS of them, which point into their texts.
    Out:   DOCUMENTS, every row. One that has fewer than ``span_words`` words left keeps its text and gets the
           drop_reason repeated_spans.
    Cost:  one shuffle of REPEATS, and of the texts that lose something.
    """
    least = cfg.span_words

    def cut(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = [_without(row["doc_id"], row["text"], row["spans"], least) for row in batch.to_pylist()]
            if rows:
                columns = [pa.array(column) for column in zip(*rows, strict=True)]
                yield pa.RecordBatch.from_arrays(columns, _NAMES).cast(_CUT_SHAPE)

    spans = repeats.groupBy("doc_id").agg(F.sort_array(F.collect_list(F.array("start", "end"))).alias("spans"))
    changed = documents.select("doc_id", "text").join(spans, "doc_id", how="inner").mapInArrow(cut, _CUT)
    named = changed.select("doc_id", *[F.col(name).alias(f"_{name}") for name in _NAMES[1:]])
    joined = documents.join(named, "doc_id", how="left")
    stays = F.coalesce(~F.col("_too_little"), F.lit(False))
    new = {name: F.when(stays, F.col(f"_{name}")).otherwise(F.col(name)) for name in ("text", "chars", "text_hash")}
    reason = F.when(F.col("_too_little"), REPEATED_SPANS)
    return conform(joined.withColumns({**new, "drop_reason": F.coalesce("drop_reason", reason)}), DOCUMENTS)


_CUT_SHAPE = pa.schema(
    [
        ("doc_id", pa.string()),
        ("text", pa.string()),
        ("chars", pa.int32()),
        ("text_hash", pa.string()),
        ("too_little", pa.bool_()),
    ]
)
_NAMES = _CUT_SHAPE.names


def _without(doc_id: str, text: str, spans: Sequence[Sequence[int]], least: int) -> tuple[str, str, int, str, bool]:
    """Return a row of _CUT: the text without its spans, which are in order and may overlap."""
    left, at = [], 0
    for start, end in spans:
        left.append(text[at:start] if start > at else "")
        at = max(at, end)
    rest = clean_text("".join([*left, text[at:]]))
    return doc_id, rest, len(rest), hash_text(rest), len(words(rest)) < least
