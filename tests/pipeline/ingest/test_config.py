"""Which files a source means, how they are cut into units, and when their digest changes."""

import gzip
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.ingest.config import SourceConfig, digest_source, list_files, resolve_sources
from pipeline.ingest.units import line_spans, plan_units
from pipeline.readers.formats import read_lines
from schemas.errors import RecipeError


def write(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_folder_gives_the_files_that_fit_the_format_in_order(tmp_path):
    write(tmp_path, b_DOT_jsonl="{}", a__c_DOT_jsonl="{}", _SUCCESS="", notes_DOT_txt="x")

    assert [file.path for file in list_files(SourceConfig("s", "jsonl", path=str(tmp_path)))] == [
        "a/c.jsonl",
        "b.jsonl",
    ]


def test_a_glob_and_a_file_name_what_they_name(tmp_path):
    write(tmp_path, a_DOT_log="x", b_DOT_log="y", c_DOT_txt="z")

    assert [f.path for f in list_files(SourceConfig("s", "text", path=f"{tmp_path}/*.log"))] == ["a.log", "b.log"]
    assert [f.path for f in list_files(SourceConfig("s", "text", path=f"{tmp_path}/c.txt"))] == ["c.txt"]


def test_relative_paths_start_at_the_recipe(tmp_path):
    [found] = resolve_sources([SourceConfig("s", "jsonl", path="data/a.jsonl")], tmp_path)

    assert found.path == str(tmp_path / "data/a.jsonl")


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        (
            {"format": "jsonl", "path": "/no/such.jsonl"},
            "sources.s.path must name readable files, got '/no/such.jsonl', which does not exist",
        ),
        ({"format": "beir", "path": "/no/such"}, "without corpus.jsonl, queries.jsonl, qrels/train.tsv"),
        (
            {"format": "pydocs", "packages": ("no_such_package",)},
            "packages must be installed beside pairwright, got no_such_package",
        ),
    ],
)
def test_what_is_missing_is_said(source, fault):
    with pytest.raises(RecipeError, match=re.escape(fault)):
        list_files(SourceConfig("s", **source))


def test_a_folder_without_a_fitting_file_says_which_would_fit(tmp_path):
    with pytest.raises(RecipeError, match=re.escape("holds no file ending in .jsonl")):
        list_files(SourceConfig("s", "jsonl", path=str(tmp_path)))


def test_every_fault_of_a_source_is_told_at_once():
    with pytest.raises(RecipeError) as caught:
        SourceConfig("s", "jsonl", fields={"titel": "x"}, encoding="utf-16", min_chars=50, max_chars=10)

    assert [fault.split(" ")[0] for fault in caught.value.faults] == ["path", "fields.titel", "encoding", "min_chars"]


def test_packages_are_read_without_their_tests():
    files = list_files(SourceConfig("s", "pydocs", packages=("numpy", "stdlib", "typing_extensions")))

    assert {file.domain for file in files} == {"numpy", "stdlib", "typing_extensions"}
    paths = {file.path for file in files}
    assert {"numpy/__init__.py", "stdlib/json/decoder.py", "typing_extensions.py"} <= paths
    assert not [path for path in paths if "/tests/" in path or "site-packages" in path]


def test_all_installed_packages_leave_ourselves_out():
    domains = {file.domain for file in list_files(SourceConfig("s", "pydocs"))}

    assert {"stdlib", "pyspark", "numpy"} <= domains
    assert not domains & {"schemas", "pipeline", "jobs", "trainer"}


def test_the_digest_follows_contents_and_names_not_places_and_times(tmp_path):
    def digest(folder):
        return digest_source(SourceConfig("s", "text", path=str(folder)))

    one = write(tmp_path / "1", a_DOT_txt="same", b_DOT_txt="two")
    assert digest(one) == digest(write(tmp_path / "2", a_DOT_txt="same", b_DOT_txt="two"))
    assert digest(one) != digest(write(tmp_path / "3", a_DOT_txt="same", c_DOT_txt="two"))
    assert digest(one) != digest(write(tmp_path / "4", a_DOT_txt="same", b_DOT_txt="three"))


@pytest.mark.parametrize("span", [1, 5, 7, 64, 1 << 20])
@pytest.mark.parametrize("text", ["a\nbb\nccc\n\ndddd", "\n\n\n", "x" * 50 + "\n" + "y\n" * 20, "one line"])
def test_spans_hold_every_line_once_and_know_their_line_numbers(tmp_path, text, span):
    path = tmp_path / "f"
    path.write_text(text)

    spans = list(line_spans(str(path), len(text), span))

    assert "".join(text[start:end] for start, end, *_ in spans) == text
    for start, end, line, size in spans:
        assert text[:start].count("\n") + 1 == line
        assert end == len(text) or text[end - 1] == "\n"
        assert size == end - start >= min(span, len(text) - start)


def test_spans_of_a_file_read_as_the_whole_does(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f'{{"text": "number {n}"}}\n' for n in range(100)))
    source = SourceConfig("s", "jsonl", path=str(path))
    [whole] = plan_units([source])
    monkeypatch.setattr("pipeline.ingest.units.SPAN", 200)

    parts = plan_units([source])

    assert len(parts) > 5
    assert [r for part in parts for r in read_lines(part, source)] == list(read_lines(whole, source))


def test_parquet_is_cut_by_row_group_and_gzip_is_not_cut(tmp_path):
    pq.write_table(pa.table({"text": [str(n) for n in range(10)]}), tmp_path / "a.parquet", row_group_size=4)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(b"{}\n" * 10))

    units = plan_units(
        [SourceConfig("p", "parquet", path=str(tmp_path)), SourceConfig("j", "jsonl", path=str(tmp_path))]
    )

    assert [(unit.start, unit.end, unit.line) for unit in units[:3]] == [(0, 1, 1), (1, 2, 5), (2, 3, 9)]
    assert len(units) == 4
