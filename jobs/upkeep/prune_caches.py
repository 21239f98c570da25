"""The caches forget what no live table says: vectors, scores and replies of texts that are in no stage output any more.

A text is live when a kept document, a positive's query or a written text of a stage output in the workspace is it; a
reply when a table of replies or of contexts has it. Vectors and scores are stored under hashes of texts, replies as
they came.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection
from pathlib import Path

import pyarrow.dataset as ds
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.cache.parts import open_caches
from jobs.cache.replies import clean_reply
from jobs.store.layout import JOURNALS, MANIFEST, cache_folder, list_outputs
from jobs.store.tables import Store
from pipeline.contract import local_frame
from schemas.documents import DOCUMENTS
from schemas.pairs import CONTEXTS, POSITIVES, REPLIES, SYNTHETICS

_TEXTS = (("guard", DOCUMENTS, "text"), ("synthesise", POSITIVES, "query"), ("synthesise", SYNTHETICS, "text"))


def prune_caches(spark: SparkSession, store: Store, gone: Collection[Path], dry: bool) -> list[str]:
    """Forget what only the stage outputs in ``gone``, or none, hold; return a line for each folder that loses rows.

    Cost: reads the texts of every stage output that stays, and the keys of the caches.
    """
    lines, root = [], store.workspace
    keys = _collect_live_keys(spark, store, gone).persist()
    try:
        for cache in open_caches(spark, cache_folder(root)):
            live = cache.read()
            for key in cache.keys:
                live = live.join(keys.withColumnRenamed("key", key), key, how="left_semi")
            whole, kept = (frame.select(*cache.keys).distinct().count() for frame in (cache.read(), live))
            if kept < whole and not dry:
                cache.rewrite(live)
            lines += _line(cache.folder.relative_to(root), whole - kept, whole)
    finally:
        keys.unpersist()
    replies = _collect_live_replies(store, gone)
    for path in sorted(cache_folder(root, JOURNALS).glob("*/*.jsonl")):
        lines += _line(path.relative_to(root), *_prune_journal(path, replies, dry))
    return lines


def _line(path: Path, dead: int, whole: int) -> list[str]:
    return [f"{'cache rows':<14} {path}  {dead:,} of {whole:,}"] if dead else []


def _find_tables(store: Store, stage: str, name: str, gone: Collection[Path]) -> list[Path]:
    homes = [home for home in list_outputs(store.workspace, stage) if home not in gone and (home / MANIFEST).is_file()]
    return [path for home in homes if any((path := store.fetch(stage, home.name, name)).glob("*.parquet"))]


def _collect_live_keys(spark: SparkSession, store: Store, gone: Collection[Path]) -> DataFrame:
    found = local_frame(spark, [], "key string")
    for stage, table, column in _TEXTS:
        for path in _find_tables(store, stage, table.name, gone):
            rows = spark.read.parquet(str(path))
            if table is DOCUMENTS:  # the others' texts are in no cache, but those of dropped rows may be asked again
                rows = rows.where("drop_reason is null")
            found = found.unionByName(rows.select(F.sha2(column, 256).alias("key")))
    return found.distinct()


def _collect_live_replies(store: Store, gone: Collection[Path]) -> set[bytes]:
    """Return the hashes of all live replies; there are as many as a model could write, so memory holds them."""
    found: set[bytes] = set()
    for path in [
        *_find_tables(store, "synthesise", REPLIES.name, gone),
        *_find_tables(store, "ingest", CONTEXTS.name, gone),
    ]:
        for batch in ds.dataset(path, format="parquet").to_batches(columns=["reply"]):
            found.update(_hash(reply) for reply in batch.column(0).to_pylist())
    return found


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _prune_journal(path: Path, live: Collection[bytes], dry: bool) -> tuple[int, int]:
    """Rewrite a journal without its dead lines, the unreadable ones among them; return how many those are, of all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    dead = whole = 0
    with path.open("rb") as lines, partial.open("wb") as kept:
        for line in lines:
            whole += 1
            if _is_live(line, live):
                kept.write(line)
            else:
                dead += 1
        kept.flush()
        os.fsync(kept.fileno())
    if dry or not dead:
        partial.unlink()
    elif dead == whole:
        partial.unlink()
        path.unlink()
    else:
        partial.replace(path)
    return dead, whole


def _is_live(line: bytes, live: Collection[bytes]) -> bool:
    try:
        return line.endswith(b"\n") and _hash(clean_reply(json.loads(line)["reply"])) in live
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
