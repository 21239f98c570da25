"""Ingest: the rate of every format on a real file, a file larger than memory may hold, and a thousand damaged files."""

from __future__ import annotations

import bz2
import gzip
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from jobs.runtime.memory import PeakMemory
from pipeline.ingest.clean.record import clean_record
from pipeline.ingest.config import SourceConfig, make_source
from pipeline.ingest.files import list_files
from pipeline.ingest.tables import read_records
from pipeline.ingest.units import plan_units, unit_frame
from pipeline.readers.records import DOCUMENT, REJECT, Record
from pipeline.readers.registry import FORMATS
from tests.bench.corpora import read_collection, session
from tests.bench.real_files import write_inputs
from tests.bench.rows import Row, no_collections

SECTION = "ingest"
SEED, FUZZED, LARGE_MB, LARGE_LIMIT_MB = 11, 1_000, 2_000, 4_096
_WHOLE = frozenset({"beir", "msmarco", "markdown", "pydocs", "text", "html"})  # folders: no one file to damage
_PACK = {"gz": gzip.compress, "bz2": bz2.compress, "zst": lambda raw: pa.compress(raw, "zstd", asbytes=True)}


def measure(
    work: Path,
    collections: Path | None,
    large_mb: int = LARGE_MB,
    fuzzed: int = FUZZED,
) -> list[Row]:
    """Read real files, one large one, and damaged ones."""
    if collections is None:
        return [no_collections(SECTION, "real files of every format")]
    sources = write_inputs(work / "real", collections)
    rows = [row for name, source in sources.items() for row in _rate(name, source)]
    rows += _fuzz(sources, work / "fuzz", fuzzed)
    return rows + _large(work, collections, large_mb)


def read_source(source: SourceConfig) -> Iterator[Record]:
    """Read a source in this process, one unit after the other."""
    for unit in plan_units([source]):
        yield from FORMATS[source.format].read(unit, source)


def _rate(name: str, source: SourceConfig) -> list[Row]:
    size = sum(file.size for file in list_files(source))
    documents = rejects = 0
    started = time.process_time()
    for record in read_source(source):
        clean_record(record, source)
        documents += record.kind == DOCUMENT
        rejects += record.kind == REJECT
    seconds = time.process_time() - started
    what = f"{name}: {size / 1e6:,.1f} MB, {documents:,} documents, {rejects:,} rejects"
    return [
        Row.of(SECTION, f"{what}; one core, read and cleaned", size / 1e6 / seconds, "MB/s"),
        Row.of(SECTION, f"{name}: documents read", documents, "", (">=", 1)),
    ]


def _large(work: Path, collections: Path, megabytes: int) -> list[Row]:
    """Read one JSONL file through Spark, as the stage does."""
    path = work / "large.jsonl"
    texts = [text for _, text in read_collection(collections / "license_texts" / "corpus.jsonl.gz")]
    written = number = 0
    with path.open("wb") as handle:
        while written < megabytes * 1_000_000:
            row = json.dumps({"id": str(number), "text": texts[number % len(texts)]})
            written += handle.write(row.encode() + b"\n")
            number += 1
    source = make_source(name="large", format="jsonl", path=str(path))
    with PeakMemory() as peak, session(SECTION, work) as spark:
        started = time.monotonic()
        counts = (
            read_records(unit_frame(spark, plan_units([source])), [source])
            .groupBy("kind")
            .agg(F.count("*").alias("count"), F.sum(F.length("text")).alias("chars"))
            .collect()
        )
        seconds = time.monotonic() - started
    path.unlink()
    read = {row["kind"]: row["count"] for row in counts}
    return [
        Row.of(
            SECTION,
            f"one JSONL file of {written / 1e9:.2f} GB, of {number:,} lines missed",
            number - read.get(DOCUMENT, 0),
            "lines",
            ("==", 0),
        ),
        Row.of(SECTION, "its rate, all cores, through Spark", written / 1e6 / seconds, "MB/s"),
        Row.of(SECTION, "memory of all processes at the peak", peak.mb, "MB", ("<=", LARGE_LIMIT_MB)),
    ]


class _Tally:
    """What came of the damaged files."""

    def __init__(self) -> None:
        self.files = self.rejects = self.documents = self.unexplained = self.silent = 0
        self.crashes: list[str] = []

    def read(self, path: Path, form: str) -> None:
        """Read one file, whatever it holds."""
        source = make_source(name=form, format=form, path=str(path), max_unpacked=1 << 20, max_bytes=1 << 20)
        self.files += 1
        found = 0
        try:
            for record in read_source(source):
                clean_record(record, source)
                found += 1
                self.documents += record.kind == DOCUMENT
                if record.kind == REJECT:
                    self.rejects += 1
                    self.unexplained += not (record.reason and record.detail)
        except Exception as error:  # noqa: BLE001 -- that is what is asked: none of any kind
            self.crashes.append(f"{path.name}: {type(error).__name__}: {error}")
        self.silent += not found


def _fuzz(sources: dict[str, SourceConfig], folder: Path, files: int) -> list[Row]:
    """Damage real files in four ways, and let Hypothesis write the rest."""
    folder.mkdir()
    tally, rng = _Tally(), random.Random(SEED)
    whole = {name: source for name, source in sources.items() if name not in _WHOLE}
    kinds = {name: (source.format, "".join(Path(source.path).suffixes)) for name, source in whole.items()}
    samples = {name: _sample(Path(source.path)) for name, source in whole.items()}
    for number in range(files * 6 // 10):
        name = rng.choice(sorted(samples))
        form, suffix = kinds[name]
        path = folder / f"{number:05}{suffix}"
        path.write_bytes(_damage(samples[name], suffix, rng))
        tally.read(path, form)
        path.unlink()
    for form, suffix in (
        ("jsonl", ".jsonl"),
        ("json", ".json"),
        ("csv", ".csv"),
        ("html", ".html"),
        ("tsv", ".tsv"),
        ("warc", ".warc"),
        ("pdf", ".pdf"),
        ("squad", ".json"),
        ("text", ".txt"),
        ("markdown", ".md"),
    ):
        _write_any(folder / f"any{suffix}", form, files * 4 // 100, tally)
    rows = [
        Row.of(
            SECTION,
            f"damaged files read, {tally.documents:,} documents and {tally.rejects:,} rejects of them",
            tally.files,
            "",
            (">=", files),
        )
    ]
    rows += [Row(SECTION, f"crash: {crash[:150]}", None) for crash in tally.crashes[:5]]
    return [
        *rows,
        Row.of(SECTION, "crashes", len(tally.crashes), "", ("==", 0)),
        Row.of(SECTION, "rejects without reason and explanation", tally.unexplained, "", ("==", 0)),
        Row.of(SECTION, "damaged files of which nothing is said", tally.silent),
    ]


def _sample(path: Path) -> bytes:
    """Return the beginning of a file, small enough to be read a hundred times; files with an end of their own whole."""
    raw = path.read_bytes()
    return raw if path.suffix in (".parquet", ".pdf") else raw[:200_000]


def _damage(raw: bytes, suffix: str, rng: random.Random) -> bytes:
    """Cut a file, flip some of its bytes, write it in another encoding, or make a bomb of it."""
    way = rng.randrange(4)
    if way == 0:
        return raw[: rng.randrange(len(raw))]
    if way == 1:
        changed = bytearray(raw)
        for _ in range(rng.randint(1, 40)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        return bytes(changed)
    pack = _PACK.get(suffix.rpartition(".")[2])
    if way == 2 or pack is None:
        other = rng.choice(["utf-16", "utf-32", "latin-1", "cp1252"])
        return raw[:20_000].decode("utf-8", "replace").encode(other, "replace")
    return pack(b'{"text": "' + b"a " * (8 << 20) + b'"}\n')


def _write_any(path: Path, form: str, examples: int, tally: _Tally) -> None:
    """Have Hypothesis write files of bytes, of text, of JSON and of HTML."""
    names = st.sampled_from(["id", "text", "title", "data"]) | st.text()
    json_values = st.recursive(
        st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(names, inner),
    )
    contents = st.one_of(
        st.binary(max_size=2_000),
        st.text(max_size=2_000).map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.lists(json_values.map(json.dumps)).map(lambda lines: "\n".join(lines).encode()),
        st.lists(
            st.sampled_from(["<p>", "</p>", "<h1>", "a word", "\0", "<!--", "&#0;", "\t", '"', "\n", "%PDF-1.4\n"])
        ).map(lambda parts: "".join(parts).encode()),
    )

    @seed(SEED)
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(contents)
    def write(raw: bytes) -> None:
        path.write_bytes(raw)
        tally.read(path, form)

    write()
