"""A session is what the answers on the disk say: it goes on where it was, over reloads, rebuilds and undoing."""

import shutil

import pytest

from jobs.store.reviews import read_reviews
from jobs.views.explain import explain
from pipeline.review.draw import DRAWN, KNOWN_POSITIVE, REPEAT
from schemas.errors import RecipeError
from schemas.reviews import BROWSED, WITHDRAWN
from tests.jobs.views.review.build import MARKUP, make_build, open_session
from tests.jobs.views.workspace import FakeWorkspace


@pytest.fixture
def place(tmp_path):
    return make_build(tmp_path)


def answer_all(session, answer=lambda asked: "no"):
    while (number := session.current()) is not None:
        asked = session.questions[number]
        session.answer(number, asked.expected or answer(asked))


def test_answers_are_asked_for_once_and_the_next_session_goes_on(place):
    session = open_session(place.path)
    assert session.current() == 0
    assert session.answer(0, "no")
    assert not session.answer(0, "yes")  # a key pressed twice
    assert session.answer(1, "yes")
    again = open_session(place.path)
    assert (again.current(), again.standing().answered, again.standing().asked) == (2, 2, 40)
    assert open_session(place.path, "person:ben").current() == 0


def test_undo_takes_back_one_answer_after_another_also_in_a_later_session(place):
    session = open_session(place.path)
    for number in range(3):
        session.answer(number, "no")
    assert session.undo()
    assert session.current() == 2
    later = open_session(place.path)
    assert later.undo()
    assert later.current() == 1
    later.answer(1, "unsure")
    assert later.undo()
    assert later.undo()
    assert not later.undo()
    assert later.current() == 0
    assert [each.answer for each in read_reviews(place.store)].count(WITHDRAWN) == 4


def test_a_repeat_that_is_taken_back_leaves_the_first_answer(place):
    session = open_session(place.path)
    repeat = next(number for number, each in enumerate(session.questions) if each.kind == REPEAT)
    for number in range(repeat + 1):
        session.answer(number, "no")
    before = session.standing()
    assert (before.consistency.pairs, before.consistency.same) == (1, 1)
    assert session.undo()
    after = session.standing()
    assert (after.answered, after.consistency.pairs) == (before.answered - 1, 0)
    assert after.delivered == before.delivered


def test_the_estimate_moves_with_the_answers_and_checks_are_not_in_it(place):
    session = open_session(place.path)
    before = session.standing().delivered
    assert (before.pairs, before.stands_on) == (0, "transferred")
    answer_all(session)
    after = session.standing()
    assert after.delivered.pairs == sum(
        each.kind == DRAWN and session._verdicts[each.query_id, each.doc_id] == "kept" for each in session.questions
    )
    assert after.delivered.high < before.high
    assert (after.checks.pairs, after.checks.same) == (4, 4)
    assert after.consistency.share == 1.0
    yes = open_session(place.path, "person:zoe")
    answer_all(yes, lambda asked: "yes")  # the later person stands
    assert yes.standing().delivered.low > 0.5


def test_answers_outlive_a_rebuild_and_most_of_them_serve_the_new_draw(place):
    answer_all(open_session(place.path))
    shutil.rmtree(place.path / "tables")
    make_build(place.path, is_late=True)
    session = open_session(place.path)
    assert 20 <= session.standing().answered <= session.standing().asked
    assert session.standing().delivered.pairs > 5


def test_a_question_shows_the_known_positive_but_not_beside_itself(place):
    session = open_session(place.path)
    for number, asked in enumerate(session.questions):
        shown = session.show(number)
        assert shown.query == session.pool.queries[asked.query_id]
        assert [each.doc_id for each in shown.positives] == (
            [] if asked.kind == KNOWN_POSITIVE else [f"p{asked.query_id[1:]}"]
        )
        assert shown.candidate.text.strip().endswith("and so on.") == asked.doc_id.startswith("c")


def test_a_pair_met_in_the_ledger_is_answered_there_and_explained(place):
    session = open_session(place.path)
    session.browse("q1", "c1-7", "yes")
    assert [(each.purpose, each.inclusion, each.answer) for each in read_reviews(place.store)] == [
        (BROWSED, 1.0, "yes")
    ]
    assert session.standing().answered == 0
    story = explain(place.path, "q1:c1-7")
    assert "  reviewed  yes by person:ana" in story
    assert MARKUP[:20] in story
    with pytest.raises(KeyError):
        session.browse("q1", "nobody", "yes")
    with pytest.raises(IndexError):
        session.answer(-1, "yes")
    with pytest.raises(ValueError):
        session.answer(0, "perhaps")


def test_a_build_without_verdicts_cannot_be_reviewed(tmp_path):
    FakeWorkspace(tmp_path).build("guard")
    with pytest.raises(RecipeError, match="must have verdicts to review, got none; try: pairwright build RECIPE"):
        open_session(tmp_path)
