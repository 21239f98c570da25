"""Nearest neighbours by faiss, exact by default, with results that do not depend on batching.

The embeddings stand in one memory-mapped file that all workers of a machine share. faiss finds somewhat more than is
asked for, in float32 and in blocks of queries (memory never grows with queries x documents); those few are scored again
in float64, each pair by itself, rounded, and ranked with ties by id. Where a tie may reach past what was found, more is
found. Other faiss indexes (``factory``, e.g. ``HNSW32`` or ``IVF1024,Flat``) trade recall for speed on large corpora.
Source: Douze et al. 2024, The Faiss library.
Known weakness: with a factory, what is found is approximate, though the same in every build.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from jobs.engines.device import task_cores
from jobs.engines.vectors import StoredVectors, store_vectors
from pipeline.ports import FloatMatrix, Hit
from pipeline.search.hits import SCORE_DECIMALS, ranked
from schemas.errors import EngineError, RecipeError, rule

FLAT = "Flat"
BLOCK = 512  # queries of a search
OVERFETCH = 16
_SLACK = 2e-6  # more than float32 errs on an inner product of unit vectors
_TRAINED = 200_000  # vectors that a factory's index is trained on
_INDEX = "index.faiss"


def build_vectors(embeddings: Path, folder: Path, factory: str = FLAT) -> int:
    """Lay out EMBEDDINGS (a directory of Parquet files) for searching; return the number of documents.

    Out:    ids in order, vectors (N, H) float32 beside them, and the faiss index when the factory is not Flat.
    Cost:   the ids in memory, and one row group of vectors.
    Raises: RecipeError for a factory that faiss does not know, ShardError when vectors differ in width.
    """
    count = store_vectors({embeddings: "doc_id"}, folder)
    (folder / _INDEX).unlink(missing_ok=True)
    if count and factory != FLAT:
        with StoredVectors(folder) as stored:
            _build_index(stored.matrix, folder / _INDEX, factory)
    return count


class FaissIndex:
    """The port ``VectorIndex`` over a folder of :func:`build_vectors`; use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        """Map the vectors into memory. Raises: ShardError when the folder holds no complete index."""
        import faiss

        stored = StoredVectors(folder)
        self._ids, self._vectors = stored.ids, stored.matrix
        faiss.omp_set_num_threads(task_cores())  # what they find is scored again, so their number shows nowhere
        index = folder / _INDEX
        self._index = faiss.read_index(str(index)) if index.exists() else None
        self._gpu = _gpu_resources() if self._index is None else None

    def search(self, vectors: FloatMatrix, k: int) -> list[list[Hit]]:
        """Return up to k hits per row of vectors (Q, H), highest inner product first, ties by doc_id.

        Raises: EngineError when the width is not the index's.
        """
        wanted = min(k, len(self._ids))
        if wanted < 1 or not len(vectors):
            return [[] for _ in vectors]
        if vectors.shape[1] != self._vectors.shape[1]:
            fault = rule("queries", f"of {self._vectors.shape[1]} dimensions", vectors.shape[1], "one encoder for both")
            raise EngineError(fault)
        found: list[list[Hit]] = []
        for start in range(0, len(vectors), BLOCK):
            block = np.ascontiguousarray(vectors[start : start + BLOCK])
            rows = self._nearest(block, min(wanted + OVERFETCH, len(self._ids)))
            found += [self._settle(query, hits, wanted) for query, hits in zip(block, rows, strict=True)]
        return found

    def _settle(self, query: npt.NDArray[np.float32], rows: npt.NDArray[np.int64], k: int) -> list[Hit]:
        """Score the rows found exactly and return the k best; fetch more while a tie may reach beyond them."""
        while True:
            rows = rows[rows >= 0]  # approximate indexes may find fewer
            scores = self._exact(query, rows)
            tied = len(rows) > k and scores.min() + _SLACK >= np.sort(scores)[-k]
            more = self._nearest(query[None, :], min(4 * len(rows), len(self._ids)))[0] if tied else rows
            if (more >= 0).sum() <= len(rows):  # nothing else to be found
                names = [name.decode() for name in self._ids[rows]]
                return ranked(list(zip(names, scores.tolist(), strict=True)), k)
            rows = more

    def _exact(self, query: npt.NDArray[np.float32], rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return inner products (R,), each row summed by itself: a matrix kernel's blocking shows in the last bits."""
        products = self._vectors[rows].astype(np.float64) * query.astype(np.float64)
        return np.asarray(np.round(products.sum(axis=1), SCORE_DECIMALS))

    def _nearest(self, block: FloatMatrix, k: int) -> npt.NDArray[np.int64]:
        """Return the rows of about the k nearest documents, (Q, k); -1 where an approximate index found fewer."""
        import faiss

        if self._index is not None:
            return np.asarray(self._index.search(block, k)[1])
        if self._gpu is not None and k <= 2048:
            return np.asarray(faiss.knn_gpu(self._gpu, block, self._vectors, k, metric=faiss.METRIC_INNER_PRODUCT)[1])
        return np.asarray(faiss.knn(block, self._vectors, k, metric=faiss.METRIC_INNER_PRODUCT)[1])

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the mapped file."""
        del self._vectors


@dataclass(frozen=True)
class OpenFaiss:
    """Opens the vectors of a folder in any process; picklable."""

    folder: str

    def __call__(self) -> FaissIndex:
        """Return a searcher of this process."""
        return FaissIndex(Path(self.folder))


def check_factory(factory: str, width: int) -> Any:
    """Return an empty faiss index of the factory. Raises: RecipeError when faiss does not know it."""
    import faiss

    try:
        return faiss.index_factory(width, factory, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        fault = rule("mine.factory", "an index factory string of faiss", factory, "Flat, HNSW32 or IVF1024,Flat")
        raise RecipeError(fault) from error


def _build_index(vectors: FloatMatrix, path: Path, factory: str) -> None:
    """Train on an even sample and add everything, by one thread: threads would add in another order every time."""
    import faiss

    faiss.omp_set_num_threads(1)
    index = check_factory(factory, vectors.shape[1])
    step = max(1, len(vectors) // _TRAINED)
    try:
        index.train(np.ascontiguousarray(vectors[::step]))
        index.add(np.ascontiguousarray(vectors))
    except RuntimeError as error:
        said = " ".join(str(error).split())[-200:]
        fault = f"faiss could not build {factory} over {len(vectors)} vectors: {said}; try mine.factory: Flat"
        raise EngineError(fault) from error
    faiss.write_index(index, str(path))


@functools.lru_cache(maxsize=1)
def _gpu_resources() -> Any:
    """Return faiss' GPU resources, None without a GPU or with faiss for CPUs."""
    import faiss

    if getattr(faiss, "get_num_gpus", lambda: 0)() < 1:
        return None
    return faiss.StandardGpuResources()
