"""Scale: how seconds and the driver's memory grow with the corpus, and whether large clusters and long chains stall it.

A corpus of n documents is grown from the docstrings by seeded edits, each document from its number alone: of six, five
are real texts with four words in ten replaced (like nothing else any more) and one is such a text with one word in
fifty replaced again (a near-duplicate of it). So the share of duplicates does not depend on n.

Seconds are from Parquet to Parquet with the session started. The driver's memory is had on a cluster of two processes
(``local-cluster``), where the executor is not the driver.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
from pyspark.sql import SparkSession

from pipeline.contract import spark_schema
from pipeline.ids import hash_id
from schemas.documents import DOCUMENTS, DUPLICATES
from tests.bench.corpora import (
    document_batch,
    edit_words,
    pydocs_documents,
    read_texts,
    session,
    vocabulary_of,
    write_documents,
)
from tests.bench.corpus.speed import dedupe
from tests.bench.rows import Row

SECTION = "scale"
SIZES = (50_000, 200_000, 1_000_000)
COPIES, CHAIN, CHAIN_WORDS = 100_000, 10_000, 100
PERIOD, HEAVY, LIGHT = 6, 0.4, 0.02
EXECUTOR_MB = 3072


def measure(
    work: Path,
    collections: Path | None,
    sizes: tuple[int, ...] = SIZES,
    copies: int = COPIES,
    chain: int = CHAIN,
) -> list[Row]:
    """Dedupe corpora of growing sizes, then one of copies, then a chain."""
    folders = {size: work / f"documents{size}" for size in sizes}
    texts = read_texts(pydocs_documents())
    with session(SECTION, work) as spark:
        for size, folder in folders.items():
            _grow(spark, [text for _, text in texts], size, folder)
    rows, seconds = [], {}
    for size, folder in folders.items():
        found = dedupe(folder, work / f"local{size}", {})
        seconds[size] = found["seconds"]
        rows += [
            Row.of(SECTION, f"{size:,} documents", found["seconds"], "s"),
            Row.of(SECTION, f"{size:,} documents: memory of all processes at the peak", found["peak_mb"], "MB"),
        ]
    small, large = min(sizes), max(sizes)
    exponent = math.log(seconds[large] / seconds[small]) / math.log(large / small)
    rows.append(Row.of(SECTION, f"exponent of the seconds from {small:,} to {large:,}", exponent, "", ("<=", 1.1)))
    return rows + _driver_rows(work, folders) + _extremes(work, texts[0][1], copies, chain)


def _grow(spark: SparkSession, texts: list[str], size: int, folder: Path) -> None:
    """Write a corpus of so many documents."""
    held = spark.sparkContext.broadcast((texts, vocabulary_of(texts)))

    def make(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            numbers = batch.column("id").to_pylist()
            yield document_batch([(hash_id("scale", str(n)), text_of(n, *held.value)) for n in numbers])

    numbers = spark.range(size, numPartitions=max(2, size // 50_000))
    numbers.mapInArrow(make, spark_schema(DOCUMENTS)).write.parquet(str(folder))


def text_of(number: int, texts: list[str], vocabulary: list[str]) -> str:
    """Return the text of one document of the grown corpus."""
    rng = random.Random(number)
    if number % PERIOD == PERIOD - 1:
        parent = rng.randrange(number // PERIOD + 1) * PERIOD + rng.randrange(PERIOD - 1)
        return edit_words(text_of(parent, texts, vocabulary), LIGHT, rng, vocabulary)
    return edit_words(rng.choice(texts), HEAVY, rng, vocabulary)


def _driver_rows(work: Path, folders: dict[int, Path]) -> list[Row]:
    """Measure the driver's two processes beside one executor, for the smallest and the largest corpus."""
    peaks = {}
    for size in (min(folders), max(folders)):
        cluster = {
            "spark.master": f"local-cluster[1,2,{EXECUTOR_MB}]",
            "spark.executor.memory": f"{EXECUTOR_MB}m",
            "spark.driver.memory": "1g",
        }
        peaks[size] = dedupe(folders[size], work / f"cluster{size}", {}, driver_only=True, **cluster)["peak_mb"]
    rows = [
        Row.of(SECTION, f"{size:,} documents: memory of the driver at the peak", mb, "MB") for size, mb in peaks.items()
    ]
    growth = peaks[max(folders)] / peaks[min(folders)]
    return [*rows, Row.of(SECTION, "the driver's memory grows by a factor of", growth, "x", ("<=", 1.5))]


def _extremes(work: Path, text: str, copies: int, chain: int) -> list[Row]:
    """Dedupe many copies of one text, and a chain in which only neighbours are alike."""
    same = write_documents(((f"{i:08}", text) for i in range(copies)), work / "copies")
    chained = write_documents(((f"{i:08}", each) for i, each in enumerate(chain_of(chain))), work / "chain")
    rows = []
    for name, folder, count in (("identical documents", same, copies), ("near-duplicates in a chain", chained, chain)):
        found = dedupe(folder, work / f"{folder.name}-out", {})
        duplicates = ds.dataset(work / f"{folder.name}-out" / DUPLICATES.name, format="parquet").count_rows()
        rows += [
            Row.of(SECTION, f"{count:,} {name}: one survives, duplicates", duplicates, "", ("==", count - 1)),
            Row.of(SECTION, f"{count:,} {name}", found["seconds"], "s", ("<=", 60)),
        ]
    return rows


def chain_of(length: int, words: int = CHAIN_WORDS) -> Iterator[str]:
    """Yield texts each of which differs from the one before by one word: the first and the last share none."""
    rng = random.Random(1)
    current = [f"w{rng.randrange(10**6)}" for _ in range(words)]
    for i in range(length):
        current[i % words] = f"v{i}x{rng.randrange(10**6)}"
        yield " ".join(current)
