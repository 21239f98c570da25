"""A line before a passage that says where it stands in its document, written by a language model: contextual retrieval.

A passage such as "It rose by 3 % over the previous quarter" answers questions that none of its words name. The model is
shown the beginning of the document and the passage, and says what the passage is about and of what. What it says is
believed only as far as the words shown bear it out, and a passage without a line that passes stays as it is.

Source: Anthropic, "Introducing Contextual Retrieval" (2024); the prompt is a pattern of solved cases, as everywhere
here (``pipeline/synthesise/prompts.py``), in which a document cannot forge the structure.
Known weakness: a small base model rarely manages it (Gemma 3 270M: 41 of 386 passages of Python's language reference,
most of the others too long or copies); it wants an instruction-tuned one, through ``synthesise.url``. And the model
sees the beginning of a long document, not what stands between that and the passage.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from pipeline.contract import conform, kept, spark_schema
from pipeline.ids import hash_text
from pipeline.ingest.passages.config import PassageConfig
from pipeline.ports import CounterFactory
from pipeline.prompting import copied_share, fenced, parse_reply, repeated_share
from pipeline.text import words
from schemas.pairs import (
    CONTEXTS,
    COPY,
    QUERY,
    REPETITION,
    TEXT_TOO_LONG,
    TEXT_TOO_SHORT,
    UNGROUNDED,
    UNPARSABLE,
)

LEAST_WORDS, MOST_WORDS = 4, 40
MOST_REPEATED = 0.2  # share of its trigrams that came before in the line
COPIED_WORDS, MOST_COPIED = 4, 0.6  # of the passage itself: a line that repeats it adds nothing
LEAST_GROUNDED = 0.5  # share of its longer words that were shown, of the document or the passage
CONTEXT_RULES = 2  # which state of the prompt and of the rules made the lines
_LONG = 5  # letters of a word that means something
_PASSAGE_TOKENS = 160  # estimated, shown of a passage
_CHARS = 16  # of a document that are looked at for each token shown

# (beginning of a document, passage, the line)
_SHOTS = (
    (
        (
            "The dances of bees. Bees returning to the hive dance on the combs. What the dance tells was found out by "
            "watching marked bees through a pane of glass."
        ),
        "The angle to the vertical gives the direction of the flowers relative to the sun.",
        "The dances of bees: how the angle of the dance gives the direction of the flowers.",
    ),
    (
        (
            "Annual report of the canal company. The company keeps forty miles of canal with nineteen locks. This "
            "report covers the year and compares it with the last one."
        ),
        "It rose by a tenth, most of it in summer, when boats are let by the week.",
        "Annual report of the canal company: what rose by a tenth in the year, and why in summer.",
    ),
    (
        "Bread at home. This chapter goes from flour to the finished loaf, and says at every step what may go wrong.",
        "- Cold slows it down.\n- Too much salt stops it altogether.",
        "Bread at home: what may go wrong at a step, cold and too much salt.",
    ),
)
BESIDES = 300 + _PASSAGE_TOKENS  # estimated tokens of a prompt beside the document: the solved cases, the passage


def plan_contexts(documents: DataFrame, passages: DataFrame, tokens: int) -> DataFrame:
    """Return what the model is asked.

    In:   DOCUMENTS with parents and passages in it; PASSAGES; estimated tokens shown of a document's beginning.
    Out:  (request_id, kind, prompt): one row a passage that is kept, its doc_id and a query.
    Cost: two joins; of a document no more than what is shown goes to its passages.
    """
    texts = documents.select("doc_id", "title", "text", "drop_reason")
    kept_texts, parted = kept(texts), passages.select("doc_id", "parent_id")
    shown = kept_texts.join(parted, "doc_id", how="inner").join(_beginnings(texts, tokens), "parent_id", how="inner")
    prompt = F.udf(lambda title, body, text: context_prompt(title, body, text, tokens), T.StringType())
    return shown.select(
        F.col("doc_id").alias("request_id"), F.lit(QUERY).alias("kind"), prompt("head", "body", "text").alias("prompt")
    )


def _beginnings(documents: DataFrame, tokens: int) -> DataFrame:
    """Return title and shown text of each document under the names by which its passages know them."""
    return documents.select(
        F.col("doc_id").alias("parent_id"),
        F.col("title").alias("head"),
        F.substring("text", 1, _CHARS * tokens).alias("body"),
    )


def context_prompt(title: str, body: str, passage: str, tokens: int) -> str:
    """Return the whole prompt for a passage of a document."""
    solved = "".join(f"{_case(document, text, tokens)} {line}\n\n" for document, text, line in _SHOTS)
    return solved + _case(". ".join(part for part in (title, body[: _CHARS * tokens]) if part), passage, tokens)


def _case(document: str, passage: str, tokens: int) -> str:
    return f"{fenced(document, tokens)}\n> {fenced(passage, _PASSAGE_TOKENS)}\n="


def judge_contexts(
    replies: DataFrame, documents: DataFrame, passages: DataFrame, counter: CounterFactory, cfg: PassageConfig
) -> DataFrame:
    """Parse the replies and say which lines are used.

    In:   (doc_id, reply, finish_reason, model); DOCUMENTS with parents and passages in it; PASSAGES; what counts the
          tokens of a line.
    Out:  CONTEXTS, one row a reply.
    Drops: unparsable, text_too_short, text_too_long, repetition, copy_of_source, ungrounded.
    """
    texts = documents.select("doc_id", "text")
    parted, beginnings = passages.select("doc_id", "parent_id"), _beginnings(documents, cfg.context_tokens)
    shown = (
        replies.join(parted, "doc_id", how="inner")
        .join(texts, "doc_id", how="inner")
        .join(beginnings, "parent_id", how="inner")
    )

    def judge(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        tokens, schema = counter(), to_arrow_schema(spark_schema(CONTEXTS))
        for batch in batches:
            rows = batch.to_pylist()
            lines = [parse_reply(row["reply"], QUERY, row["finish_reason"]) for row in rows]
            sizes = tokens.count(lines)
            made = [
                {
                    **row,
                    "context": line,
                    "drop_reason": TEXT_TOO_LONG
                    if size > cfg.room
                    else why_not(line, row["text"], row["head"], row["body"]),
                }
                for row, line, size in zip(rows, lines, sizes, strict=True)
            ]
            yield pa.RecordBatch.from_pylist(made, schema=schema)

    return conform(shown.mapInArrow(judge, spark_schema(CONTEXTS)), CONTEXTS)


def why_not(line: str, passage: str, title: str, body: str) -> str | None:
    """Return why a line is not used, or None."""
    count = len(words(line))
    if not count:
        return UNPARSABLE
    if count < LEAST_WORDS:
        return TEXT_TOO_SHORT
    if count > MOST_WORDS:
        return TEXT_TOO_LONG
    if repeated_share(line) > MOST_REPEATED:
        return REPETITION
    if copied_share(line, (passage,), COPIED_WORDS) > MOST_COPIED:
        return COPY
    return None if grounded_share(line, (title, body, passage)) >= LEAST_GROUNDED else UNGROUNDED


def grounded_share(line: str, sources: tuple[str, ...]) -> float:
    """Return the share of the line's longer words that stand in a source; 1.0 when it has none."""
    mine = {word for word in words(line) if len(word) >= _LONG}
    theirs = {word for source in sources for word in words(source)}
    return len(mine & theirs) / len(mine) if mine else 1.0


def put_contexts(cut: DataFrame, contexts: DataFrame, counter: CounterFactory) -> DataFrame:
    """Put the lines that are used before their passages.

    In:   rows of DOCUMENTS and PASSAGES in one (``cut_documents``), CONTEXTS, what counts tokens.
    Out:  the same rows; text, chars, tokens and text_hash of a passage with a line are new.
    """
    used, shape = kept(contexts).select("doc_id", "context"), cut.schema

    def put(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        tokens, schema = counter(), to_arrow_schema(shape)
        for batch in batches:
            rows = batch.to_pylist()
            lines = [row.pop("context") for row in rows]
            told = [row for row, line in zip(rows, lines, strict=True) if line]
            for row, line in zip(rows, lines, strict=True):
                row["text"] = f"{line}\n\n{row['text']}" if line else row["text"]
            for row, size in zip(told, tokens.count([row["text"] for row in told]), strict=True):
                text = row["text"]
                row |= {"chars": len(text), "text_hash": hash_text(text), "tokens": size + tokens.around}
            yield pa.RecordBatch.from_pylist(rows, schema=schema)

    return cut.join(used, "doc_id", how="left").select(*cut.columns, "context").mapInArrow(put, shape)
