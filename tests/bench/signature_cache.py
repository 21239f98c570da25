"""MinHash signatures computed anew beside signatures looked up in a warm cache: ``... -m tests.bench.signature_cache``.

The argument is a folder of DOCUMENTS, e.g. ``workspace/tables/ingest/<fingerprint>/documents``. The first turn fills
the cache and warms Spark; the others are what a night would pay.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.cache.parts import Cache
from jobs.spark.session import start_session
from pipeline.contract import kept
from pipeline.dedupe.config import DedupeConfig
from pipeline.similarity.near import sign_texts

TURNS = 3
COLUMNS = {"digest": "long", "size": "int", "bands": "array<long>", "shingles": "binary"}


def sign(texts: DataFrame) -> DataFrame:
    """Return (key, signature) of (key, text)."""
    named = texts.select("key", F.xxhash64("key").alias("node"), "text")
    return sign_texts(named, DedupeConfig().signing).select("key", *COLUMNS)


def seconds(use: Callable[[], DataFrame]) -> float:
    """Return how long it takes until every signature is there."""
    started = time.monotonic()
    use().agg(F.sum("size"), F.count("*")).collect()
    return time.monotonic() - started


def main(folder: str) -> None:
    """Print both for each turn."""
    home = Path(tempfile.mkdtemp(prefix="signatures-"))
    spark = start_session("signatures", home / "spark.log")
    documents = kept(spark.read.parquet(folder)).select(F.col("text_hash").alias("key"), "text")
    wanted = documents.groupBy("key").agg(F.first("text").alias("text"))
    cache = Cache(spark, home / "cache", ["key"], COLUMNS)
    for turn in range(1, TURNS + 1):
        computed = seconds(lambda: sign(documents))
        recalled = seconds(lambda: documents.join(cache.recall(wanted, sign), "key", how="inner"))
        said = f"{documents.count():,} texts signed in {computed:.2f} s, through the cache {recalled:.2f} s"
        print(f"turn {turn}: {said}")
        cache.compact()


if __name__ == "__main__":
    main(sys.argv[1])
