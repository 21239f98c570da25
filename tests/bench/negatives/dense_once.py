"""One dense search from Parquet to Parquet in a process of its own: ``python -m tests.bench.negatives.dense_once``.

Takes one JSON object; does what the stage mine does with the vectors of the stages before it. Prints one JSON line.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.engines.dense import build_search
from jobs.runtime.memory import PeakMemory
from jobs.spark.session import start_session
from pipeline.ids import hash_id
from pipeline.mine.config import MineConfig
from schemas.mining import ANN

_ROWS = 50_000  # of a file
_NOISE = 0.03  # a dimension: a cosine of about .86 to the real vector that it lies near, at 384 dimensions


def search_once(given: dict[str, Any]) -> dict[str, Any]:
    """Search for ``queries`` drawn near ``real`` vectors among ``documents`` drawn so; seconds, and memory at the peak.

    Out: seconds of laying out and of searching, the summed memory of all processes, and the stage's own figures.
    """
    out, cfg = Path(given["out"]), MineConfig.from_mapping(given.get("settings", {}))
    real = np.load(given["real"])
    for name, key, seed in (("documents", "doc_id", 1), ("queries", "query_id", 2)):
        _draw(real, given[name], out / name, key, seed)
    spark = start_session("bench-dense", out / "spark.log", extra=given.get("spark"))
    documents, queries = (spark.read.parquet(str(out / name)) for name in ("documents", "queries"))
    counts, depth = (given["documents"], given["queries"]), cfg.depth_of(ANN)
    spark.range(1000).repartition(2).count()  # Java has loaded its classes, as in a build
    with PeakMemory() as peak:
        started = time.time()
        search = build_search(documents, queries, counts, depth, cfg, 13, out / "vectors")
        laid_out = time.time() - started
        search.find(queries, depth).write.parquet(str(out / "hits"))
        seconds = time.time() - started
    hits = spark.read.parquet(str(out / "hits")).count()
    spark.stop()
    return {"seconds": seconds, "laid_out": laid_out, "peak_mb": peak.mb, "hits": hits, **search.figures}


def _draw(real: np.ndarray, count: int, home: Path, key: str, seed: int) -> None:
    """Write so many vectors drawn near real ones, a file at a time."""
    home.mkdir(parents=True)
    draw = np.random.default_rng(seed)
    for number, start in enumerate(range(0, count, _ROWS)):
        rows = min(_ROWS, count - start)
        vectors = real[draw.integers(0, len(real), rows)]
        vectors = vectors + _NOISE * draw.standard_normal(vectors.shape, dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        offsets = np.arange(0, vectors.size + 1, vectors.shape[1], dtype=np.int32)
        ids = [hash_id(key, str(start + row)) for row in range(rows)]
        lists = pa.ListArray.from_arrays(offsets, vectors.astype(np.float32).ravel())
        pq.write_table(pa.table({key: ids, "vector": lists}), home / f"part-{number:05}.parquet")


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        found = search_once(json.loads(sys.argv[1]))
    print(json.dumps(found))
