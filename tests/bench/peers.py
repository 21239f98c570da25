"""Near-dedupe by the tools people use today: ``python peers.py NAME INPUT OUTPUT`` in the peers' environment.

INPUT is a folder of Parquet files with ``doc_id`` and ``text``. Each reads it, finds near-duplicates by MinHash over
word 5-grams with 14 bands of 8 rows, and writes what is kept below OUTPUT. Prints one JSON line: ``kept``, and
``seconds`` without the interpreter's start and the imports.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

WORKERS, NGRAM, BANDS, ROWS = 2, 5, 14, 8


def datatrove(source: Path, out: Path, language: object = "eng") -> Callable[[], int]:
    """Four pipelines as its own example has them; words by spaCy, its choice for English."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.writers import ParquetWriter
    from datatrove.utils.logging import logger

    logger.remove()
    config = MinhashConfig(n_grams=NGRAM, num_buckets=BANDS, hashes_per_bucket=ROWS)
    folder = {name: str(out / name) for name in ("signatures", "buckets", "remove", "kept", "logs")}

    def read() -> ParquetReader:
        return ParquetReader(str(source), text_key="text", id_key="doc_id")

    def run() -> int:
        steps = (
            ([read(), MinhashDedupSignature(folder["signatures"], config, language)], WORKERS),
            ([MinhashDedupBuckets(folder["signatures"], folder["buckets"], config=config)], BANDS),
            ([MinhashDedupCluster(folder["buckets"], folder["remove"], config)], 1),
            ([read(), MinhashDedupFilter(folder["remove"]), ParquetWriter(folder["kept"])], WORKERS),
        )
        for number, (pipeline, tasks) in enumerate(steps):
            LocalPipelineExecutor(
                pipeline=pipeline,
                tasks=tasks,
                workers=min(tasks, WORKERS),
                logging_dir=f"{folder['logs']}/{number}",
                skip_completed=False,
            ).run()
        return _rows(Path(folder["kept"]))

    return run


def datatrove_whitespace(source: Path, out: Path) -> Callable[[], int]:
    """The same with words cut at white space, the cheapest that it has."""
    from datatrove.utils.word_tokenizers import WhitespaceTokenizer

    return datatrove(source, out, WhitespaceTokenizer())


def text_dedup(source: Path, out: Path) -> Callable[[], int]:
    """Its command ``python -m text_dedup.minhash``, run in this process."""
    from datasets import load_from_disk
    from text_dedup.minhash import main

    arguments = {
        "path": "parquet",
        "data_files": f"{source}/*.parquet",
        "split": "train",
        "column": "text",
        "output": str(out / "kept"),
        "cache_dir": str(out / "cache"),
        "ngram": NGRAM,
        "b": BANDS,
        "r": ROWS,
        "num_perm": BANDS * ROWS,
        "num_proc": WORKERS,
        "threshold": 0.8,
    }
    command = [part for name, value in arguments.items() for part in (f"--{name}", str(value))]

    def run() -> int:
        main(command, standalone_mode=False)
        return len(load_from_disk(str(out / "kept")))

    return run


def datasketch(source: Path, out: Path) -> Callable[[], int]:
    """The loop of its manual: a text is kept when the index knows none like it."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from datasketch import MinHash, MinHashLSH

    word = re.compile(r"\w+")

    def run() -> int:
        table = pq.read_table(source, columns=["doc_id", "text"])
        index = MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS))
        kept = []
        for place, text in enumerate(table["text"].to_pylist()):
            words = word.findall(text.lower())
            grams = {" ".join(words[i : i + NGRAM]).encode() for i in range(max(1, len(words) - NGRAM + 1))}
            signature = MinHash(num_perm=BANDS * ROWS)
            signature.update_batch(list(grams))
            if not index.query(signature):
                index.insert(place, signature, check_duplication=False)
                kept.append(place)
        (out / "kept").mkdir(parents=True)
        pq.write_table(table.take(pa.array(kept)), out / "kept" / "part.parquet")
        return len(kept)

    return run


def _rows(folder: Path) -> int:
    import pyarrow.dataset as ds

    return int(ds.dataset(folder, format="parquet").count_rows())


PEERS: dict[str, Callable[[Path, Path], Callable[[], int]]] = {
    "datatrove": datatrove,
    "datatrove (white space)": datatrove_whitespace,
    "text-dedup": text_dedup,
    "datasketch": datasketch,
}

if __name__ == "__main__":
    peer = PEERS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
    Path(sys.argv[3]).mkdir(parents=True, exist_ok=True)
    os.chdir(sys.argv[3])  # what a peer caches beside itself goes there
    started = time.perf_counter()
    with contextlib.redirect_stdout(sys.stderr):
        count = peer()
    print(json.dumps({"seconds": time.perf_counter() - started, "kept": count}), flush=True)
