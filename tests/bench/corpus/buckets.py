"""Domains: how often the classifier finds the domain of documents that were kept from it, through the command itself.

pydocs: the domain is the package. One family of docstrings in five is held out (a symbol under all its names), after
duplicates are dropped; a second time, as a harder question without a target, whole source files. Copies of other
packages that a package carries along are left out: their domain would be the carrier. Counted are the packages with
enough documents left to be a domain. Reuters: the ten topics that the most stories have as their only one (of corn and
wheat nearly all are of grain too), the collection's own split (``lewissplit``) of training and test.
"""

from __future__ import annotations

import gzip
import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from jobs.cli.main import main
from pipeline.contract import spark_schema
from pipeline.ids import unit_of
from schemas.documents import DOCUMENTS
from tests.bench.corpora import REPOSITORY
from tests.bench.rows import Row, no_collections

SECTION = "buckets"
HELD_OUT, TOPICS = 0.2, 10
CARRIED = "[tests, test, idle_test, _vendor, _vendored, vendor, vendored, extern, externals, third_party]"
UNKNOWN = "unlabelled"  # the source of what is guessed; a domain of that name is none


def measure(work: Path, collections: Path | None, packages: str = "*") -> list[Row]:
    """Guess packages and topics, and part the stories into clusters that know of no topic."""
    rows = measure_pydocs(work, packages)
    if collections is None:
        return [*rows, no_collections(SECTION, "Reuters topics")]
    return [*rows, *measure_reuters(work, collections / "reuters21578" / "corpus.jsonl.gz")]


def measure_pydocs(work: Path, packages: str) -> list[Row]:
    """Hold out families of docstrings, then source files."""
    _command("dedupe", packages, "--format", "pydocs", "--out", work / "pydocs", "--set", f"source.exclude={CARRIED}")
    found = [row for row in _rows(work / "pydocs" / "documents") if row["drop_reason"] is None]
    rows = []
    for name, key, bound in (("families", "family", 0.9), ("source files", "path", None)):
        is_held = [unit_of(13, key, row[key]) < HELD_OUT for row in found]
        truth = {row["doc_id"]: row["domain"] for row, held in zip(found, is_held, strict=True) if held}
        given = [
            {**row, "domain": UNKNOWN, "source": UNKNOWN} if held else row
            for row, held in zip(found, is_held, strict=True)
        ]
        rows += _guess(f"pydocs packages, {name} held out", work, given, truth, bound)
    return rows


def measure_reuters(work: Path, corpus: Path) -> list[Row]:
    """Learn from the training split of the ten largest topics, guess the test split."""
    stories = list(_stories(corpus))
    known = [story for story in stories if story["lewissplit"] in ("TRAIN", "TEST")]
    lines = [
        {
            "id": story["id"],
            "title": "",
            "text": story["text"],
            **({"domain": story["topic"]} if story["lewissplit"] == "TRAIN" else {}),
        }
        for story in known
    ]
    (work / f"{UNKNOWN}.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    _command("dedupe", work / f"{UNKNOWN}.jsonl", "--out", work / "stories", "--set", "dedupe.near=false")
    found = [row for row in _rows(work / "stories" / "documents") if row["drop_reason"] is None]
    topics = {story["id"]: story["topic"] for story in known}
    truth = {row["doc_id"]: topics[row["native_id"]] for row in found if row["domain"] == UNKNOWN}
    rows = _guess("Reuters, ten largest topics", work, found, truth, 0.8, "--set", "bucket.min_size=50")
    return [*rows, _part(work, {row["doc_id"]: topics[row["native_id"]] for row in found})]


def _stories(corpus: Path) -> Iterator[dict[str, Any]]:
    """Yield the stories of exactly one of the ten topics that the most stories have as their only one."""
    with gzip.open(corpus, "rt", encoding="utf-8") as handle:
        stories = [json.loads(line) for line in handle]
    counts = Counter(story["topics"][0] for story in stories if len(story["topics"]) == 1)
    largest = {topic for topic, _ in sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:TOPICS]}
    for story in stories:
        own = largest & set(story["topics"])
        if len(own) == 1:
            yield {**story, "topic": next(iter(own))}


def _guess(
    what: str,
    work: Path,
    documents: list[dict[str, Any]],
    truth: Mapping[str, str],
    bound: float | None,
    *settings: str,
) -> list[Row]:
    """Run the classifier over documents of which some say no domain, and hold its guesses against the truth."""
    from sklearn.metrics import f1_score

    given, out = work / "given" / "documents", work / "guessed"
    _write(given, documents)
    started = time.monotonic()
    _command("bucket", given, "--out", out, "--force", "--set", "bucket.rule=classifier", *settings)
    seconds = time.monotonic() - started
    notes = json.loads((out / "_manifest.json").read_text(encoding="utf-8"))["notes"]
    learned = {name for name in notes["domains"] if name != "other"}
    guesses = {row["doc_id"]: row for row in _rows(out / "guesses")}
    asked = [doc_id for doc_id, domain in sorted(truth.items()) if domain in learned]
    right = [guesses[doc_id]["guess"] == truth[doc_id] for doc_id in asked]
    believed = [is_right for doc_id, is_right in zip(asked, right, strict=True) if guesses[doc_id]["confidence"] >= 0.5]
    score = f1_score([truth[each] for each in asked], [guesses[each]["guess"] for each in asked], average="macro")
    return [
        Row.of(SECTION, f"{what}: macro-F1", float(score), "", (">=", bound) if bound else None),
        Row.of(SECTION, f"{what}: macro-F1 that the manifest notes", notes["classifier"]["macro_f1"]),
        Row.of(SECTION, f"{what}: domains", len({truth[each] for each in asked})),
        Row.of(SECTION, f"{what}: documents guessed", len(asked)),
        Row.of(SECTION, f"{what}: accuracy", sum(right) / len(right)),
        Row.of(SECTION, f"{what}: share believed (confidence >= 0.5)", len(believed) / len(right)),
        Row.of(SECTION, f"{what}: accuracy of the believed", sum(believed) / max(1, len(believed))),
        Row.of(SECTION, f"{what}: the command, Spark's start included", seconds, "s"),
    ]


def _part(work: Path, topics: Mapping[str, str]) -> Row:
    """Cluster all stories, and say how pure the clusters are: the share of stories of their cluster's main topic."""
    what = "Reuters, ten largest topics: purity of clusters of embeddings"
    models = os.environ.get("PAIRWRIGHT_MODELS", REPOSITORY / ".models")
    if not (Path(models) / "all-MiniLM-L6-v2").is_dir():
        return Row.left_out(SECTION, what, "the models are not set up; run: make setup")
    _command(
        "bucket",
        work / "stories",
        "--out",
        work / "clusters",
        "--set",
        "bucket.rule=cluster",
        "--set",
        "bucket.cluster.clusters=20",
        "--set",
        "bucket.depth=1",
        "--set",
        f"models={models}",
    )
    held: dict[str, Counter[str]] = {}
    for row in _rows(work / "clusters" / "guesses"):
        held.setdefault(row["guess"], Counter())[topics[row["doc_id"]]] += 1
    return Row.of(SECTION, f"{what} ({len(held)})", sum(max(each.values()) for each in held.values()) / len(topics))


def _command(*argv: object) -> None:
    """Run pairwright; its line stays on the terminal."""
    try:
        main([str(each) for each in argv])
    except SystemExit as ended:
        if ended.code:
            raise RuntimeError(f"pairwright {argv[0]} ended with {ended.code}") from ended


def _rows(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ds.dataset(folder, format="parquet", partitioning="hive").to_table().to_pylist()
    return found


def _write(folder: Path, documents: list[dict[str, Any]]) -> None:
    from pyspark.sql.pandas.types import to_arrow_schema

    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(documents, to_arrow_schema(spark_schema(DOCUMENTS))), folder / "part.parquet")
