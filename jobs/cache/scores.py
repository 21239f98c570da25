"""A cross-encoder's scores kept by content: a pair is scored once, whatever the build."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pyspark.sql import SparkSession

from jobs.cache.digest import Engine, engine_digest
from jobs.cache.parts import COLUMNS, Cache
from jobs.store.layout import SCORES


def score_cache(spark: SparkSession, home: Path, factory: Callable[[], Engine], *settings: object) -> Cache:
    """Return the cache of a cross-encoder's scores, under the hashes of query and text."""
    return Cache(spark, home / SCORES / engine_digest(spark, factory, *settings), *COLUMNS[SCORES])
