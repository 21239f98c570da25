"""BEIR folders: documents, queries and judgements."""

import pytest

from pipeline.ingest.config import make_source
from pipeline.ingest.units import plan_units
from pipeline.readers.registry import FORMATS


def records(form, path, **settings):
    source = make_source(name="s", format=form, path=str(path), **settings)
    return [record for unit in plan_units([source]) for record in FORMATS[form].read(unit, source)]


def beir(folder, qrels="query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\n"):
    (folder / "qrels").mkdir()
    (folder / "corpus.jsonl").write_text(
        '{"_id": "d1", "title": "T", "text": "One."}\n{"_id": "d2", "title": "", "text": "Two."}\n'
    )
    (folder / "queries.jsonl").write_text('{"_id": "q1", "text": "which?"}\n')
    (folder / "qrels" / "train.tsv").write_text(qrels)
    return folder


def test_a_beir_folder_gives_documents_queries_and_grades(tmp_path):
    found = records("beir", beir(tmp_path))

    assert [(r.kind, r.native_id, r.text or r.grade) for r in found] == [
        ("document", "d1", "One."),
        ("document", "d2", "Two."),
        ("query", "q1", "which?"),
        ("qrel", "q1", 2.0),
        ("qrel", "q1", 0.0),
    ]


def test_a_line_that_is_no_judgement_is_rejected(tmp_path):
    found = records("beir", beir(tmp_path, "q1\td1\t1\nq1 d1 1\n"))

    assert [(r.line, r.reason) for r in found if r.kind == "reject"] == [(2, "not_a_qrel")]


def judgements(folder, qrels):
    return [
        (r.native_id, *r.links, r.grade) if r.kind == "qrel" else (r.line, r.reason)
        for r in records("beir", beir(folder, qrels))
        if r.kind in ("qrel", "reject")
    ]


def test_trec_columns_are_read_as_such(tmp_path):
    assert judgements(tmp_path, "1\t0\t10\t1\n2\t0\t11\t2\n3\t11\t1\n") == [
        ("1", "10", 1.0),
        ("2", "11", 2.0),
        (3, "not_a_qrel"),
    ]


def test_a_first_line_that_is_no_header_is_a_judgement(tmp_path):
    assert judgements(tmp_path, "q1\td1\t2.0\n") == [("q1", "d1", 2.0)]


@pytest.mark.parametrize("header", ["Query-ID\tCorpus-ID\tScore", "\ufeffquery_id\tdoc_id\trelevance"])
def test_a_header_may_be_in_other_letters(tmp_path, header):
    assert judgements(tmp_path, f"{header}\nq1\td1\t1\n") == [("q1", "d1", 1.0)]


def test_columns_in_another_order_are_one_reject(tmp_path):
    assert judgements(tmp_path, "corpus-id\tquery-id\tscore\nd1\tq1\t1\nd2\tq1\t1\n") == [(0, "not_a_qrel")]


def test_a_grade_is_no_whatever_float_takes(tmp_path):
    odd = ["inf", "1e10", "nan", "1_0", "0x10", "٣", "", "99999999999"]
    lines = "".join(f"q\td\t{grade}\n" for grade in odd)

    assert judgements(tmp_path, f"q\td\t0.5\nq\td\t-1\n{lines}") == [
        ("q", "d", 0.5),
        ("q", "d", -1.0),
        *((n, "not_a_qrel") for n in range(3, 3 + len(odd))),
    ]


def test_spans_of_judgements_read_as_the_whole_does(tmp_path, monkeypatch):
    lines = "".join(f"{n}\t0\t{n}\t1\n" for n in range(100))
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole = judgements(tmp_path / "whole", lines)
    monkeypatch.setattr("pipeline.readers.lines.SPAN", 100)

    assert judgements(tmp_path / "parts", lines) == whole
    assert len(whole) == 100
