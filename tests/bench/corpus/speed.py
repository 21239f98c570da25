"""Speed: near-dedupe of every docstring of this machine, read to written, against the tools people use today.

Same texts, word 5-grams, 14 bands of 8 rows and two workers for all. The peers are given less to read and to write (two
columns, and only what is kept), and the seconds that they need to start and to import their modules are left out.
"After ingest" is the dedupe of a build: ingest (of a small recipe) went before it in the session, so Java has loaded
its classes, as the peers have imported theirs. "The first thing" is that of a session that has run
nothing, a figure without a target. "Start included" is the same run, a new process from nothing to the written result.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.similarity.minhash import Banding, fold_bands, permutations_of, sign_sets
from pipeline.similarity.shingles import shingle_texts
from tests.bench.corpora import REPOSITORY, pydocs_documents, read_texts, write_documents
from tests.bench.peers import BANDS, NGRAM, PEERS, ROWS, WORKERS
from tests.bench.rows import Row

SECTION = "speed"
TARGET = "datatrove"  # the peer that the targets are about
ALIKE = {"ngram": NGRAM, "bands": BANDS, "rows": ROWS, "permutations": BANDS * ROWS}
AFTER_INGEST, FIRST, INCLUDED = (  # as rows are called
    "session started, after ingest",
    "session started, the first thing that it does",
    "start of the session included",
)
TARGETS = {AFTER_INGEST: (">=", 15.0), INCLUDED: (">=", 5.0)}  # of TARGET
INGEST = REPOSITORY / "jobs" / "recipes" / "pydocs-tiny.yaml"
_BATCH = 2048


def measure(
    work: Path,
    collections: Path | None,
    limit: int | None = None,
    runs: int = 3,
    peers: list[str] | None = None,
) -> list[Row]:
    """Measure our kernel, our stage and the peer of the target some times in turns (medians), each other peer once."""
    documents = pydocs_documents()
    texts = read_texts(documents)[:limit]
    if limit:
        documents = write_documents(texts, work / "documents")
    count = len(texts)
    megabytes = sum(len(text.encode()) for _, text in texts) / 1e6
    rows = [
        Row.of(SECTION, "documents of pydocs", count, "", None if limit else (">=", 50_000)),
        Row.of(SECTION, "their text", megabytes, "MB"),
    ]
    kernel = count / _kernel_seconds([text for _, text in texts])
    rows.append(Row.of(SECTION, "kernel alone on one core: shingles, signatures, bands", kernel, "documents/s"))

    names = list(PEERS) if peers is None else peers
    given = _texts_for_peers(texts, work) if names and _peers_python().is_file() else None
    built, bare = [], []
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for run in range(runs):  # in turns: a machine's speed changes by the minute
        built.append(dedupe(documents, work / f"built{run}", ALIKE, ingest=INGEST))
        bare.append(dedupe(documents, work / f"bare{run}", ALIKE))
        for name in names:
            if given and (run == 0 or name == TARGET):
                found[name].append(_peer(name, given, work / f"{name.replace(' ', '-')}{run}"))
    ours = {
        name: count / _median(runs_of, clock)
        for name, runs_of, clock in (
            (AFTER_INGEST, built, "seconds"),
            (FIRST, bare, "seconds"),
            (INCLUDED, bare, "seconds_with_start"),
        )
    }
    rows += [Row.of(SECTION, f"pairwright, {name}", speed, "documents/s") for name, speed in ours.items()]
    default = dedupe(documents, work / "default", {}, ingest=INGEST)
    rows.append(
        Row.of(
            SECTION, f"pairwright, {AFTER_INGEST}, its own banding (21 x 6)", count / default["seconds"], "documents/s"
        )
    )
    share = ours[AFTER_INGEST] / (kernel * WORKERS) * 100
    rows.append(Row.of(SECTION, f"part of what {WORKERS} kernels would do", share, "%"))
    last = built[-1]["steps"]
    rows += [Row.of(SECTION, f"of the last run: {name}", seconds, "s") for name, seconds in last.items()]
    if given is None and names:
        return [*rows, Row.left_out(SECTION, "peers", "their environment is not there; run: make bench-corpus")]
    for name, runs_of in found.items():
        kept, speed = runs_of[0]["kept"], count / _median(runs_of, "seconds")
        rows.append(Row.of(SECTION, f"{name}: {kept:,} kept", speed, "documents/s"))
        targets = TARGETS if name == TARGET else {}
        rows += [
            Row.of(SECTION, f"{how}, against {name}", mine / speed, "x", targets.get(how)) for how, mine in ours.items()
        ]
    return rows


def dedupe(
    documents: Path,
    out: Path,
    settings: dict[str, Any],
    *,
    ingest: Path | None = None,
    driver_only: bool = False,
    **spark: str,
) -> dict[str, Any]:
    """Run a dedupe in a process of its own; see tests.bench.dedupe_once."""
    given = {
        "documents": str(documents),
        "out": str(out),
        "settings": settings,
        "spark": spark,
        "ingest": str(ingest) if ingest else None,
        "driver_only": driver_only,
    }
    ran = subprocess.run(
        [sys.executable, "-m", "tests.bench.dedupe_once", json.dumps(given)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        cwd=REPOSITORY,
    )
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def _kernel_seconds(texts: list[str]) -> float:
    batches = [pa.array(texts[first : first + _BATCH]) for first in range(0, len(texts), _BATCH)]
    factors, shifts = permutations_of(13, BANDS * ROWS)
    started = time.process_time()
    for batch in batches:
        fold_bands(sign_sets(shingle_texts(batch, NGRAM), factors, shifts), Banding(BANDS, ROWS))
    return time.process_time() - started


def _median(found: list[dict[str, Any]], name: str) -> float:
    return statistics.median(each[name] for each in found)


def _peers_python() -> Path:
    return Path(os.environ.get("PAIRWRIGHT_PEERS", REPOSITORY / ".venv-bench" / "bin" / "python"))


def _texts_for_peers(texts: list[tuple[str, str]], work: Path) -> Path:
    given = work / "texts"
    given.mkdir()
    for place in range(WORKERS):
        ids, held = zip(*texts[place::WORKERS], strict=True)
        pq.write_table(pa.table({"doc_id": ids, "text": held}), given / f"part-{place:05}.parquet")
    return given


def _peer(name: str, given: Path, out: Path) -> dict[str, Any]:
    quiet = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "TQDM_DISABLE": "1"}
    environment = {**{key: value for key, value in os.environ.items() if key != "PYTHONPATH"}, **quiet}
    log = out.with_suffix(".log")
    with log.open("w") as handle:
        command = [_peers_python(), REPOSITORY / "tests" / "bench" / "peers.py", name, given, out]
        ran = subprocess.run(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=handle,
            check=False,
            text=True,
            env=environment,
            cwd=given,
        )
    if ran.returncode:
        raise RuntimeError(f"{name} failed: {log.read_text()[-500:]}")
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found
