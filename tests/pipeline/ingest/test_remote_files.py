"""Sources by URI: what a glob names, how a change is told, and that every reader gives the records of a local file."""

import gzip
import json
import re
import sys
import uuid

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.ingest.config import make_source, resolve_sources
from pipeline.ingest.files import digest_source, list_files
from pipeline.ingest.tables import read_records
from pipeline.ingest.units import plan_units, unit_frame
from pipeline.locations import open_location
from pipeline.readers.registry import FORMATS
from schemas.errors import EngineError, RecipeError

LINES = [
    json.dumps({"id": f"d{row}", "title": f"title {row}", "text": f"the text of document {row} " * 5})
    for row in range(200)
]


@pytest.fixture
def place():
    """A folder in memory, gone after the test."""
    name = f"memory://{uuid.uuid4().hex}"
    yield name
    fsspec.filesystem("memory").rm(name, recursive=True)


def put(place, **files):
    for name, content in files.items():
        path = f"{place}/{name.replace('__', '/').replace('_DOT_', '.')}"
        fsspec.filesystem("memory").pipe(path, content if isinstance(content, bytes) else content.encode())


def source(form, path, **settings):
    return make_source(name="s", format=form, path=path, **settings)


def paths(form, path):
    return [file.path for file in list_files(source(form, path))]


def test_a_folder_a_glob_and_a_file_name_what_they_name_on_a_remote(place):
    put(
        place,
        in__b_DOT_jsonl="{}",
        in__a__c_DOT_jsonl_DOT_gz=b"x",
        in___SUCCESS="",
        in__notes_DOT_txt="x",
        in__z_DOT_log="x",
    )
    assert paths("jsonl", f"{place}/in") == ["a/c.jsonl.gz", "b.jsonl"]
    assert paths("jsonl", f"{place}/in/") == ["a/c.jsonl.gz", "b.jsonl"]
    assert paths("text", f"{place}/in/*.log") == ["z.log"]
    assert paths("jsonl", f"{place}/in/**/*.jsonl*") == ["a/c.jsonl.gz", "b.jsonl"]
    assert paths("jsonl", f"{place}/in/b.jsonl") == ["b.jsonl"]
    (file,) = list_files(source("jsonl", f"{place}/in/b.jsonl"))
    assert file.location.startswith("memory://")


def test_a_folder_of_a_fixed_layout_is_found_packed_or_plain(place):
    put(place, set__corpus_DOT_jsonl_DOT_gz=b"x", set__queries_DOT_jsonl="{}", set__qrels__test_DOT_tsv="q\td\t1")
    found = list_files(source("beir", f"{place}/set", split="test"))
    assert [(file.role, file.path) for file in found] == [
        ("documents", "corpus.jsonl.gz"),
        ("queries", "queries.jsonl"),
        ("qrels", "qrels/test.tsv"),
    ]
    with pytest.raises(RecipeError, match=r"without qrels/train.tsv; try to check the path and the split"):
        list_files(source("beir", f"{place}/set"))


@pytest.mark.parametrize(
    ("path", "error", "said"),
    [
        ("/none.jsonl", RecipeError, "which does not exist"),
        ("/in", RecipeError, "which holds no file ending in .jsonl"),
        ("/in/*.jsonl", RecipeError, "which does not exist"),
    ],
)
def test_what_is_missing_on_a_remote_is_said(place, path, error, said):
    put(place, in__notes_DOT_txt="x")
    with pytest.raises(error, match=re.escape(said)):
        list_files(source("jsonl", place + path))


def test_a_uri_stands_in_a_recipe_as_it_is(tmp_path):
    [found] = resolve_sources([source("jsonl", "s3://bucket/x/*.jsonl.gz")], tmp_path)
    assert found.path == "s3://bucket/x/*.jsonl.gz"


def test_the_digest_asks_the_store_and_reads_nothing(place, monkeypatch):
    files = fsspec.filesystem("memory")
    put(place, a_DOT_jsonl="one")
    asked = source("jsonl", place)
    first = digest_source(asked)
    with monkeypatch.context() as patch:
        patch.setattr(type(files), "_open", lambda *_, **__: pytest.fail("a file was read"))
        assert digest_source(asked) == first
    put(place, a_DOT_jsonl="two")
    second = digest_source(asked)
    assert second != first
    told = files.find(place, detail=True)

    def at(moment):
        found = {name: facts | {"ETag": "same", "LastModified": moment} for name, facts in told.items()}
        monkeypatch.setattr(type(files), "find", lambda *_, **__: found)
        return digest_source(asked)

    assert at("noon") == at("midnight") != second, "a checksum counts before a time"


def corpus(folder):
    """A file of several formats, plain and packed."""
    folder.mkdir()
    rows = [json.loads(line) for line in LINES]
    (folder / "a.jsonl").write_text("\n".join(LINES))
    (folder / "b.jsonl.gz").write_bytes(gzip.compress("\n".join(LINES).encode()))
    with pa.CompressedOutputStream(str(folder / "c.jsonl.zst"), "zstd") as out:
        out.write("\n".join(LINES).encode())
    (folder / "d.json").write_text(json.dumps(rows))
    (folder / "e.csv").write_text("id,title,text\n" + "\n".join(f"{r['id']},{r['title']},{r['text']}" for r in rows))
    (folder / "f.html").write_text("<html><body><article>" + "<p>A long enough paragraph.</p>" * 20 + "</article>")
    (folder / "g.txt").write_text("A title\n\nand a text that says something")
    (folder / "h.pdf").write_bytes(b"%PDF-1.4 broken")
    pq.write_table(pa.Table.from_pylist(rows), folder / "i.parquet", row_group_size=64)
    return folder


FORMS = {
    "a.jsonl": "jsonl",
    "b.jsonl.gz": "jsonl",
    "c.jsonl.zst": "jsonl",
    "d.json": "json",
    "e.csv": "csv",
    "f.html": "html",
    "g.txt": "text",
    "h.pdf": "pdf",
    "i.parquet": "parquet",
}


def records(form, path):
    asked = source(form, path)
    return [record for unit in plan_units([asked]) for record in FORMATS[form].read(unit, asked)]


@pytest.mark.parametrize("name", FORMS)
def test_every_reader_gives_the_records_of_the_local_file(place, tmp_path, name):
    folder = corpus(tmp_path / "in")
    fsspec.filesystem("memory").pipe(f"{place}/{name}", (folder / name).read_bytes())
    found = records(FORMS[name], f"{place}/{name}")
    assert found == records(FORMS[name], str(folder / name))
    assert len(found) == (1 if name[0] in "fgh" else 200)


def test_a_large_file_is_read_in_spans(place, monkeypatch):
    put(place, a_DOT_jsonl="\n".join(LINES))
    monkeypatch.setattr("pipeline.readers.lines.SPAN", 1 << 12)
    asked = source("jsonl", f"{place}/a.jsonl")
    assert len(plan_units([asked])) > 3
    assert [record.line for record in records("jsonl", asked.path)] == list(range(1, 201))


def test_workers_read_uris_by_themselves(spark, tmp_path):
    folder = corpus(tmp_path / "in")

    def lines(path):
        asked = [source("jsonl", path)]
        rows = read_records(unit_frame(spark, plan_units(asked)), asked).select("path", "line", "text").collect()
        return sorted(tuple(row) for row in rows)

    assert lines(f"file://{folder}/*.jsonl*") == lines(f"{folder}/*.jsonl*")


def test_a_network_that_fails_is_no_reject(place, monkeypatch):
    put(place, a_DOT_jsonl="\n".join(LINES), b_DOT_pdf=b"%PDF-1.4")
    plans = {form: source(form, f"{place}/*.{form}") for form in ("jsonl", "pdf")}
    units = {form: plan_units([asked]) for form, asked in plans.items()}

    def fail(*_, **__):
        raise ConnectionError("reset by peer")

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "_open", fail)
    name = place.rpartition("/")[2]
    for form, asked in plans.items():
        with pytest.raises(EngineError, match=rf"{name}/\w\.{form} cannot be read \(ConnectionError: reset by peer\)"):
            list(FORMATS[form].read(units[form][0], asked))
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(EngineError, match="try: pip install s3fs"):
        open_location("s3://bucket/x")
