"""BEIR folders: documents, queries and judgements."""

from pipeline.ingest.config import SourceConfig
from pipeline.ingest.units import plan_units
from pipeline.readers.registry import FORMATS


def records(form, path, **settings):
    source = SourceConfig(name="s", format=form, path=str(path), **settings)
    return [record for unit in plan_units([source]) for record in FORMATS[form].read(unit, source)]


def beir(folder, qrels="query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\n"):
    (folder / "qrels").mkdir()
    (folder / "corpus.jsonl").write_text(
        '{"_id": "d1", "title": "T", "text": "One."}\n{"_id": "d2", "title": "", "text": "Two."}\n'
    )
    (folder / "queries.jsonl").write_text('{"_id": "q1", "text": "which?"}\n')
    (folder / "qrels" / "train.tsv").write_text(qrels)
    return folder


def test_a_beir_folder_gives_documents_queries_and_grades_above_zero(tmp_path):
    found = records("beir", beir(tmp_path))

    assert [(r.kind, r.native_id, r.text or r.grade) for r in found] == [
        ("document", "d1", "One."),
        ("document", "d2", "Two."),
        ("query", "q1", "which?"),
        ("qrel", "q1", 2.0),
    ]


def test_a_line_that_is_no_judgement_is_rejected(tmp_path):
    found = records("beir", beir(tmp_path, "q1\td1\t1\nq1 d1 1\n"))

    assert [(r.line, r.reason) for r in found if r.kind == "reject"] == [(2, "not_a_qrel")]
