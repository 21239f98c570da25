"""Chinese: an encyclopaedia's articles through the corpus half, with near-duplicates and leaks planted in them.

Words are characters in a script without spaces: shingles are five characters, n-grams of the guard three, and lengths
count characters. What is planted and what is asked is as in English.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from pathlib import Path

from pyspark.sql import SparkSession

from pipeline.guard.config import DOCUMENT, GuardConfig
from pipeline.guard.leaks import flag_leaks
from pipeline.ingest.config import make_source
from pipeline.ingest.tables import read_records, select_annotations, select_documents
from pipeline.ingest.units import plan_units, unit_frame
from pipeline.text import shingles, words
from tests.bench.corpora import edit_characters, read_collection, session
from tests.bench.corpus.quality import hold_to_truth
from tests.bench.rows import Row, no_collections

SECTION = "chinese"
SEED, PLANTED, NEAR_SHARE, LEAK_SHARE = 5, 300, 0.01, 0.1
Texts = list[tuple[str, str]]
_HAN = re.compile("[\u4e00-\u9fff]")


def measure(work: Path, collections: Path | None) -> list[Row]:
    """Take the articles through ingest with every cleaning rule, dedupe and guard."""
    if collections is None:
        return [no_collections(SECTION, "cmrc2018_zh through the corpus half")]
    articles = read_collection(collections / "cmrc2018_zh" / "corpus.jsonl.gz")
    with session(SECTION, work) as spark:
        return [*_cleaned(spark, articles, work), *_deduped(spark, articles, work), *_guarded(spark, articles)]


def _cleaned(spark: SparkSession, articles: Texts, work: Path) -> list[Row]:
    path = work / "articles.jsonl"
    lines = [json.dumps({"id": name, "text": text}, ensure_ascii=False) + "\n" for name, text in articles]
    path.write_text("".join(lines), encoding="utf-8")
    clean = {"repair": True, "rules": True, "languages": ["zh"], "pii": "tag"}
    sources = [make_source(name="zh", format="jsonl", path=str(path), clean=clean)]
    records = read_records(unit_frame(spark, plan_units(sources)), sources).localCheckpoint()
    documents = select_documents(records, None, sources, SEED).collect()
    notes = select_annotations(records, sources, SEED).collect()
    reasons = Counter(row["drop_reason"] for row in documents if row["drop_reason"])
    why = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common()) or "none"

    def share(count: int) -> float:
        return count / len(articles) * 100

    chinese = share(sum(row["language"] == "zh" for row in notes))
    repaired = share(sum(bool(row["repaired"]) for row in notes))
    kept = share(len(documents) - reasons.total())
    counted = share(sum(len(words(text)) >= len(_HAN.findall(text)) for _, text in articles))
    shingled = share(sum(len(shingles(text, 5)) >= 0.5 * len(words(text)) for _, text in articles))
    return [
        Row.of(SECTION, "articles", len(articles)),
        Row.of(SECTION, "articles called Chinese", chinese, "%", (">=", 99)),
        Row.of(SECTION, f"articles kept by all rules (dropped: {why})", kept, "%", (">=", 97)),
        Row.of(SECTION, "articles called mojibake and changed", repaired, "%", ("<=", 1)),
        Row.of(SECTION, "articles with a word for every Chinese character", counted, "%", (">=", 99)),
        Row.of(SECTION, "articles with one shingle or more to two words", shingled, "%", (">=", 99)),
    ]


def _deduped(spark: SparkSession, articles: Texts, work: Path) -> list[Row]:
    """Plant near-duplicates (one character in a hundred replaced) and hold dedupe to the truth."""
    rng = random.Random(SEED)
    characters = _characters(articles)
    chosen = rng.sample([text for _, text in articles], PLANTED)
    near = [edit_characters(text, NEAR_SHARE, rng, characters) for text in chosen]
    copies = ["，".join(text.split("，")) + "！" for text in chosen]
    texts = [(f"{i:08}", text) for i, text in enumerate([*(text for _, text in articles), *near, *copies])]
    return hold_to_truth(spark, "near-duplicates planted", texts, work / "near", SECTION)


def _guarded(spark: SparkSession, articles: Texts) -> list[Row]:
    """Protect some articles, plant them edited among the others."""
    rng = random.Random(SEED)
    plain = rng.sample(sorted({text for _, text in articles}), len({text for _, text in articles}))
    tested, clean = plain[:PLANTED], plain[PLANTED:]
    characters = _characters(articles)
    planted = {
        "exact": tested,
        "edited": [edit_characters(text, LEAK_SHARE, rng, characters) for text in tested],
        "clean": clean,
    }
    texts = spark.createDataFrame(
        [(f"{kind}:{i}", text) for kind, some in planted.items() for i, text in enumerate(some)],
        "text_id string, text string",
    )
    protected = spark.createDataFrame(
        [("exam", str(i), DOCUMENT, text) for i, text in enumerate(tested)],
        "eval_name string, eval_id string, role string, text string",
    )
    flagged = {row["text_id"] for row in flag_leaks(texts, protected, GuardConfig()).collect()}
    shares = {
        kind: sum(f"{kind}:{i}" in flagged for i in range(len(some))) / len(some) * 100
        for kind, some in planted.items()
    }
    return [
        Row.of(SECTION, "exact leaks found", shares["exact"], "%", ("==", 100)),
        Row.of(SECTION, "leaks with 10% of the characters edited found", shares["edited"], "%", (">=", 97)),
        Row.of(SECTION, "other articles of the encyclopaedia cut", shares["clean"], "%"),
    ]


def _characters(articles: Texts) -> list[str]:
    return sorted({character for _, text in articles for character in text if character.isalpha()})
