"""Embeddings kept by content: a text is encoded once, whatever the build."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from jobs.cache.digest import Engine, engine_digest
from jobs.cache.parts import COLUMNS, Cache
from jobs.store.files import digest_of
from jobs.store.layout import VECTORS


class VectorCache:
    """The port ``VectorMemory`` over ``cache/embeddings``, a folder for each prefix that texts are read with."""

    def __init__(self, spark: SparkSession, home: Path, factory: Callable[[], Engine]) -> None:
        """Ask a worker for the engine's digest."""
        self._spark, self._home = spark, home / VECTORS
        self._digest = engine_digest(spark, factory)
        self._caches: dict[str, Cache] = {}

    def recall(self, wanted: DataFrame, prefix: str, compute: Callable[[DataFrame], DataFrame]) -> DataFrame:
        """Return (key, vector) of the texts, read with that prefix."""
        if prefix not in self._caches:
            folder = self._home / digest_of([self._digest, prefix])
            self._caches[prefix] = Cache(self._spark, folder, *COLUMNS[VECTORS])
        return self._caches[prefix].recall(wanted, compute)

    def counts(self) -> dict[str, int]:
        """Return how many vectors were looked up and how many computed."""
        each = [cache.counts() for cache in self._caches.values()]
        return {name: sum(counts[name] for counts in each) for name in ("cached", "computed")}

    @property
    def seconds(self) -> float:
        """Seconds spent computing."""
        return sum(cache.seconds for cache in self._caches.values())

    def compact(self) -> None:
        """Make few parts of many, when the stage has written its tables."""
        for cache in self._caches.values():
            cache.compact()
