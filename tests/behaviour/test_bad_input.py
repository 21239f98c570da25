"""Bad input, one row a case: good rows go on, the rest is kept and counted, and each failure is one clear line."""

import bz2
import gzip
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from jobs.engines.vllm.client import OpenAiGenerator
from jobs.engines.vllm.server import ServerSettings, VllmServer
from jobs.runtime.registry import load_stage
from jobs.runtime.runner import run_stage
from jobs.runtime.workspace import Workspace
from pipeline.ingest.config import make_source
from pipeline.ingest.units import plan_units
from pipeline.ports import GenerationRequest
from pipeline.readers.formats.jsonl import read_jsonl
from pipeline.readers.registry import FORMATS
from pipeline.recipe import load_recipe
from schemas.errors import EngineError, RecipeError

JSONL = {"format": "jsonl", "path": "in"}
GOOD = b'{"id": "good", "text": "A good document, long enough to be kept."}\n'


@dataclass(frozen=True)
class Input:
    """Files, the format that reads them, and what must come of them besides one good document."""

    name: str
    files: dict[str, bytes | Callable[[Path], None]]
    rejects: list[tuple[str, int, str]] = field(default_factory=list)
    drops: dict[str, int] = field(default_factory=dict)
    kept: int = 1
    format: str = "jsonl"


def parquet(**columns: list[object]) -> Callable[[Path], None]:
    return lambda path: pq.write_table(pa.table(columns), path)


def truncated_parquet(path: Path) -> None:
    pq.write_table(pa.table({"text": ["some text"] * 1000}), path)
    path.write_bytes(path.read_bytes()[:-20])


def line(**row: object) -> bytes:
    return json.dumps(row).encode() + b"\n"


def broken_gzip() -> bytes:
    """Ten good lines, and a compressed line that ends in the middle."""
    noise = "".join(hashlib.sha512(str(n).encode()).hexdigest() for n in range(2000))
    packed = gzip.compress(b"".join(line(id=n, text=f"Good document number {n} of ten.") for n in range(10)), mtime=0)
    return packed + gzip.compress(line(text=noise), mtime=0)[:50_000]


def zstd(data: bytes) -> bytes:
    packed = pa.BufferOutputStream()
    with pa.CompressedOutputStream(packed, "zstd") as stream:
        stream.write(data)
    return packed.getvalue().to_pybytes()


LONG_ENOUGH = "A good document, long enough to be kept."
LARGE = b"long " * (10 << 20)
GOOD_TEXT, GOOD_PARQUET = LONG_ENOUGH.encode(), parquet(text=[LONG_ENOUGH])
GOOD_CSV = b"id,text\n1," + LONG_ENOUGH.replace(",", ";").encode() + b"\n"
GOOD_PAGE = b"<html><body><h1>Tea</h1><p>" + GOOD_TEXT + b"</p></body></html>"
GOOD_WET = b"\r\n".join(
    [
        b"WARC/1.0",
        b"WARC-Type: conversion",
        b"WARC-Target-URI: http://a",
        b"Content-Length: %d" % len(GOOD_TEXT),
        b"",
        GOOD_TEXT,
        b"",
        b"",
    ]
)
GOOD_ARRAY = b'[{"text": "' + GOOD_TEXT + b'"}]\n'
GOOD_SQUAD = json.dumps({"data": [{"paragraphs": [{"context": LONG_ENOUGH, "qas": []}]}]}).encode()
WRONG_TYPES = (
    line(text=5) + line(text=["a"]) + line(text="t", id={}) + line(text="t", title=1) + line(text="t", links=[[]])
)

INPUTS = [
    Input("empty file", {"a.jsonl": GOOD, "b.jsonl": b""}, [("b.jsonl", 0, "empty_file")]),
    Input(
        "wrong encoding", {"a.jsonl": GOOD + '{"text": "Käse"}\n'.encode("latin-1")}, [("a.jsonl", 2, "wrong_encoding")]
    ),
    Input(
        "UTF-16",
        {"a.jsonl": GOOD, "b.jsonl": '{"text": "wide"}\n'.encode("utf-16-le")},
        [("b.jsonl", 1, "nul_bytes"), ("b.jsonl", 2, "nul_bytes")],
    ),
    Input("broken gzip", {"a.jsonl.gz": broken_gzip()}, [("a.jsonl.gz", 11, "broken_gzip")], kept=10),
    Input("gzip that is none", {"a.jsonl": GOOD, "b.jsonl.gz": b"plain text"}, [("b.jsonl.gz", 1, "broken_gzip")]),
    Input(
        "truncated Parquet",
        {"a.parquet": GOOD_PARQUET, "b.parquet": truncated_parquet},
        [("b.parquet", 0, "unreadable")],
        format="parquet",
    ),
    Input(
        "Parquet without the column",
        {"a.parquet": GOOD_PARQUET, "b.parquet": parquet(body=["x"])},
        [("b.parquet", 0, "missing_field")],
        format="parquet",
    ),
    Input(
        "Parquet of the wrong type",
        {"a.parquet": GOOD_PARQUET, "b.parquet": parquet(text=[1, 2])},
        [("b.parquet", 1, "wrong_type"), ("b.parquet", 2, "wrong_type")],
        format="parquet",
    ),
    Input(
        "Parquet without rows",
        {"a.parquet": GOOD_PARQUET, "b.parquet": parquet(text=pa.array([], pa.string()))},
        [("b.parquet", 0, "empty_file")],
        format="parquet",
    ),
    Input(
        "a line that is no object",
        {"a.jsonl": b'[1]\n"text"\nnull\n' + GOOD},
        [("a.jsonl", n, "not_an_object") for n in (1, 2, 3)],
    ),
    Input(
        "broken JSON",
        {"a.jsonl": b'{"text": "cut\n' + GOOD + b"[" * 100_000 + b"\n"},
        [("a.jsonl", 1, "not_json"), ("a.jsonl", 3, "not_json")],
    ),
    Input(
        "missing field",
        {"a.jsonl": b'{"body": "x"}\n{"text": null}\n{}\n' + GOOD},
        [("a.jsonl", n, "missing_field") for n in (1, 2, 3)],
    ),
    Input(
        "fields of the wrong type",
        {"a.jsonl": WRONG_TYPES + GOOD},
        [("a.jsonl", n, "wrong_type") for n in (1, 2, 3, 4, 5)],
    ),
    Input("a document of 50 MB", {"a.jsonl": b'{"text": "' + LARGE + b'"}\n' + GOOD}, [("a.jsonl", 1, "too_large")]),
    Input("a text file of 50 MB", {"a.txt": LARGE, "b.txt": GOOD_TEXT}, [("a.txt", 0, "too_large")], format="text"),
    Input("a long document", {"a.jsonl": line(text="long " * 30_000) + GOOD}, drops={"too_long": 1}),
    Input(
        "zero letters",
        {"a.jsonl": line(text="12345 !!! 67890 ??? 12345 ...") + line(text="") + GOOD},
        drops={"no_letters": 1, "too_short": 1},
    ),
    Input("NUL bytes in a line", {"a.jsonl": b'{"text": "a\0b"}\n' + GOOD}, [("a.jsonl", 1, "nul_bytes")]),
    Input(
        "NUL bytes in a text file",
        {"a.txt": b"\x7fELF\0\0", "b.txt": GOOD_TEXT},
        [("a.txt", 0, "nul_bytes")],
        format="text",
    ),
    Input(
        "duplicate ids with other text",
        {"a.jsonl": GOOD + line(id="good", text="Another text under the same id.")},
        drops={"duplicate_id": 1},
    ),
    Input("a lone surrogate", {"a.jsonl": b'{"text": "A document with half \\ud83d a sign.", "title": "\\udc00"}\n'}),
    Input("an escaped NUL", {"a.jsonl": b'{"text": "A document with a \\u0000 in its midst.", "id": "\\u0000x"}\n'}),
    Input(
        "an id beyond all numbers", {"a.jsonl": b'{"text": "A document with a long id.", "id": ' + b"9" * 4000 + b"}\n"}
    ),
    Input("truncated zstd", {"a.jsonl": GOOD, "b.jsonl.zst": zstd(GOOD)[:-9]}, [("b.jsonl.zst", 1, "broken_zstd")]),
    Input("zstd that is none", {"a.jsonl": GOOD, "b.jsonl.zst": b"plain"}, [("b.jsonl.zst", 1, "broken_zstd")]),
    Input("bzip2 that is none", {"a.jsonl": GOOD, "b.jsonl.bz2": b"plain"}, [("b.jsonl.bz2", 1, "broken_bzip2")]),
    Input("packed nothing", {"a.jsonl": GOOD, "b.jsonl.bz2": bz2.compress(b"")}, [("b.jsonl.bz2", 0, "empty_file")]),
    Input(
        "CSV with other columns",
        {"a.csv": GOOD_CSV + b"one\n1,2,3\n", "b.csv": b"id,body\n1,x\n", "c.csv": b"text,text\n1,x\n"},
        [
            ("a.csv", 3, "wrong_columns"),
            ("a.csv", 4, "wrong_columns"),
            ("b.csv", 0, "missing_field"),
            ("c.csv", 0, "wrong_columns"),
        ],
        format="csv",
    ),
    Input(
        "a quote that is never closed",
        {
            "a.csv": b'id,text\n1,"open\n' + GOOD_CSV.partition(b"\n")[2],
            "b.csv": b'id,text\n2,"x"y\n',
            "c.csv": b'"id\n',
        },
        [("a.csv", 2, "not_csv"), ("b.csv", 2, "not_csv"), ("c.csv", 1, "not_csv")],
        format="csv",
    ),
    Input(
        "CSV of other bytes",
        {"a.csv": GOOD_CSV + "3,Käse\n".encode("latin-1") + b'4,"a\0b"\n', "b.csv": b""},
        [("a.csv", 3, "wrong_encoding"), ("a.csv", 4, "nul_bytes"), ("b.csv", 0, "empty_file")],
        format="csv",
    ),
    Input("a cell of 50 MB", {"a.csv": GOOD_CSV + b'2,"' + LARGE + b'"\n'}, [("a.csv", 3, "too_large")], format="csv"),
    Input(
        "TSV with other columns",
        {
            "a.tsv": GOOD_CSV.replace(b",", b"\t") + b"one\n",
            "b.tsv": b"id\tbody\n1\tx\n",
            "c.tsv": b"\xff\ttext\n1\tx\n",
        },
        [("a.tsv", 3, "wrong_columns"), ("b.tsv", 0, "missing_field"), ("c.tsv", 0, "wrong_encoding")],
        format="tsv",
    ),
    Input(
        "JSON that is no array",
        {"a.json": GOOD_ARRAY, "b.json": b'{"rows": []}', "c.json": b"", "d.json": b"[", "e.json": b'[{"a" 1}]'},
        [("b.json", 1, "not_json"), ("c.json", 0, "empty_file"), ("d.json", 1, "not_json"), ("e.json", 1, "not_json")],
        format="json",
    ),
    Input(
        "an array that breaks off",
        {"a.json": GOOD_ARRAY[:-2] + b', {"text": "cut', "b.json": b"[" * 100_000},
        [("a.json", 2, "not_json"), ("b.json", 1, "not_json")],
        format="json",
    ),
    Input(
        "items that are none",
        {"a.json": b'[1, "x", null, {"body": "x"}, {"text": 5}, {"text": "\xff"}, ' + GOOD_ARRAY[1:]},
        [
            *[("a.json", n, "not_an_object") for n in (1, 2, 3)],
            ("a.json", 4, "missing_field"),
            ("a.json", 5, "wrong_type"),
            ("a.json", 6, "wrong_encoding"),
        ],
        format="json",
    ),
    Input(
        "items of 10 and 50 MB",
        {
            "a.json": GOOD_ARRAY[:-2] + b', {"text": "' + LARGE[: 10 << 20] + b'"}]',
            "b.json": b'[{"text": "' + LARGE + b'"}]',
        },
        [("a.json", 2, "too_large"), ("b.json", 1, "too_large")],
        format="json",
    ),
    Input(
        "SQuAD of another kind",
        {"a.json": GOOD_SQUAD, "b.json": b'{"version": 1}', "c.json": b'{"data": [1, {"paragraphs": [{}]}]}'},
        [("b.json", 1, "not_json"), ("c.json", 1, "not_squad"), ("c.json", 2, "not_squad")],
        format="squad",
    ),
    Input(
        "MS MARCO of another kind",
        {
            "collection.tsv": b"d1\t" + GOOD_TEXT + b"\nd2\n",
            "queries.train.tsv": b"q1\twhich?\nq2\n",
            "qrels.train.tsv": b"q1\t0\td1\t1\nq1\td1\t1\nq1\t0\td1\tx\n",
        },
        [
            ("collection.tsv", 2, "wrong_columns"),
            ("queries.train.tsv", 2, "missing_field"),
            ("qrels.train.tsv", 2, "not_a_qrel"),
            ("qrels.train.tsv", 3, "not_a_qrel"),
        ],
        format="msmarco",
    ),
    Input(
        "pages without text",
        {"a.html": GOOD_PAGE, "b.html": b"", "c.html": b"<html><body></body></html>", "d.html": b"\0\xff" * 100},
        [("b.html", 0, "empty_file"), ("c.html", 1, "no_main_text"), ("d.html", 1, "no_main_text")],
        format="html",
    ),
    Input(
        "archives that are none",
        {"a.wet": GOOD_WET, "b.warc": b"", "c.warc": b"0" * (1 << 20), "d.warc.gz": b"plain", "e.wet": GOOD_WET[:-30]},
        [
            ("b.warc", 0, "empty_file"),
            ("c.warc", 0, "not_warc"),
            ("d.warc.gz", 1, "broken_gzip"),
            ("e.wet", 1, "cut_record"),
        ],
        format="warc",
    ),
    Input(
        "Markdown of other bytes",
        {"a.md": GOOD_TEXT, "b.md": b"\xff", "c.md": b"\n", "d.md": b"a\0b"},
        [("b.md", 0, "wrong_encoding"), ("c.md", 0, "empty_file"), ("d.md", 0, "nul_bytes")],
        format="markdown",
    ),
]


def fill(folder: Path, files: dict[str, bytes | Callable[[Path], None]]) -> None:
    folder.mkdir(parents=True)
    for name, content in files.items():
        path = folder / name
        path.write_bytes(content) if isinstance(content, bytes) else content(path)


def place_of(folder: Path, sources: list[dict[str, object]], spark: object) -> Workspace:
    (folder / "recipe.yaml").write_text(yaml.safe_dump({"name": "bad", "sources": sources}))
    place = Workspace.open(load_recipe(folder / "recipe.yaml"), folder / "workspace")
    place._spark = spark
    return place


def short(name: str) -> str:
    return name.replace(" ", "-")


@pytest.fixture(scope="module")
def ingested(spark, tmp_path_factory):
    """One build in which every case is a source of its own."""
    folder = tmp_path_factory.mktemp("bad")
    for case in INPUTS:
        fill(folder / short(case.name), case.files)
    sources = [{"name": short(case.name), "format": case.format, "path": short(case.name)} for case in INPUTS]
    place = place_of(folder, sources, spark)
    manifest = run_stage(load_stage("ingest"), place)
    rejects = spark.read.parquet(str(place.open_output("ingest", "rejects"))).collect()
    return {told["name"]: told for told in manifest["notes"]["sources"]}, rejects


@pytest.mark.parametrize("case", INPUTS, ids=lambda case: case.name)
def test_good_rows_go_on_and_bad_ones_are_kept_and_counted(ingested, case):
    told, rejects = ingested[0][short(case.name)], [row for row in ingested[1] if row.source == short(case.name)]

    assert (told["kept"], told["dropped"]) == (case.kept, case.drops)
    assert sorted((row.path, row.line, row.reason) for row in rejects) == sorted(case.rejects)
    assert sum(told["rejected"].values()) == len(case.rejects)
    assert all(row.detail and len(row.raw) <= 64 << 10 for row in rejects)


def test_a_line_of_50_mb_is_not_held_in_memory(tmp_path):
    fill(tmp_path / "in", {"a.jsonl": b'{"text": "' + LARGE + b'"}\n' + GOOD})
    source = make_source(name="s", format="jsonl", path=str(tmp_path / "in"), max_bytes=1 << 20)
    tracemalloc.start()
    try:
        found = [record.reason for unit in plan_units([source]) for record in read_jsonl(unit, source)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert found == ["too_large", None]
    assert peak < 10 << 20


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, zstd], ids=["gz", "bz2", "zst"])
@pytest.mark.parametrize("form", ["jsonl", "csv", "tsv", "json"])
def test_a_bomb_is_refused_and_never_held(tmp_path, form, pack):
    begin = {"jsonl": b'{"text": "', "json": b'[{"text": "'}.get(form, b"text\n")
    suffix = {gzip.compress: "gz", bz2.compress: "bz2"}.get(pack, "zst")
    fill(tmp_path / "in", {f"a.{form}.{suffix}": pack(begin + b"0" * (48 << 20))})
    source = make_source(name="s", format=form, path=str(tmp_path / "in"), max_bytes=1 << 20, max_unpacked=8 << 20)
    tracemalloc.start()
    try:
        found = [record.reason for unit in plan_units([source]) for record in FORMATS[form].read(unit, source)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert found == ["too_large" if form == "json" else "bomb"]  # an array is given up at its first large item
    assert peak < 10 << 20


@dataclass(frozen=True)
class Refusal:
    """A source that must fail, and the one line it fails with."""

    name: str
    source: dict[str, object]
    says: str


# Found out before anything is read.
EARLY = [
    Refusal(
        "missing path",
        {"format": "jsonl", "path": "none.jsonl"},
        "sources.s.path must name readable files, got .*none.jsonl.*does not exist",
    ),
    Refusal("no path", {"format": "jsonl"}, "path must be set for jsonl"),
    Refusal("an unknown setting", {**JSONL, "formatt": "x"}, r"sources\[0\].formatt must be one of the known settings"),
    Refusal("an impossible value", {**JSONL, "limit": 0}, "limit must be at least 1, got 0"),
    Refusal("an unknown format", {"format": "xlsx", "path": "in"}, "format must be one of pydocs, jsonl, parquet"),
    Refusal(
        "a package that is not installed",
        {"format": "pydocs", "packages": ["no_such"]},
        "packages must be installed beside pairwright, got no_such",
    ),
    Refusal("no BEIR folder", {"format": "beir", "path": "in"}, "must be a BEIR folder, got .* without corpus.jsonl"),
]


@pytest.mark.parametrize("case", EARLY, ids=lambda case: case.name)
def test_a_wrong_recipe_is_refused_in_one_line(tmp_path, case):
    fill(tmp_path / "in", {"a.jsonl": GOOD})

    with pytest.raises(RecipeError) as caught:
        place_of(tmp_path, [{"name": "s", **case.source}], None).fingerprint("ingest")

    assert re.search(case.says, str(caught.value))
    assert "\n" not in str(caught.value)


LATE = [
    Refusal("empty", {"path": "empty"}, r"got none \(1 empty_file\); first: a.jsonl: empty_file"),
    Refusal(
        "renamed",
        {"path": "renamed"},
        r"got none \(2 missing_field\); first: a.jsonl:1: missing_field: no field "
        r"'text'; the row has: body; try sources.renamed.fields.text",
    ),
    Refusal(
        "titled", {"path": "in", "fields": {"title": "headline"}}, "titled.fields.title must name a field of the rows"
    ),
    Refusal("short", {"path": "in", "min_chars": 500}, r"sources.short must give documents, got none \(1 too_short\)"),
]


def test_sources_that_give_nothing_are_refused_together_and_leave_no_table(spark, tmp_path):
    fill(tmp_path / "in", {"a.jsonl": GOOD})
    fill(tmp_path / "empty", {"a.jsonl": b""})
    fill(tmp_path / "renamed", {"a.jsonl": b'{"body": "x"}\n{"body": "y"}\n'})
    place = place_of(tmp_path, [{"name": case.name, "format": "jsonl", **case.source} for case in LATE], spark)

    with pytest.raises(RecipeError) as caught:
        run_stage(load_stage("ingest"), place)

    assert len(caught.value.faults) == len(LATE)
    for case, fault in zip(LATE, caught.value.faults, strict=True):
        assert re.search(case.says, fault)
    assert not list((tmp_path / "workspace" / "tables").rglob("_manifest.json"))


ROOT = Path(__file__).resolve().parents[2]
BUILD = [sys.executable, "-m", "jobs.cli", "build", "recipe.yaml", "--until", "ingest"]
RECIPE = "name: bad\nsources:\n  - {name: s, format: jsonl, path: in}\n"


def ends(folder: Path, command: list[str]) -> str:
    """Run a command that must fail with status 1 and one line on stderr; return that line."""
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    said = done.stderr.strip()
    assert "\n" not in said, said
    return said


def building(recipe: str | None, *options: str) -> Callable[[Path], str]:
    """Build a recipe from the command line."""

    def act(folder: Path) -> str:
        if recipe is not None:
            (folder / "recipe.yaml").write_text(recipe)
        return ends(folder, [*BUILD, *options])

    return act


def on_a_full_disk(folder: Path) -> str:
    """Build where the workspace is a file system of its own, of one megabyte."""
    alone = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], check=False).returncode:
        pytest.skip("a small file system needs user namespaces")
    (folder / "recipe.yaml").write_text(RECIPE)
    with (folder / "in" / "more.jsonl").open("w") as more:
        for n in range(20_000):
            more.write(json.dumps({"id": n, "text": hashlib.sha512(str(n).encode()).hexdigest()}) + "\n")
    (folder / "full").mkdir()
    script = 'mount -t tmpfs -o size=1m none full && exec "$@"'
    said = ends(folder, [*alone, "sh", "-c", script, "sh", *BUILD, "--workspace", "full"])
    assert not list((folder / "full").rglob("_manifest.json"))
    return said


def on_a_busy_port(folder: Path) -> str:
    (folder / "config.json").write_text("{}")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = VllmServer(ServerSettings(folder, port=taken.getsockname()[1]), folder / "log")
        with pytest.raises(EngineError) as caught:
            server.__enter__()
    return str(caught.value)


def with_a_server_that_dies(_: Path) -> str:
    """Ask three things of a server that answers one and is gone."""
    answer = json.dumps({"choices": [{"text": "one", "finish_reason": "stop"}]}).encode()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"

        def once() -> None:
            with listening.accept()[0] as client:
                client.recv(1 << 16)
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\nConnection: close\r\n\r\n"
                client.sendall(head.encode() + answer)
            listening.accept()[0].close()  # alive until the first reply was taken
            listening.close()

        thread = Thread(target=once)
        thread.start()
        generator = OpenAiGenerator(url, "m", in_flight=1, alive=thread.is_alive)
        asked = [GenerationRequest(f"r{n}", "p") for n in range(3)]
        replies = generator.complete(asked, max_tokens=4, temperature=0.0, seed=1, stop=[])
        assert next(replies).text == "one"
        with pytest.raises(EngineError) as caught:
            next(replies)
        thread.join()
    return str(caught.value)


@dataclass(frozen=True)
class Failure:
    """What is done, and the one line that it ends with."""

    name: str
    act: Callable[[Path], str]
    says: str


FAILURES = [
    Failure("no recipe", building(None), "recipe.yaml"),
    Failure("a recipe that is no YAML", building("name: [bad"), "recipe.yaml"),
    Failure("an unknown key", building(RECIPE + "dedup: {}\n"), r"dedup .*known settings"),
    Failure("an impossible value", building(RECIPE + "dedupe: {threshold: 2}\n"), r"dedupe.threshold must be .*got 2"),
    Failure(
        "a model that does not exist",
        building(RECIPE + "encoder: {model: nowhere}\n", "--until", "index"),
        "model must be an existing directory.*nowhere.*; try",
    ),
    Failure(
        "a workspace that cannot be written", building(RECIPE, "--workspace", "in/good.jsonl"), "cannot be written.*try"
    ),
    Failure("a full disk", on_a_full_disk, "the disk is full; try freeing space or another --workspace"),
    Failure("a busy port", on_a_busy_port, "port must be free, got .*; try another"),
    Failure("a vLLM server that dies", with_a_server_that_dies, "after 1 of 3 replies, which are kept; check"),
]


@pytest.mark.parametrize("case", FAILURES, ids=lambda case: case.name)
def test_a_failure_is_one_line_that_says_what_and_the_way_out(tmp_path, case):
    fill(tmp_path / "in", {"good.jsonl": GOOD})
    assert re.search(case.says, case.act(tmp_path))
