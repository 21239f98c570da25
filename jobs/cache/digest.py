"""Under which digest the results of an engine are kept: its files, its settings, and the machine that computes."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator
from typing import Protocol

import pyarrow as pa
from pyspark.sql import SparkSession

from jobs.spark.workers import import_ahead
from jobs.store.files import digest_of
from pipeline.placement import device_profile

_ENGINES = ("sentence_transformers",)  # what every engine imports
_LIBRARIES = ("torch", "transformers", "sentence-transformers", "tokenizers")


class Engine(Protocol):
    """What every engine says of itself."""

    @property
    def digest(self) -> str:
        """Digest of the model's files and settings."""
        ...


def engine_digest(spark: SparkSession, factory: Callable[[], Engine], *settings: object) -> str:
    """Return a digest of all that decides an engine's bits, asked where it runs: a worker may have another processor.

    Cost: opens one engine in one worker, unless the factory knows its digest without (a method ``closed_digest``);
          nothing where it also says that the machine decides no bit (``is_portable``).
    """
    told = getattr(factory, "closed_digest", None)
    if told and getattr(factory, "is_portable", False):
        return digest_of([told(), *settings])

    def ask(_: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        found = digest_of([told() if told else factory().digest, platform_facts()])
        yield pa.RecordBatch.from_arrays([pa.array([found])], ["digest"])

    import_ahead(spark, *_ENGINES)
    one = spark.range(1, numPartitions=1)
    found = one.mapInArrow(ask, "digest string", profile=device_profile(one)).collect()[0]["digest"]
    return digest_of([found, *settings])


def platform_facts() -> list[str]:
    """Return what else decides the bits of a float on this machine: libraries, instruction set, kind of device."""
    import torch

    versions = [f"{name} {importlib.metadata.version(name)}" for name in _LIBRARIES]
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return [*versions, torch.backends.cpu.get_cpu_capability(), device]
