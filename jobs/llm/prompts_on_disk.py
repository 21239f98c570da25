"""Prompts lie on disk: a passage of a corpus may have one each, and memory holds their ids alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from pyspark.sql import DataFrame

from jobs.runtime.stage import Run
from pipeline.ports import GenerationRequest

_ASKED = ["request_id", "kind", "prompt"]
_ROWS = 1024  # prompts read at a time


def store_prompts(asked: DataFrame, run: Run) -> Path:
    """Return a folder with what is asked: request_id, kind, prompt; those that share their shots follow each other."""
    folder = run.scratch / "asked"
    asked.select(*_ASKED).repartition(1).sortWithinPartitions("prompt", "request_id").write.parquet(str(folder))
    return folder


def read_prompts(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield id, kind and prompt of every request of a folder, some at a time, in their order."""
    for file in sorted(folder.glob("*.parquet")):
        for batch in pq.ParquetFile(file).iter_batches(batch_size=_ROWS, columns=_ASKED):
            yield from zip(*(batch.column(name).to_pylist() for name in _ASKED), strict=True)


@dataclass(frozen=True)
class StoredRequests:
    """Some of the prompts of a folder."""

    folder: Path
    chosen: frozenset[str]  # request ids

    def __iter__(self) -> Iterator[GenerationRequest]:
        """Yield them in the order of the folder."""
        return (
            GenerationRequest(request, prompt)
            for request, _, prompt in read_prompts(self.folder)
            if request in self.chosen
        )

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.chosen)
