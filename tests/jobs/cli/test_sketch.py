"""A path as sources: formats, settings and documents as ingest will see them."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.cli.sketch import sketch_path
from schemas.errors import RecipeError

TEXT = "a text of some words, long enough to be one, number "


def settings_of(path, **but):
    [sketch] = sketch_path(str(path))
    return {key: value for key, value in sketch.settings.items() if key not in ("name", "path")}


def test_a_table_with_semicolons_and_another_encoding(tmp_path):
    path = tmp_path / "Export 2024.csv"
    rows = [f"{n};Tür {n};Die Tür geht nicht auf: {TEXT}{n}" for n in range(5)]
    path.write_bytes("\r\n".join(["Nr.;Betreff;Inhalt", *rows]).encode("cp1252"))
    [sketch] = sketch_path(str(path))
    assert sketch.settings == {
        "name": "Export 2024",
        "format": "csv",
        "path": str(path),
        "encoding": "cp1252",
        "delimiter": ";",
        "fields": {"id": "Nr.", "title": "Betreff", "text": "Inhalt"},
    }
    assert sketch.documents[1].title == "Tür 1"
    assert sketch.rejects == []


def test_packed_lines_parquet_and_an_array_within_an_object(tmp_path):
    rows = [{"key": n, "headline": f"How to turn {n}", "content": f"{TEXT}{n}"} for n in range(5)]
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "b.parquet")
    (tmp_path / "c.json").write_text(json.dumps({"total": 5, "response": {"docs": rows, "tags": [{"a": 1}]}}))
    fields = {"id": "key", "title": "headline", "text": "content"}
    assert settings_of(tmp_path / "a.jsonl.gz") == {"format": "jsonl", "fields": fields}
    assert settings_of(tmp_path / "b.parquet") == {"format": "parquet", "fields": fields}
    assert settings_of(tmp_path / "c.json") == {"format": "json", "items": "response.docs", "fields": fields}


def test_a_table_without_a_header_has_columns_of_ours(tmp_path):
    (tmp_path / "a.tsv").write_text("\n".join(f"{n}\thow to turn it {n}\t{TEXT}{n}" for n in range(5)))
    found = settings_of(tmp_path / "a.tsv")
    assert found["columns"] == ["column1", "column2", "column3"]
    assert found["fields"] == {"id": "column1", "title": "column2", "text": "column3"}


def test_a_folder_of_several_formats_and_headers_becomes_several_sources(tmp_path):
    (tmp_path / "one.md").write_text(f"# A title\n\n{TEXT}\n")
    (tmp_path / "a.csv").write_text(f"id,text\n1,{TEXT.replace(',', '')}\n")
    (tmp_path / "b.csv").write_text(f"question,answer\nhow?,{TEXT.replace(',', '')}\n")
    found = {sketch.settings["name"]: sketch.settings for sketch in sketch_path(str(tmp_path))}
    assert {name: each["format"] for name, each in found.items()} == {
        "a": "csv",
        "b": "csv",
        f"{tmp_path.name}-markdown": "markdown",
    }
    assert found["b"]["fields"] == {"title": "question", "text": "answer"}


def test_a_beir_folder_without_train_judgements_is_measured_on_its_test(tmp_path):
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text(json.dumps({"_id": "d", "text": TEXT}) + "\n")
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "a query"}\n')
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td\t1\n")
    [sketch] = sketch_path(str(tmp_path))
    assert sketch.settings["split"] is None
    assert [each["split"] for each in sketch.sets] == ["test"]


@pytest.mark.parametrize("name", ["nowhere.csv", "odd.xyz", "none*.csv"])
def test_what_is_not_there_or_of_no_format_is_told(tmp_path, name):
    (tmp_path / "odd.xyz").write_text("x")
    with pytest.raises(RecipeError, match="PATH must"):
        sketch_path(str(tmp_path / name))


def test_an_empty_file_and_one_that_is_no_table_do_not_end_the_look(tmp_path):
    (tmp_path / "a.csv").write_text("")
    (tmp_path / "b.jsonl").write_text("not json\n[1]\n")
    for name in ("a.csv", "b.jsonl"):
        [sketch] = sketch_path(str(tmp_path / name))
        assert sketch.documents == []
        assert sketch.rejects
