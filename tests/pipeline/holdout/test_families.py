"""The held-out set: whole families, unambiguous queries, and sets from outside as they are."""

import json

import pytest

from pipeline.holdout.config import EvalSetConfig, HoldoutConfig, protects_documents, resolve_sets, source_of_set
from pipeline.holdout.families import group_families, held_out_corpus, held_out_queries, hold_out, split_queries
from pipeline.holdout.outside import outside_corpus, outside_queries
from pipeline.ingest.config import make_source
from pipeline.ingest.tables import read_records
from pipeline.ingest.units import plan_units, unit_frame
from schemas.documents import DOCUMENTS, DUPLICATES

SEED = 5
ALL = HoldoutConfig(fraction=0.9, max_group=1000)


def doc(doc_id, family="f", title="", text="A text about something else.", reason=None):
    return (doc_id, "s", "a.jsonl", 1, None, title, text, [], family, "d", None, len(text), "h", reason)


def held(frame):
    return {row.doc_id for row in frame.where("drop_reason = 'held_out'").collect()}


@pytest.mark.parametrize("partitions", [1, 3, 7])
def test_families_are_held_out_whole_and_alike_however_the_input_is_partitioned(rows, partitions):
    documents = rows(DOCUMENTS, *[doc(str(n), family=str(n // 3)) for n in range(300)])

    found = hold_out(documents.repartition(partitions), rows(DUPLICATES), HoldoutConfig(fraction=0.3), SEED)

    ids = held(found)
    assert found.count() == 300
    assert 60 < len(ids) < 120
    assert ids == {str(n) for n in range(300) if str(n // 3 * 3) in ids}
    assert ids == held(hold_out(documents, rows(DUPLICATES), HoldoutConfig(fraction=0.3), SEED))


def test_families_that_share_duplicates_move_together(rows):
    docs = [
        doc(f"{side}{n}", family=f"{side}{n}", reason="near_duplicate" if side == "b" else None)
        for n in range(60)
        for side in "abc"
    ]
    twins = [(f"b{n}", f"a{n}", "near", 0.9, None) for n in range(60)]
    links = [(f"x{n}", f"c{n}", "exact", 1.0, None) for n in range(60)]
    copies = [doc(f"x{n}", family=f"b{n}", reason="exact_duplicate") for n in range(60)]

    ids = held(
        hold_out(rows(DOCUMENTS, *docs, *copies), rows(DUPLICATES, *twins, *links), HoldoutConfig(fraction=0.5), SEED)
    )

    assert 20 < len(ids) < 100
    assert all((f"a{n}" in ids) == (f"c{n}" in ids) for n in range(60))
    assert not [each for each in ids if each[0] in "bx"], "what dedupe dropped stays dropped for that reason"


def test_groups_are_named_by_their_smallest_family(rows):
    documents = rows(DOCUMENTS, doc("1", "p"), doc("2", "q"), doc("3", "q"), doc("4", "r"), doc("5", "lone"))

    found = group_families(documents, rows(DUPLICATES, ("2", "1", "near", 0.9, None), ("4", "3", "near", 0.9, None)))

    assert sorted(map(tuple, found.collect())) == [("p", "p"), ("q", "p"), ("r", "p")]


def test_a_large_group_always_trains(rows):
    documents = rows(
        DOCUMENTS, *[doc(str(n), family="fit") for n in range(21)], *[doc(f"x{n}", family=f"x{n}") for n in range(50)]
    )

    ids = held(hold_out(documents, rows(DUPLICATES), HoldoutConfig(fraction=0.9, max_group=20), SEED))

    assert len(ids) > 30
    assert not ids & {str(n) for n in range(21)}


def test_without_a_fraction_nothing_is_held_out(rows):
    assert held(hold_out(rows(DOCUMENTS, doc("1")), rows(DUPLICATES), HoldoutConfig(fraction=0.0), SEED)) == set()


def test_queries_are_titles_that_mean_one_document(rows):
    documents = rows(
        DOCUMENTS,
        doc("good", title="How to brew green tea", reason="held_out"),
        doc("short", title="Brew tea", reason="held_out"),
        doc("twice", title="How to brew black tea", reason="held_out"),
        doc("trained", title="how to brew BLACK tea"),
        doc("copy", title="How to brew green tea", reason="exact_duplicate"),
        doc("within", title="How to brew red tea", text="This says how to brew red tea.", reason="held_out"),
        doc("untitled", reason="held_out"),
    )

    judged = held_out_queries(documents, HoldoutConfig(), SEED)

    assert [(row.query, row.doc_id, row.relevance) for row in judged.collect()] == [
        ("How to brew green tea", "good", 1)
    ]
    corpus = held_out_corpus(documents, HoldoutConfig())
    assert {row.doc_id for row in corpus.collect()} == {"good", "short", "twice", "within", "untitled"}
    queries, qrels = split_queries(judged)
    assert (queries.count(), qrels.count()) == (1, 1)


def test_queries_over_the_cap_are_drawn_by_hash(rows):
    documents = rows(
        DOCUMENTS, *[doc(str(n), title=f"The title with number {n}", reason="held_out") for n in range(30)]
    )

    def drawn(count, seed=SEED):
        return {row.doc_id for row in held_out_queries(documents, HoldoutConfig(max_queries=count), seed).collect()}

    assert len(drawn(7)) == 7
    assert drawn(7) < drawn(12)
    assert drawn(7) != drawn(7, seed=6)


@pytest.fixture
def folder(tmp_path):
    def lines(name, *found):
        (tmp_path / name).write_text("".join(json.dumps(each) + "\n" for each in found))

    lines("corpus.jsonl", {"_id": "d1", "title": "Tea", "text": "Green."}, {"_id": "d2", "text": ""})
    lines("queries.jsonl", {"_id": "q1", "text": "which tea?"}, {"_id": "q2", "text": "never judged"})
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t2\nq2\td1\t0\n")
    return tmp_path


def test_a_set_from_outside_keeps_its_ids_and_its_judged_queries(spark, folder):
    source = source_of_set(EvalSetConfig(name="out", path=str(folder)))
    records = read_records(unit_frame(spark, plan_units([source])), [source])

    corpus = sorted(map(tuple, outside_corpus(records, {"out": True}).collect()))
    queries, qrels = split_queries(outside_queries(records))

    assert corpus == [("out", "d1", "Tea\nGreen.", "out", True), ("out", "d2", "", "out", True)]
    assert [tuple(row) for row in queries.collect()] == [("out", "q1", "which tea?", "out")]
    assert [tuple(row) for row in qrels.collect()] == [("out", "q1", "d1", 2)]


@pytest.mark.parametrize(
    ("protect", "same", "documents_too"),
    [
        ("auto", True, False),
        ("auto", False, True),
        ("both", True, True),
        ("queries", False, False),
    ],
)
def test_a_corpus_that_is_trained_on_is_not_protected_from_itself(tmp_path, protect, same, documents_too):
    source = make_source(name="s", format="beir", path=str(tmp_path if same else tmp_path / "other"))

    evaluation = EvalSetConfig(name="out", path=f"{tmp_path}/", protect=protect)

    assert protects_documents(evaluation, [source]) is documents_too


def test_relative_paths_start_at_the_recipe(tmp_path):
    assert resolve_sets([EvalSetConfig(name="out", path="sets/x")], tmp_path)[0].path == str(tmp_path / "sets/x")
