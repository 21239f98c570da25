"""JSON lines, Parquet, text and BEIR files, on good input; tests/behaviour/test_bad_input.py has the rest."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.ingest.config import SourceConfig
from pipeline.ingest.units import plan_units
from pipeline.readers.formats import read_lines, read_parquet
from pipeline.readers.text import read_text, split_markdown, split_title


def records(source, reader):
    return [record for unit in plan_units([source]) for record in reader(unit, source)]


@pytest.mark.parametrize("packed", [False, True])
def test_json_lines_are_read_under_the_users_names(tmp_path, packed):
    rows = [
        {"headline": "Tea", "body": "How to brew it.", "nr": 7, "area": "food", "see": ["8"]},
        {"body": "No title."},
    ]
    raw = ("\ufeff" + "\n\n".join(json.dumps(row) for row in rows)).encode()
    path = tmp_path / ("a.jsonl.gz" if packed else "a.jsonl")
    path.write_bytes(gzip.compress(raw) if packed else raw)
    fields = {"title": "headline", "text": "body", "id": "nr", "domain": "area", "links": "see"}

    first, second = records(SourceConfig("s", "jsonl", path=str(path), fields=fields), read_lines)

    assert (first.title, first.text, first.native_id, first.domain, first.links) == (
        "Tea",
        "How to brew it.",
        "7",
        "food",
        ["8"],
    )
    assert (second.title, second.text, second.native_id, second.line) == ("", "No title.", None, 3)


def test_another_encoding_can_be_named(tmp_path):
    (tmp_path / "a.jsonl").write_bytes('{"text": "Käse"}'.encode("latin-1"))

    [found] = records(SourceConfig("s", "jsonl", path=str(tmp_path), encoding="latin-1"), read_lines)

    assert found.text == "Käse"


def test_a_parquet_row_that_is_no_utf8_is_a_reject_and_the_others_are_read(tmp_path):
    texts = pa.array([b"one", b"tw\xfd", b"three"]).view(pa.string())
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet")

    found = records(SourceConfig("s", "parquet", path=str(tmp_path)), read_parquet)

    assert [(record.line, record.text, record.reason) for record in found] == [
        (1, "one", None),
        (2, "", "wrong_encoding"),
        (3, "three", None),
    ]
    assert found[1].raw == b"tw\xfd"


def test_parquet_rows_are_numbered_through_the_file(tmp_path):
    pq.write_table(
        pa.table({"id": [1, 2, 3], "text": ["a", "b", "c"], "other": [[1]] * 3}),
        tmp_path / "a.parquet",
        row_group_size=2,
    )

    found = records(SourceConfig("s", "parquet", path=str(tmp_path)), read_parquet)

    assert [(record.line, record.native_id, record.text) for record in found] == [
        (1, "1", "a"),
        (2, "2", "b"),
        (3, "3", "c"),
    ]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("# Brewing tea #\n\nBoil water.", ("Brewing tea", "\nBoil water.")),
        ("Brewing tea\n===========\nBoil water.", ("Brewing tea", "Boil water.")),
        ("Brewing tea\nBoil water.", ("Brewing tea", "Boil water.")),
        ("Only one line", ("", "Only one line")),
        ("x" * 300 + "\nmore", ("", "x" * 300 + "\nmore")),
    ],
)
def test_a_text_file_begins_with_its_title(text, parts):
    assert split_title(text) == parts


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Badge\n\n## Brewing tea ##\nBoil water.", ("Brewing tea", "Badge\n\nBoil water.")),
        ("Brewing tea\n---\nBoil water.", ("Brewing tea", "Boil water.")),
        ("```sh\n# a comment\n```\n# Tea\nx", ("Tea", "```sh\n# a comment\n```\nx")),
        ("~~~~\n~~~\n# inside\n~~~~\n# Tea", ("Tea", "~~~~\n~~~\n# inside\n~~~~")),
        ("---\ntitle: 'Tea'\ndate: 1\n---\n# Brewing\nx", ("Tea", "# Brewing\nx")),
        ("---\ndate: 1\n---\n# Brewing\nx", ("Brewing", "x")),
        ("#hashtag\nno heading", ("", "#hashtag\nno heading")),
        ("a paragraph\nof two lines\n---\nx", ("", "a paragraph\nof two lines\n---\nx")),
    ],
)
def test_a_markdown_file_is_titled_by_its_front_matter_or_first_heading(text, parts):
    assert split_markdown(text) == parts


def test_a_text_file_is_one_document_named_by_its_path(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.md").write_text("# Title\nText.")

    [found] = records(SourceConfig("s", "text", path=str(tmp_path)), read_text)

    assert (found.native_id, found.title, found.text) == ("sub/a.md", "Title", "Text.")


def beir(folder, qrels="query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\n"):
    (folder / "qrels").mkdir()
    (folder / "corpus.jsonl").write_text(
        '{"_id": "d1", "title": "T", "text": "One."}\n{"_id": "d2", "title": "", "text": "Two."}\n'
    )
    (folder / "queries.jsonl").write_text('{"_id": "q1", "text": "which?"}\n')
    (folder / "qrels" / "train.tsv").write_text(qrels)
    return SourceConfig("s", "beir", path=str(folder))


def test_a_beir_folder_gives_documents_queries_and_grades_above_zero(tmp_path):
    found = records(beir(tmp_path), read_lines)

    assert [(r.kind, r.native_id, r.text or r.grade) for r in found] == [
        ("document", "d1", "One."),
        ("document", "d2", "Two."),
        ("query", "q1", "which?"),
        ("qrel", "q1", 2.0),
    ]


def test_a_line_that_is_no_judgement_is_rejected(tmp_path):
    found = records(beir(tmp_path, "q1\td1\t1\nq1 d1 1\n"), read_lines)

    assert [(r.line, r.reason) for r in found if r.kind == "reject"] == [(2, "not_a_qrel")]
