"""What the benchmarks run on: the docstrings of this machine, public collections, and seeded edits of real text."""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import to_arrow_schema

from jobs.runtime.registry import load_stage
from jobs.runtime.runner import run_stage
from jobs.runtime.workspace import Workspace
from jobs.spark.session import start_session
from pipeline.contract import spark_schema
from pipeline.ids import hash_text
from pipeline.recipe import load_recipe
from pipeline.text import normal_form
from schemas.documents import DOCUMENTS

REPOSITORY = Path(__file__).resolve().parents[2]
_SPACES = re.compile(r"(\s+)")
_ROWS = 4096


@contextmanager
def session(name: str, work: Path, **settings: str) -> Iterator[SparkSession]:
    """Start Spark as a build does, and stop it; settings with _ for the dots."""
    extra = {f"spark.{key.replace('_', '.')}": value for key, value in settings.items()}
    spark = start_session(f"bench-{name}", work / "spark.log", extra=extra)
    try:
        yield spark
    finally:
        spark.stop()


def pydocs_documents() -> Path:
    """Return the DOCUMENTS that the recipe pydocs ingests, in the repository's workspace: made once, then kept."""
    place = Workspace.open(load_recipe(REPOSITORY / "jobs" / "recipes" / "pydocs.yaml"), REPOSITORY / "workspace")
    try:
        if place.manifest("ingest") is None:
            run_stage(load_stage("ingest"), place)
    finally:
        place.stop_spark()
    return place.open_output("ingest", DOCUMENTS.name)


def read_texts(documents: Path) -> list[tuple[str, str]]:
    """Return (doc_id, text) of the kept documents of a table, by id."""
    table = pq.read_table(documents, columns=["doc_id", "text", "drop_reason"])
    rows = table.filter(pa.compute.is_null(table["drop_reason"])).sort_by("doc_id")
    return list(zip(rows["doc_id"].to_pylist(), rows["text"].to_pylist(), strict=True))


def read_collection(path: Path) -> list[tuple[str, str]]:
    """Return (id, text) of a public collection that have words, in its own order."""
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        rows = [json.loads(line) for line in handle if line.strip()]
    return [(row.get("id", row.get("_id")), row["text"]) for row in rows if normal_form(row["text"])]


def document_batch(texts: Sequence[tuple[str, str]], source: str = "bench") -> pa.RecordBatch:
    """Return rows of DOCUMENTS for (doc_id, text)."""
    constant = {
        "source": source,
        "path": "bench",
        "line": 1,
        "native_id": None,
        "title": "",
        "links": [],
        "domain": source,
        "license": None,
        "drop_reason": None,
    }
    rows = [
        {
            **constant,
            "doc_id": doc_id,
            "family": doc_id,
            "text": text,
            "chars": len(text),
            "text_hash": hash_text(text),
        }
        for doc_id, text in texts
    ]
    return pa.RecordBatch.from_pylist(rows, schema=to_arrow_schema(spark_schema(DOCUMENTS)))


def write_documents(texts: Iterable[tuple[str, str]], folder: Path, files: int = 2) -> Path:
    """Write (doc_id, text) as DOCUMENTS in so many Parquet files."""
    folder.mkdir(parents=True)
    listed = list(texts)
    for place in range(files):
        part = listed[place::files]
        with pq.ParquetWriter(folder / f"part-{place:05}.parquet", to_arrow_schema(spark_schema(DOCUMENTS))) as out:
            for first in range(0, len(part), _ROWS):
                out.write_batch(document_batch(part[first : first + _ROWS]))
    return folder


def edit_words(text: str, share: float, rng: random.Random, vocabulary: Sequence[str]) -> str:
    """Replace that share of the words, at random places, by random words; at least one where the share is above 0."""
    parts = _SPACES.split(text)
    places = [i for i in range(0, len(parts), 2) if parts[i]]
    count = min(len(places), max(round(len(places) * share), int(share > 0)))
    for i in rng.sample(places, count):
        parts[i] = rng.choice(vocabulary)
    return "".join(parts)


def edit_characters(text: str, share: float, rng: random.Random, vocabulary: Sequence[str]) -> str:
    """Replace that share of the characters at random places: the words of scripts without spaces."""
    parts = list(text)
    places = [i for i, part in enumerate(parts) if part.isalpha()]
    for i in rng.sample(places, round(len(places) * share)):
        parts[i] = rng.choice(vocabulary)
    return "".join(parts)


def vocabulary_of(texts: Iterable[str], most: int = 50_000) -> list[str]:
    """Return the words that stand between spaces in the texts, in order of appearance, each once."""
    found: dict[str, None] = {}
    for text in texts:
        found.update(dict.fromkeys(text.split()))
        if len(found) >= most:
            break
    return list(found)[:most]
