"""Guard: how many planted leaks the firewall finds, and how many clean documents it cuts by mistake.

Protected and clean documents are of different collections, so that whatever is cut among the clean is a mistake. Leaks
are planted among the clean ones: copies in another case and spacing, copies with one word in ten replaced by words of
the clean documents, and copies between two clean documents.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
from pyspark.sql import SparkSession

from pipeline.guard.config import DOCUMENT, GuardConfig
from pipeline.guard.leaks import flag_leaks
from pipeline.text import normal_form, words
from tests.bench.corpora import edit_words, pydocs_documents, read_collection, read_texts, session, vocabulary_of
from tests.bench.rows import Row, no_collections

SECTION = "guard"
SEED, PROTECTED, SHARE, WORDS = 17, 1_000, 0.1, 25


def measure(work: Path, collections: Path | None, limit: int | None = None) -> list[Row]:
    """Plant leaks of one collection in others; ``limit`` bounds the clean documents of each."""
    if collections is None:
        return [no_collections(SECTION, "leaks planted in other collections")]
    pydocs = [text for _, text in read_texts(pydocs_documents())]
    held = {
        name: [text for _, text in read_collection(collections / name / "corpus.jsonl.gz")]
        for name in ("reuters21578", "license_texts", "medquad", "medline", "cranfield", "scifact")
    }
    settings = {
        "reuters in pydocs": (held["reuters21578"], pydocs[:limit]),
        "pydocs in reuters and licences": (pydocs, [*held["reuters21578"][:limit], *held["license_texts"][:limit]]),
        "scifact in medical texts": (held["scifact"], [*held["medquad"][:limit], *held["medline"][:limit]]),
    }
    rows: list[Row] = []
    with session(SECTION, work) as spark:
        for name, (protected, clean) in settings.items():
            rows += plant_leaks(spark, name, protected, clean)
    return rows


def plant_leaks(spark: SparkSession, name: str, protected: Iterable[str], clean: Iterable[str]) -> list[Row]:
    """Return the rows of one pair of collections."""
    rng = random.Random(SEED)
    tested = rng.sample(_long_enough(protected), PROTECTED)
    unlike = list({normal_form(text): text for text in clean}.values())
    vocabulary = vocabulary_of(unlike)
    planted = {
        "exact": [" \n".join(text.upper().split(" ")) for text in tested],
        "edited": [edit_words(text, SHARE, rng, vocabulary) for text in tested],
        "inside": [f"{rng.choice(unlike)}\n\n{text}\n\n{rng.choice(unlike)}" for text in tested],
        "clean": unlike,
    }
    texts = [(f"{kind}:{i}", text) for kind, some in planted.items() for i, text in enumerate(some)]
    frame = spark.createDataFrame(pa.table(dict(zip(("text_id", "text"), zip(*texts, strict=True), strict=True))))
    guarded = [("exam", str(i), DOCUMENT, text) for i, text in enumerate(tested)]
    columns = ("eval_name", "eval_id", "role", "text")
    sets = spark.createDataFrame(pa.table(dict(zip(columns, zip(*guarded, strict=True), strict=True))))
    flagged = {row["text_id"] for row in flag_leaks(frame, sets, GuardConfig()).select("text_id").collect()}
    found = {kind: sum(f"{kind}:{i}" in flagged for i in range(len(some))) for kind, some in planted.items()}
    shares = {kind: count / len(planted[kind]) * 100 for kind, count in found.items()}
    return [
        Row.of(SECTION, f"{name}: exact leaks found, of {PROTECTED:,}", shares["exact"], "%", ("==", 100)),
        Row.of(SECTION, f"{name}: leaks with {SHARE:.0%} of the words edited found", shares["edited"], "%", (">=", 97)),
        Row.of(SECTION, f"{name}: leaks inside a longer document found", shares["inside"], "%", (">=", 97)),
        Row.of(SECTION, f"{name}: clean documents cut, of {len(unlike):,}", shares["clean"], "%", ("<=", 0.1)),
    ]


def _long_enough(texts: Iterable[str]) -> list[str]:
    """Return the texts of 25 words and more, each once: an edited copy of a few words is like nothing any more."""
    return list({normal_form(text): text for text in texts if len(words(text)) >= WORDS}.values())
