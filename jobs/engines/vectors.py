"""Embeddings by id: one matrix in a file that all workers of a machine map into memory and share.

The ids stand beside it in order, so that a bisection finds the row of an id, and nothing but the ids is searched.
Known weakness: one process lays them out, and every worker must mount the folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from pipeline.ports import FloatMatrix
from pipeline.vectors import matrix_of
from schemas.errors import ShardError

_REBUILD = "try building the stage that embeds again"
_VECTORS, _IDS, _FACTS = "vectors.npy", "ids.npy", "vectors.json"


def store_vectors(tables: Mapping[Path, str], folder: Path) -> int:
    """Lay out embeddings in a folder; return their number.

    In:     directories of Parquet files with a ``vector`` each, and the column that holds their ids.
    Out:    ids in order, vectors (N, H) float32 beside them.
    Cost:   the ids in memory, and one row group of vectors.
    Raises: ShardError when vectors differ in width, when an id has two, and for files that cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ids = [row.encode() for batch in _columns(tables) for row in batch.to_pylist()]
    names = np.array(ids, dtype=bytes)
    order = np.argsort(names, kind="stable")
    place = np.empty(len(ids), np.int64)
    place[order] = np.arange(len(ids))
    names = names[order]
    if len(twice := np.flatnonzero(names[1:] == names[:-1])):
        fault = f"got two for {names[twice[0]].decode()} in {_places(tables)}; {_REBUILD}"
        raise ShardError(f"embeddings must have one vector per id, {fault}")
    np.save(folder / _IDS, names)
    width, start = 0, 0
    vectors: Any = None
    for batch in _columns(dict.fromkeys(tables, "vector")):
        if vectors is None:
            width = len(batch[0])
            vectors = np.lib.format.open_memmap(folder / _VECTORS, "w+", np.float32, (len(ids), width))
        if len(batch.flatten()) != width * len(batch):
            raise ShardError(f"embeddings in {_places(tables)} must all have {width} dimensions; {_REBUILD}")
        vectors[place[start : start + len(batch)]] = matrix_of(batch)
        start += len(batch)
    if vectors is not None:
        vectors.flush()
    facts = {"vectors": len(ids), "width": width}
    (folder / _FACTS).write_text(json.dumps(facts, sort_keys=True) + "\n", encoding="utf-8")
    return len(ids)


def write_vectors(ids: Sequence[str], vectors: FloatMatrix, folder: Path) -> FloatMatrix:
    """Lay out vectors that are in memory, (N, H), in the order of their ids; return them in that order.

    Raises: ShardError when an id has two vectors, and for one that is no number.
    """
    names = np.array([each.encode() for each in ids], dtype=bytes)
    order = np.argsort(names, kind="stable")
    names, vectors = names[order], np.ascontiguousarray(vectors[order], np.float32)
    if len(twice := np.flatnonzero(names[1:] == names[:-1])):
        raise ShardError(f"embeddings must have one vector per id, got two for {names[twice[0]].decode()}; {_REBUILD}")
    if len(odd := np.flatnonzero(~np.isfinite(vectors).all(axis=1))):
        raise ShardError(f"embeddings must be finite numbers, got others for {names[odd[0]].decode()}; {_REBUILD}")
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / _IDS, names)
    np.save(folder / _VECTORS, vectors)
    facts = {"vectors": len(names), "width": int(vectors.shape[1])}
    (folder / _FACTS).write_text(json.dumps(facts, sort_keys=True) + "\n", encoding="utf-8")
    return vectors


class StoredVectors:
    """The port ``VectorStore`` over a folder of :func:`store_vectors`; use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        """Map the files into memory. Raises: ShardError when the folder is not complete."""
        self.ids: npt.NDArray[np.bytes_] = np.zeros(0, "S1")
        self.matrix: FloatMatrix = np.zeros((0, 1), np.float32)
        try:
            if json.loads((folder / _FACTS).read_text(encoding="utf-8"))["vectors"]:  # an empty file cannot be mapped
                self.ids = np.asarray(np.load(folder / _IDS, mmap_mode="r"))
                self.matrix = np.asarray(np.load(folder / _VECTORS, mmap_mode="r"))
        except (OSError, ValueError, KeyError) as error:
            said = f"{type(error).__name__}: {error}"
            raise ShardError(f"{folder} holds no complete vectors ({said}); try running the stage again") from error

    def find(self, ids: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the row of each id, (N,); -1 for an id without a vector."""
        wanted = np.array([each.encode() for each in ids], dtype=bytes)
        if not len(self.ids):
            return np.full(len(wanted), -1)
        rows = np.minimum(np.searchsorted(self.ids, wanted), len(self.ids) - 1)
        return np.where(self.ids[rows] == wanted, rows, -1)

    def take(self, rows: npt.NDArray[np.int64]) -> FloatMatrix:
        """Return a copy of rows that :meth:`find` gave, (N, H)."""
        return np.take(self.matrix, rows, axis=0)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the mapped files."""
        del self.ids, self.matrix


@dataclass(frozen=True)
class OpenVectors:
    """Opens the vectors of a folder in any process; picklable."""

    folder: str

    def __call__(self) -> StoredVectors:
        """Return the vectors, mapped by this process."""
        return StoredVectors(Path(self.folder))


def _columns(tables: Mapping[Path, str]) -> Iterator[Any]:
    """Yield a column of each table, batch by batch, always in the same order."""
    for folder, column in tables.items():
        for file in sorted(folder.glob("*.parquet")):
            try:
                for batch in pq.ParquetFile(file).iter_batches(batch_size=8192, columns=[column]):
                    if batch.num_rows:
                        yield batch.column(0)
            except (OSError, ValueError) as error:
                said = " ".join(str(error).split())[:200]
                raise ShardError(f"{file} cannot be read ({said}); {_REBUILD}") from error


def _places(tables: Mapping[Path, str]) -> str:
    return " and ".join(map(str, tables))
