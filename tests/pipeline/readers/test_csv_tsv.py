"""CSV, TSV and MS MARCO files; tests/behaviour/test_bad_input.py has the broken ones."""

import csv
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.config import SourceConfig
from pipeline.ingest.files import list_files
from pipeline.ingest.units import plan_units
from pipeline.readers.registry import FORMATS
from schemas.errors import RecipeError

CELL = st.text(st.sampled_from('ab,;"\n é茶'), max_size=8)


def records(form, path, **settings):
    source = SourceConfig(name="s", format=form, path=str(path), **settings)
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

    assert len(plan_units([SourceConfig(name="s", format="tsv", path=str(tmp_path))])) > 1
    assert records("tsv", tmp_path) == whole
    assert [record.line for record in whole] == list(range(2, 102))


def test_a_bad_header_is_one_reject_however_the_file_is_cut(tmp_path, monkeypatch):
    (tmp_path / "a.tsv").write_text("id\tbody\n" + "1\tx\n" * 100)
    monkeypatch.setattr("pipeline.readers.lines.SPAN", 50)

    [found] = records("tsv", tmp_path)

    assert (found.line, found.reason) == (0, "missing_field")
    assert "try sources.s.fields.text" in found.detail


def test_an_ms_marco_folder_gives_passages_queries_and_judgements(tmp_path):
    (tmp_path / "collection.tsv.gz").write_bytes(gzip.compress(b'7\tTea is "brewed.\n8\tMilk.\n'))
    (tmp_path / "queries.dev.tsv").write_text("3\twhat is\ttea\n")
    (tmp_path / "qrels.dev.tsv").write_text("3\t0\t7\t1\n3 0 8 0\n")

    found = records("msmarco", tmp_path, split="dev")

    assert [(r.kind, r.native_id, r.text, r.links, r.grade) for r in found] == [
        ("document", "7", 'Tea is "brewed.', [], None),
        ("document", "8", "Milk.", [], None),
        ("query", "3", "what is\ttea", [], None),
        ("qrel", "3", "", ["7"], 1.0),
    ]
    with pytest.raises(RecipeError, match=r"must be an MS MARCO folder, got .* without queries.train.tsv"):
        list_files(SourceConfig(name="s", format="msmarco", path=str(tmp_path)))
