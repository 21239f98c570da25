"""Dense retrieval: which backend encodes how fast and how well, and what a search costs by documents and queries.

``python -m tests.bench.negatives.dense [--searches 100000x10000 1000000x10000 ...]``

The encoder: documents of scifact, 128 tokens, one thread, seconds of its processor (a busy machine shows less in them
than in a clock), nDCG@10 over the judged test queries by exact search. Backends take turns, a slice of documents each.
The search: vectors drawn near real ones, seconds from Parquet to Parquet on all cores, memory summed over all
processes; the exponent is that of seconds against documents x queries, between the smallest and the largest.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import math
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jobs.engines import openvino
from jobs.engines.encoder import OpenEncoder, SentenceEncoder
from pipeline.index.config import EncoderConfig
from pipeline.recipe import Recipe
from tests.bench.rows import Row, no_collections, print_rows

SECTION = "dense"
SEARCHES = ("20000x2000", "80000x2000")  # of `make bench-negatives`; larger ones by an argument
_TURN = 512  # documents that a backend encodes before the next has its turn
_LOSS = 0.003  # of nDCG@10 that a backend may cost
_MOST_MB = 6000.0


def measure(work: Path, collections: Path | None, searches: Sequence[str] = SEARCHES) -> list[Row]:
    """Measure the backends over scifact, then each search, ``DOCUMENTSxQUERIES``, over vectors near its own."""
    if collections is None:
        return [no_collections(SECTION, "backends and search")]
    rows, real = measure_backends(work, collections / "scifact")
    np.save(work / "real.npy", real)
    return [*rows, *measure_searches(work, searches)]


def measure_backends(work: Path, scifact: Path) -> tuple[list[Row], np.ndarray]:
    """Return documents a second and nDCG@10 of every backend, and the documents' vectors by the first."""
    documents, queries, qrels = _read_beir(scifact)
    encoders = open_backends(work)
    texts, seconds = list(documents.values()), dict.fromkeys(encoders, 0.0)
    found: dict[str, list[np.ndarray]] = {name: [] for name in encoders}
    for encoder in encoders.values():
        encoder.encode(texts[:16])
    for start in range(0, len(texts), _TURN):
        for name, encoder in encoders.items():
            begun = time.process_time()
            found[name].append(encoder.encode(texts[start : start + _TURN]))
            seconds[name] += time.process_time() - begun
    vectors = {name: np.concatenate(parts) for name, parts in found.items()}
    quality = {
        name: ndcg(list(documents), vectors[name], list(queries), encoders[name].encode(list(queries.values())), qrels)
        for name in encoders
    }
    first, default = next(iter(encoders)), list(encoders)[-1]
    speed = {name: len(texts) / spent for name, spent in seconds.items()}
    rows: list[Row] = []
    for name in encoders:
        cosine = float((vectors[name] * vectors[first]).sum(axis=1).mean())
        rows.append(Row.of(SECTION, f"encoder, {name}", speed[name], "documents/s"))
        rows.append(Row.of(SECTION, f"encoder, {name}, cosine to {first}", cosine))
        bound = (">=", quality[first] - _LOSS) if name == default else None
        rows.append(Row.of(SECTION, f"encoder, {name}, nDCG@10", quality[name], "", bound))
    fastest = max(speed[name] for name in encoders if quality[name] >= quality[first] - _LOSS)
    rows.append(Row.of(SECTION, f"{default}, of the fastest", speed[default] / fastest, "", (">=", 0.95)))
    return rows, vectors[first]


def open_backends(work: Path) -> dict[str, SentenceEncoder]:
    """Return the encoders that can compute here, float32 by torch first, what ``auto`` takes last."""
    model = Recipe.model_construct(models="").model_path("all-MiniLM-L6-v2")
    found = {
        "torch float32": SentenceEncoder(model, EncoderConfig(dtype="float32"), "cpu"),
        "torch bfloat16": SentenceEncoder(model, EncoderConfig(dtype="bfloat16"), "cpu"),
    }
    if openvino.is_installed() and openvino.fits(model):
        config = EncoderConfig()
        body = openvino.quantise(model, work / "bodies", config.max_length)
        opener = OpenEncoder(str(model), config, "", str(body), openvino.digest_of_body(body))
        found["openvino int8 (auto)"] = SentenceEncoder(model, config, "cpu", opener)
    return found


def measure_searches(work: Path, searches: Sequence[str]) -> list[Row]:
    """Return seconds and memory of every search, and the exponent from the smallest to the largest."""
    rows, points = [], []
    for wanted in searches:
        documents, queries = map(int, wanted.split("x"))
        out = work / wanted
        given = {"documents": documents, "queries": queries, "real": str(work / "real.npy"), "out": str(out)}
        command = [sys.executable, "-m", "tests.bench.negatives.dense_once", json.dumps(given)]
        ran = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        told: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
        shutil.rmtree(out)
        what = f"search, {documents:,} documents x {queries:,} queries ({told['factory']}, {told['shards']} shards)"
        rows.append(Row.of(SECTION, what, told["seconds"], "s"))
        rows.append(Row.of(SECTION, f"{what}, all processes", told["peak_mb"], "MB", ("<", _MOST_MB)))
        points.append((documents * queries, told["seconds"]))
    (low, quick), (high, slow) = min(points), max(points)
    if high > low:
        rows.append(Row.of(SECTION, "search, exponent", math.log(slow / quick) / math.log(high / low)))
    return rows


def ndcg(
    documents: list[str], vectors: np.ndarray, queries: list[str], asked: np.ndarray, qrels: dict[str, set[str]]
) -> float:
    """Return the mean nDCG@10 of an exact search, ties by the order of the documents."""
    total = 0.0
    for query, row in zip(queries, np.round(asked @ vectors.T, 6), strict=True):
        best = np.lexsort((np.arange(len(row)), -row))[:10]
        gained = sum(1 / math.log2(place + 2) for place, each in enumerate(best) if documents[each] in qrels[query])
        total += gained / sum(1 / math.log2(place + 2) for place in range(min(10, len(qrels[query]))))
    return total / len(queries)


def _read_beir(home: Path) -> tuple[dict[str, str], dict[str, str], dict[str, set[str]]]:
    """Return documents (title and text), the judged test queries, and what answers them."""
    qrels: dict[str, set[str]] = {}
    with (home / "qrels" / "test.tsv").open(encoding="utf-8") as handle:
        for row in csv.reader(handle, delimiter="\t"):
            if row[-1].isdigit() and int(row[-1]) > 0:
                qrels.setdefault(row[0], set()).add(row[-2])
    read: list[dict[str, str]] = []
    for name in ("corpus", "queries"):
        with gzip.open(home / f"{name}.jsonl.gz", "rt", encoding="utf-8") as handle:
            rows = [json.loads(line) for line in handle]
        read.append({row["_id"]: f"{row.get('title') or ''} {row['text']}".strip() for row in rows})
    return read[0], {query: text for query, text in read[1].items() if query in qrels}, qrels


if __name__ == "__main__":
    from tests.bench.driver import find_collections

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--searches", nargs="+", default=SEARCHES, metavar="DOCUMENTSxQUERIES")
    with tempfile.TemporaryDirectory(prefix="bench-dense-") as folder:
        print_rows(measure(Path(folder), find_collections(), parser.parse_args().searches))
