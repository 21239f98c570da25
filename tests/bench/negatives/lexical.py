"""The lexical index: built in shards against built by one thread, in turns, from Parquet to the searchable folder.

Texts are news, answers and abstracts of the public collections, ids are hashes of them as everywhere. Both ways are
``index_documents``, the one with a shard for all. Queries are the first words of documents and the judged queries of
two collections; every hit of every query is compared, its rank and its score to the last bit.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import statistics
import time
from pathlib import Path

from pyspark.sql import SparkSession

from jobs.engines.lucene import LuceneBm25
from jobs.engines.lucene_shards import index_documents
from pipeline.ids import hash_id
from pipeline.index.config import IndexConfig
from tests.bench.corpora import read_collection, session, write_documents
from tests.bench.rows import Row, no_collections

SECTION = "lexical"
COLLECTIONS = ("reuters21578", "medquad", "scifact", "lisa")
ASKED, JUDGED, DEPTH = 1_000, ("scifact", "medquad"), 100
SHARDS = 2  # one a core: what the target is about


def measure(
    work: Path, collections: Path | None, limit: int | None = None, runs: int = 3, shards: int = SHARDS
) -> list[Row]:
    """Build both ways some times in turns (medians), then search both."""
    if collections is None:
        return [no_collections(SECTION, "build in shards against one thread")]
    texts = _read_texts(collections, limit)
    documents = write_documents(texts, work / "documents")
    configs = {"one": IndexConfig(), "shards": IndexConfig(shard_documents=-(-len(texts) // shards))}
    configs["one"] = configs["one"].replace(shard_documents=len(texts))
    seconds: dict[str, list[float]] = {name: [] for name in configs}
    with session(SECTION, work, master=f"local[{SHARDS}]") as spark:
        for _ in range(runs):
            for name, config in configs.items():
                seconds[name].append(_build(spark, documents, len(texts), work / name, config))
    one, many = (statistics.median(each) for each in seconds.values())
    asked = _read_queries(collections, texts)
    differing, found = _compare(work / "one", work / "shards", asked)
    return [
        Row.of(SECTION, "documents", len(texts)),
        Row.of(SECTION, "their text", sum(len(text.encode()) for _, text in texts) / 1e6, "MB"),
        Row.of(SECTION, "built by one thread", one, "s"),
        Row.of(SECTION, f"built in {shards} shards on {SHARDS} cores", many, "s"),
        Row.of(SECTION, "as fast", one / many, "x", (">=", 1.6)),
        Row.of(SECTION, "load of the machine while it was measured, of its cores", _load(), "x"),
        Row.of(SECTION, f"hits compared, of {len(asked):,} queries", found),
        Row.of(SECTION, "hits that differ in document, rank or score", differing, "", ("==", 0)),
    ]


def _build(spark: SparkSession, documents: Path, count: int, folder: Path, config: IndexConfig) -> float:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    started = time.monotonic()
    index_documents(spark.read.parquet(str(documents)), count, folder, folder.with_suffix(".scratch"), config)
    return time.monotonic() - started


def _compare(one: Path, many: Path, queries: list[str]) -> tuple[int, int]:
    """Return how many hits differ, and how many there are."""
    with LuceneBm25(one) as single, LuceneBm25(many) as sharded:
        both = list(zip(single.search(queries, DEPTH), sharded.search(queries, DEPTH), strict=True))
    differing = sum(
        abs(len(here) - len(there)) + sum(a != b for a, b in zip(here, there, strict=False)) for here, there in both
    )
    return differing, sum(len(here) for here, _ in both)


def _read_texts(collections: Path, limit: int | None) -> list[tuple[str, str]]:
    """Return (doc_id, text) of the collections, each text once; their ids must spread over all that there may be."""
    found = {
        hash_id(text): text
        for name in COLLECTIONS
        for _, text in read_collection(collections / name / "corpus.jsonl.gz")
    }
    return sorted(list(found.items())[:limit])


def _read_queries(collections: Path, texts: list[tuple[str, str]]) -> list[str]:
    """Return the beginnings of some documents, and judged queries."""
    step = max(1, len(texts) // ASKED)
    found = [" ".join(text.split()[:12]) for _, text in texts[::step][:ASKED]]
    for name in JUDGED:
        with gzip.open(collections / name / "queries.jsonl.gz", "rt", encoding="utf-8") as handle:
            found += [json.loads(line)["text"] for line in handle][:ASKED]
    return found


def _load() -> float:
    return os.getloadavg()[0] / (os.cpu_count() or 1)
