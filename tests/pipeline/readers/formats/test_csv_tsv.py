"""CSV and TSV files; tests/behaviour/test_bad_input.py has the broken ones."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.config import make_source
from pipeline.ingest.units import plan_units
from pipeline.readers.formats.csv_tsv import find_delimiter
from pipeline.readers.lines import IS_UTF_16
from pipeline.readers.records import REJECT, WRONG_ENCODING
from pipeline.readers.registry import FORMATS

CELL = st.text(st.sampled_from('ab,;"\n é茶'), max_size=8)


def records(form, path, **settings):
    source = make_source(name="s", format=form, path=str(path), **settings)
    return [record for unit in plan_units([source]) for record in FORMATS[form].read(unit, source)]


def test_a_question_and_answer_table_gives_titles_and_texts(tmp_path):
    (tmp_path / "faq.csv").write_text(
        "\ufeffquestion,answer,nr\n"
        '"How, exactly?","Boil water,\nwait,\n\nthen ""pour"".",1\n'
        "\n"
        "Why?,Because it is good.,2\n"
    )

    first, second = records("csv", tmp_path, fields={"title": "question", "text": "answer", "id": "nr"})

    assert (first.line, first.native_id, first.title) == (2, "1", "How, exactly?")
    assert first.text == 'Boil water,\nwait,\n\nthen "pour".'
    assert (second.line, second.native_id, second.title, second.text) == (7, "2", "Why?", "Because it is good.")


def test_other_delimiters_and_files_without_a_header_can_be_named(tmp_path):
    (tmp_path / "a.csv").write_text("1;Tea; and milk\n")
    (tmp_path / "a.tsv").write_text('1\t"Tea\n')

    [one] = records("csv", tmp_path, columns=("id", "title", "text"), delimiter=";")
    [two] = records("tsv", tmp_path, columns=("id", "text"))

    assert (one.native_id, one.title, one.text) == ("1", "Tea", " and milk")
    assert (two.line, two.native_id, two.text) == (1, "1", '"Tea')


@given(rows=st.lists(st.tuples(CELL, CELL), max_size=6))
def test_what_a_csv_writer_writes_is_read_back(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with path.open("w", newline="") as handle:
        csv.writer(handle, lineterminator="\n").writerows([("id", "text"), *rows])

    found = records("csv", path)

    assert [(record.native_id or "", record.text) for record in found] == [row for row in rows if any(row)]


def test_after_a_broken_row_every_sound_row_is_read(tmp_path):
    sound = "".join(f"{n},text {n}\n" for n in range(50))
    (tmp_path / "a.csv").write_text(f'id,text\n7,"open\n{sound}8,"half" way\n{sound}9,"end')

    found = records("csv", tmp_path)

    assert [(r.line, r.reason) for r in found if r.kind == "reject"] == [(n, "not_csv") for n in (2, 53, 104)]
    assert [r.native_id for r in found if r.kind == "document"] == [str(n) for n in range(50)] * 2


@pytest.mark.parametrize("span", [1, 100, 1000])
def test_a_tsv_reads_the_same_however_it_is_cut(tmp_path, monkeypatch, span):
    rows = "".join(f"{n}\tnumber {n}\n" if n % 7 else "broken\n" for n in range(100))
    (tmp_path / "a.tsv").write_text("\ufeffid\ttext\n" + rows)
    whole = records("tsv", tmp_path)
    monkeypatch.setattr("pipeline.readers.lines.SPAN", span)

    assert len(plan_units([make_source(name="s", format="tsv", path=str(tmp_path))])) > 1
    assert records("tsv", tmp_path) == whole
    assert [record.line for record in whole] == list(range(2, 102))


def test_a_bad_header_is_one_reject_however_the_file_is_cut(tmp_path, monkeypatch):
    (tmp_path / "a.tsv").write_text("id\tbody\n" + "1\tx\n" * 100)
    monkeypatch.setattr("pipeline.readers.lines.SPAN", 50)

    [found] = records("tsv", tmp_path)

    assert (found.line, found.reason) == (0, "missing_field")
    assert "try sources.s.fields.text" in found.detail


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("size", [1, 3000])
def test_lines_may_end_in_any_way(tmp_path, end, size):
    rows = [f'{n},"{"long " * size}","two{end}lines"' for n in range(50)]
    (tmp_path / "a.csv").write_bytes(end.join(["id,text,title", *rows, ""]).encode())

    found = records("csv", tmp_path)

    assert [(record.line, record.native_id, record.title) for record in found] == [
        (2 + 2 * n, str(n), f"two{end}lines") for n in range(50)
    ]


def test_a_row_longer_than_allowed_costs_itself_alone(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"id,text\r1,a text\r2," + b"x" * 5000 + b"\r3,a text")

    found = records("csv", tmp_path, max_bytes=1024)

    assert [(record.line, record.native_id, record.reason) for record in found] == [
        (2, "1", None),
        (3, None, "too_large"),
        (4, "3", None),
    ]


@pytest.mark.parametrize(
    ("table", "delimiter"),
    [
        ('id;text\n1;"a, b; c"\n2;d, e\n', ";"),
        ("id\ttext\n1\ta, b; c\n", "\t"),
        ("id|text\n1|a, b; c\n", "|"),
        ("id,text\n1,a; b; c\n", ","),
        ("text\na; b\nc; d\n", ","),
        ('"name; first";text\n1;x\n', ";"),
        ("\ufeffid;text\r1;x\r", ";"),
        ("nr;body\n1;x\n", ";"),
        ("", ","),
    ],
)
def test_what_parts_the_columns_is_found(tmp_path, table, delimiter):
    (tmp_path / "a.csv").write_text(table, newline="")
    source = make_source(name="s", format="csv", path=str(tmp_path))
    [unit] = plan_units([source])

    assert find_delimiter(unit, source) == delimiter


def test_a_delimiter_that_the_recipe_names_is_not_looked_for(tmp_path):
    (tmp_path / "a.csv").write_text("id;text\n1;x\n")

    [found] = records("csv", tmp_path, delimiter=",")

    assert found.reason == "missing_field"
    assert "sources.s.delimiter" in found.detail


def test_files_of_lines_that_end_with_a_return_alone_say_so(tmp_path):
    (tmp_path / "a.tsv").write_bytes(b"text\tid\ra\t1\r")
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "a"}\r{"text": "b"}\r')

    for form in ("tsv", "jsonl"):
        [found] = records(form, tmp_path)
        assert "carriage return" in found.detail


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl"])
def test_a_file_in_utf_16_is_named_as_one_and_the_way_out_with_it(tmp_path, form):
    (tmp_path / f"a.{form}").write_bytes("id,text\n1,ein Satz\n".encode("utf-16"))

    first = records(form, tmp_path)[0]

    assert (first.kind, first.reason, first.detail) == (REJECT, WRONG_ENCODING, IS_UTF_16)
