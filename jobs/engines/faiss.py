"""Nearest neighbours by faiss over shards, exact by default, with results that do not depend on batching or shards.

One shard after the other is mapped into memory (all workers of a machine share the file), searched in blocks of
queries for somewhat more than is asked for, in float32, and merged with what the shards before it gave: memory grows
neither with the documents nor with queries x documents. Those few are scored again in float64, each pair by itself,
rounded, and ranked with ties by id. Where a tie may reach past what was found, more is found. So the hits are those of
one index over all documents. Approximate indexes (``jobs/engines/indexes.py``) trade recall for speed on large corpora.
Source: Douze et al. 2024, The Faiss library.
Known weakness: with an approximate index, what is found is approximate, though the same in every build.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from jobs.engines.device import task_cores
from jobs.engines.indexes import open_index
from jobs.engines.shards import INDEX, open_shard, read_facts, shard_folder
from pipeline.ports import FloatMatrix, Hit
from pipeline.search.hits import SCORE_DECIMALS, ranked
from schemas.errors import EngineError, rule

BLOCK = 512  # queries of a search
OVERFETCH = 16
_SETTLED = 512  # documents found whose vectors are in memory in float64 at a time
_SLACK = 2e-6  # more than float32 errs on an inner product of unit vectors
_MOST_ON_GPU = 2048  # neighbours that faiss finds on a GPU
Places = npt.NDArray[np.int64]
Nearest = Callable[[FloatMatrix, int], tuple[FloatMatrix, Places]]


class _Found(NamedTuple):
    """The best so far, (Q, K): float32 scores, shards (-1 = nothing there) and rows in them."""

    scores: FloatMatrix
    shards: Places
    rows: Places


class FaissIndex:
    """The port ``VectorIndex`` over a folder of shards; use it as a context manager."""

    def __init__(self, folder: Path, effort: int = 0, *, exact: bool = False) -> None:
        """Read what the folder holds; ``exact`` compares every document, whatever index lies there.

        Raises: ShardError when the folder holds no complete shards.
        """
        import faiss

        self._folder, self._facts = folder, read_facts(folder)
        self._effort, self._exact = effort, exact
        faiss.omp_set_num_threads(task_cores())  # what they find is scored again, so their number shows nowhere

    def search(self, vectors: FloatMatrix, k: int, span: int = 0, spans: int = 1) -> list[list[Hit]]:
        """Return up to k hits per row of vectors (Q, H), highest inner product first, ties by doc_id.

        ``span`` of ``spans``: only that part of the shards is searched.

        Raises: EngineError when the vectors are no numbers, or their width is not the documents'; ShardError when a
                shard is missing or damaged.
        """
        shards = [each for each in range(span, len(self._facts.rows), spans) if self._facts.rows[each]]
        held = sum(self._facts.rows[each] for each in shards)
        if min(k, held) < 1 or not len(vectors):
            return [[] for _ in vectors]
        if vectors.shape[1] != self._facts.width:
            fault = rule("queries", f"of {self._facts.width} dimensions", vectors.shape[1], "one encoder for both")
            raise EngineError(fault)
        if not np.isfinite(vectors).all():
            raise EngineError("vectors of queries must be finite numbers, got others; try another encoder.dtype")
        return self._search(np.ascontiguousarray(vectors), shards, min(k, held), min(k + OVERFETCH, held))

    def _search(self, vectors: FloatMatrix, shards: list[int], k: int, fetched: int) -> list[list[Hit]]:
        """Find ``fetched`` in float32, score them exactly and return the k best; fetch more where a tie goes beyond."""
        found = self._find(vectors, shards, fetched)
        scores, names = self._score(vectors, found)
        hits, open_ends = [], []
        for place, (row, ids, shard) in enumerate(zip(scores, names, found.shards, strict=True)):
            there = shard >= 0  # approximate indexes may find fewer
            row, ids = row[there], ids[there]
            hits.append(ranked([(name.decode(), score) for name, score in zip(ids, row.tolist(), strict=True)], k))
            if len(row) > k and row.min() + _SLACK >= hits[-1][-1].score:
                open_ends.append(place)
        most = sum(self._facts.rows[each] for each in shards)
        if open_ends and fetched < most:
            again = self._search(vectors[open_ends], shards, k, min(4 * fetched, most))
            for place, better in zip(open_ends, again, strict=True):
                hits[place] = better
        return hits

    def _find(self, vectors: FloatMatrix, shards: list[int], k: int) -> _Found:
        """Return about the k nearest documents of the shards, as float32 sees them."""
        best = _Found(
            np.full((len(vectors), k), -np.inf, np.float32),
            np.full((len(vectors), k), -1, np.int64),
            np.full((len(vectors), k), -1, np.int64),
        )
        for shard in shards:
            with self._open(shard) as nearest:
                for start in range(0, len(vectors), BLOCK):
                    scores, rows = nearest(vectors[start : start + BLOCK], min(k, self._facts.rows[shard]))
                    here = _Found(scores, np.where(rows >= 0, shard, -1), rows)
                    block = slice(start, start + BLOCK)
                    _keep_best(_Found(best.scores[block], best.shards[block], best.rows[block]), here)
        return best

    def _score(self, vectors: FloatMatrix, found: _Found) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bytes_]]:
        """Return inner products and ids, (Q, K), each product summed by itself: a matrix kernel's blocking shows."""
        scores = np.full(found.scores.shape, -np.inf)
        names = np.zeros(found.scores.shape, "S1")
        for shard in np.unique(found.shards[found.shards >= 0]).tolist():
            with open_shard(self._folder, self._facts, shard) as stored:
                if stored.ids.dtype.itemsize > names.dtype.itemsize:
                    names = names.astype(stored.ids.dtype)
                queries, columns = np.nonzero(found.shards == shard)
                for start in range(0, len(queries), _SETTLED):
                    pair = queries[start : start + _SETTLED], columns[start : start + _SETTLED]
                    rows = found.rows[pair]
                    products = stored.matrix[rows].astype(np.float64) * vectors[pair[0]].astype(np.float64)
                    scores[pair], names[pair] = np.round(products.sum(axis=1), SCORE_DECIMALS), stored.ids[rows]
        return scores, names

    @contextmanager
    def _open(self, shard: int) -> Iterator[Nearest]:
        """Yield what finds about the k nearest of one shard, (scores, rows), each (Q, k); -1 where there are fewer."""
        import faiss

        index = shard_folder(self._folder, shard) / INDEX
        if index.exists() and not self._exact:
            approximate = open_index(index, self._facts.factory, self._effort)
            yield lambda block, k: approximate.search(block, k)
            return
        with open_shard(self._folder, self._facts, shard) as stored:
            matrix, gpu, metric = stored.matrix, _gpu_resources(), faiss.METRIC_INNER_PRODUCT

            def compare(block: FloatMatrix, k: int) -> tuple[FloatMatrix, Places]:
                if gpu is not None and k <= _MOST_ON_GPU:
                    found: tuple[FloatMatrix, Places] = faiss.knn_gpu(gpu, block, matrix, k, metric=metric)
                else:
                    found = faiss.knn(block, matrix, k, metric=metric)
                return found

            yield compare

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held between searches."""


@dataclass(frozen=True)
class OpenFaiss:
    """Opens the shards of a folder in any process, looking that hard; picklable."""

    folder: str
    effort: int = 0
    exact: bool = False

    def __call__(self) -> FaissIndex:
        """Return a searcher of this process."""
        return FaissIndex(Path(self.folder), self.effort, exact=self.exact)


def _keep_best(best: _Found, new: _Found) -> None:
    """Put the best of both into ``best``; which of equal scores stay at the edge, the exact scores settle later."""
    k = best.scores.shape[1]
    scores = np.concatenate((best.scores, new.scores), axis=1)
    chosen = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    best.scores[:] = np.take_along_axis(scores, chosen, axis=1)
    best.shards[:] = np.take_along_axis(np.concatenate((best.shards, new.shards), axis=1), chosen, axis=1)
    best.rows[:] = np.take_along_axis(np.concatenate((best.rows, new.rows), axis=1), chosen, axis=1)


@functools.lru_cache(maxsize=1)
def _gpu_resources() -> Any:
    """Return faiss' GPU resources, None without a GPU or with faiss for CPUs."""
    import faiss

    if getattr(faiss, "get_num_gpus", lambda: 0)() < 1:
        return None
    return faiss.StandardGpuResources()
