"""Which faiss index searches a shard, and how hard it looks: exact until that takes too long, approximate beyond.

Measured on one core over 131,072 vectors of 384 dimensions drawn near real ones, 76 neighbours: every document compared
takes .85 ms a query, for faiss multiplies blocks of queries as matrices; IVF724,SQ8 takes .10 ms at a recall of .94 and
.32 ms at .99, after 4 s for the index; HNSW32,SQ8 .08 ms at .93 and .24 ms at .99, after 13 s. So ``auto`` compares
every document until documents times queries exceed EXACT_PAIRS, some eleven minutes of one core, and takes IVF with
bytes for numbers beyond; what is found is scored again by the whole vectors. How many lists are probed is raised until
a sample says enough.
Source: Douze et al. 2024, The Faiss library; Jegou et al. 2011 (inverted lists).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.ports import FloatMatrix
from schemas.errors import EngineError, RecipeError, rule

AUTO, FLAT = "auto", "Flat"
EXACT_PAIRS = 1e11  # documents times queries that are compared one by one: a million times a hundred thousand
EFFORTS = (8, 16, 32, 64, 128, 256, 512)  # lists probed (IVF), or nodes held (HNSW)
_ROWS_A_LIST = 39  # fewer, and faiss finds too little to train a list on
_TRAINED = 200_000  # vectors that an index is trained on


def choose_factory(factory: str, documents: int, queries: int, rows: int) -> str:
    """Return the factory of shards of so many rows: ``auto`` decides by documents and queries, others stand."""
    if factory != AUTO:
        return factory
    if documents * queries <= EXACT_PAIRS:
        return FLAT
    held = min(rows, documents)
    return f"IVF{max(1, min(int(2 * held**0.5), held // _ROWS_A_LIST))},SQ8"


def check_factory(factory: str, width: int) -> Any:
    """Return an empty faiss index of the factory. Raises: RecipeError when faiss does not know it."""
    import faiss

    try:
        return faiss.index_factory(width, factory, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        fault = rule("mine.factory", "an index factory string of faiss", factory, "auto, Flat, HNSW32 or IVF1024,Flat")
        raise RecipeError(fault) from error


def build_index(vectors: FloatMatrix, path: Path, factory: str) -> None:
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


def efforts_of(factory: str) -> tuple[int, ...]:
    """Return how hard an index of the factory may be told to look; only 0 where nothing can be told."""
    return EFFORTS if _parameter_of(factory) else (0,)


def open_index(path: Path, factory: str, effort: int) -> Any:
    """Return the index of a file, looking that hard; 0 = as faiss does by itself."""
    import faiss

    index = faiss.read_index(str(path))
    if effort and (name := _parameter_of(factory)):
        faiss.ParameterSpace().set_index_parameter(index, name, effort)
    return index


def _parameter_of(factory: str) -> str:
    return "nprobe" if "IVF" in factory else "efSearch" if "HNSW" in factory else ""
