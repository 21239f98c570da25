"""What the teacher learns from, and the exam that it sits."""

import pytest

from pipeline.ids import unit_of
from pipeline.label.config import LabelConfig
from pipeline.label.lessons import choose_exam, choose_lessons, gather_lessons, gather_questions
from pipeline.label.teacher import add_texts, choose_measured
from pipeline.ports import Lesson, Question
from schemas.documents import DOCUMENTS
from schemas.mining import SCORES
from schemas.pairs import POSITIVES, SYNTHETICS
from tests.pipeline.label.rows import SEED, document, gold_tables, positive, score


@pytest.fixture
def gold(rows):
    """Forty queries with a positive each and six candidates, d0 the closest; q01 has a second positive."""
    scores, positives = gold_tables(0.89)
    positives.append(positive("q01", "q02-p"))
    scores.append(score("q01", "q02-p", 0.6, is_positive=True, bm25_rank=3, bm25=2.5))
    return rows(SCORES, *scores), rows(POSITIVES, *positives)


def held_out(share):
    return {f"q{n:02d}" for n in range(40) if unit_of(SEED, "held out", f"q{n:02d}") < share}


def test_the_teacher_learns_from_all_gold_but_that_which_is_held_out(gold):
    scores, positives = gold
    cfg = LabelConfig(held_out=0.4)

    lessons = choose_lessons(scores, positives, cfg, SEED).collect()

    taught = {row.query_id for row in lessons}
    measured = {row.query_id for row in choose_measured(scores, positives, cfg, SEED).collect()}
    assert 8 <= len(held_out(0.4)) <= 24
    assert measured == held_out(0.4)
    assert taught == {f"q{n:02d}" for n in range(40)} - held_out(0.4)


def test_every_positive_has_a_lesson_with_negatives_of_its_own_draw(gold):
    scores, positives = gold
    lessons = choose_lessons(scores, positives, LabelConfig(held_out=0.0, mined_negatives=3), SEED).collect()

    labels = {}
    for row in lessons:
        labels.setdefault((row.query_id, row.positive_id), {})[row.doc_id] = row.label
    assert len(labels) == 41
    for (query, shown), texts in labels.items():
        assert texts.pop(shown) == 1.0
        assert set(texts.values()) == {0.0}
        assert len(texts) == 3
        assert all(doc.startswith(f"{query}-d") for doc in texts)  # never another positive of the query
    assert {key for key in labels if key[0] == "q01"} == {("q01", "q01-p"), ("q01", "q02-p")}


@pytest.mark.parametrize(("margin", "taught"), [(None, "012345"), (0.05, "2345"), (0.5, "5")])
def test_the_margin_leaves_out_what_is_close_to_the_positive(gold, margin, taught):
    cfg = LabelConfig(held_out=0.0, mined_negatives=6, margin=margin)
    lessons = choose_lessons(*gold, cfg, SEED).where("positive_id = query_id || '-p' and label = 0").collect()
    assert {row.doc_id[-1] for row in lessons} == set(taught)


def test_no_known_positive_is_taught_as_a_negative(gold):
    scores, positives = gold
    is_known = "is_positive OR doc_id = 'q00-d3' AS is_positive"
    scores = scores.selectExpr("query_id", "doc_id", is_known, *SCORES.names[3:])
    cfg = LabelConfig(mined_negatives=5, random_negatives=2, held_out=0.0)

    lessons = choose_lessons(scores, positives, cfg, SEED).where("label = 0").collect()

    known = {(row.query_id, row.doc_id) for row in positives.collect()}
    negatives = [(row.query_id, row.positive_id, row.doc_id) for row in lessons]
    assert not known & {(query, doc) for query, _, doc in negatives}
    assert len(negatives) == len(set(negatives))
    foreign = [doc for query, _, doc in negatives if not doc.startswith(query)]
    assert 2 * 41 - 4 <= len(foreign) <= 2 * 41


@pytest.mark.parametrize("partitions", [1, 7])
def test_lessons_are_bounded_and_the_same_however_partitioned(gold, partitions):
    cfg = LabelConfig(gold_queries=9, mined_negatives=3, max_steps=2, batch=8, held_out=0.0)

    def choose(count):
        found = choose_lessons(gold[0].repartition(count), gold[1].repartition(count), cfg, SEED)
        return [tuple(row) for row in found.orderBy("place", "query_id", "positive_id", "doc_id").collect()]

    lessons = choose(partitions)
    assert lessons == choose(2)
    assert len({row[:2] for row in lessons}) == 4  # of four pairs each, in two steps of eight
    unbounded = choose_lessons(*gold, cfg.replace(max_steps=100), SEED).collect()
    assert len({row.query_id for row in unbounded}) == 9


def test_the_exam_hides_every_known_positive_that_was_found_among_the_hardest(gold):
    scores, positives = gold
    cfg = LabelConfig(held_out=0.9, measure_queries=40, measure_depth=2)

    exam = choose_exam(scores, positives, cfg, SEED).collect()

    asked = {row.query_id for row in choose_measured(scores, positives, cfg, SEED).collect()}
    assert {row.query_id for row in exam} == asked == held_out(0.9)
    assert {row.doc_id[3:] for row in exam if not row.hidden} == {"-d0", "-d1"} or "q01" not in asked
    assert all(row.doc_id.endswith("-p") for row in exam if row.hidden)
    (second,) = [row for row in exam if row.query_id == "q01" and row.doc_id == "q02-p"]
    assert (second.hidden, second.dense, second.bm25_share) == (True, 0.6, 1.0)
    assert second.rank == pytest.approx(-1.098612)
    (first,) = [row for row in exam if row.query_id == "q01" and row.doc_id == "q01-p"]
    assert (first.bm25_share, first.rank) == (None, 0.0)


def test_rows_with_texts_become_lessons_and_questions(gold, rows):
    scores, positives = gold
    cfg = LabelConfig(held_out=0.0, mined_negatives=2)
    names = sorted({row.doc_id for row in scores.collect()})
    documents = rows(DOCUMENTS, *[document(name, f"about {name}") for name in names])

    def with_texts(frame):
        return add_texts(frame, positives, documents, rows(SYNTHETICS), cfg)

    chosen = with_texts(choose_lessons(scores, positives, cfg, SEED))
    lessons = list(
        gather_lessons(chosen.orderBy("place", "query_id", "positive_id", "label", "doc_id").collect()[::-1])
    )
    assert len(lessons) == 41
    assert {lesson.positive for lesson in lessons if lesson.query == "text of q03"} == {"about q03-p"}
    assert all(isinstance(lesson, Lesson) and len(lesson.negatives) == 2 for lesson in lessons)

    exam = with_texts(choose_exam(scores, positives, cfg.replace(held_out=0.9), SEED))
    (found,) = gather_questions(exam.where("query_id = 'q01' and doc_id = 'q02-p'").collect())
    signals = {"dense": 0.6, "bm25_share": 1.0, "rank": -1.098612}
    assert found == Question("text of q01", "about q02-p", True, signals)
