"""The exam ends what cannot help, and lets pass what may."""

import json

import numpy as np
import pytest

from schemas.errors import RecipeError
from trainer.models.exam import Exam, Question, read_exam


def ask(count=60, known=1.0, seed=0):
    """Queries with one hidden positive among four candidates, and a signal that knows it as well as stated."""
    random = np.random.default_rng(seed)
    return [
        Question(f"q{n:02d}", "text", hidden, {"dense": float(random.normal() + known * hidden), "bm25": None})
        for n in range(count)
        for hidden in (True, False, False, False)
    ]


def answer(questions, skill, seed=1):
    random = np.random.default_rng(seed)
    return np.array([random.normal() + skill * each.hidden for each in questions])


def test_the_best_single_signal_is_the_bar_and_one_that_is_nowhere_is_none():
    questions = ask()
    exam = Exam.of(questions, 4, 100)
    assert exam.best_signal == "dense"
    hidden = np.array([each.hidden for each in questions])
    dense = np.array([each.signals["dense"] for each in questions])
    pairs = [(a > b) + (a == b) / 2 for a in dense[hidden] for b in dense[~hidden]]
    assert exam.best_auc == pytest.approx(np.mean(pairs), abs=6e-5)


def test_a_teacher_at_chance_is_stopped_at_the_second_check():
    questions = ask(known=2.0)
    exam = Exam.of(questions, 8, 80)
    exam.take(10, answer(questions, 0.0, seed=3))
    assert exam.stopped is None  # the rate is still rising
    exam.take(20, answer(questions, 0.0, seed=4))
    assert "after 20 of 80 steps its AUC on held-out gold is 0." in exam.stopped
    assert "where dense has 0.9" in exam.stopped
    assert exam.figures()["stopped"] == exam.stopped


def test_a_teacher_that_gains_goes_on_until_the_last_check_and_must_help_then():
    questions = ask(known=2.0)
    exam = Exam.of(questions, 3, 30)
    for step, skill in ((10, 0.3), (20, 0.9)):
        exam.take(step, answer(questions, skill))
    assert exam.stopped is None
    exam.take(30, answer(questions, 0.0))
    assert exam.stopped.startswith("after 30 of 30 steps")


def test_a_teacher_below_the_best_signal_passes_when_the_signals_tell_better_with_it():
    questions = ask(known=1.5)
    exam = Exam.of(questions, 2, 20)
    for step in (10, 20):
        exam.take(step, answer(questions, 1.2))
    found = exam.figures()
    assert found["checks"][-1]["auc"] < found["best_signal"]["dense"]
    assert found["checks"][-1]["fusion_auc"] > found["without"]["fusion_auc"] + 0.005
    assert exam.stopped is None


def test_checks_fall_on_steps_of_their_own():
    assert [step for step in range(1, 11) if Exam.of(ask(), 4, 10).is_due(step)] == [2, 5, 8, 10]
    assert [step for step in range(1, 4) if Exam.of(ask(), 8, 2).is_due(step)] == [1, 2]


def test_where_nothing_can_be_told_there_is_no_exam():
    assert Exam.of(ask(), 0, 10) is None
    assert Exam.of([], 4, 10) is None
    assert Exam.of([each for each in ask() if not each.hidden], 4, 10) is None
    assert Exam.of([Question("q", "t", bool(n % 2), {}) for n in range(20)], 4, 10) is None


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"query": "a"}', '{"query": "a", "text": "b", "hidden": 1, "signals": 2}']
)
def test_a_question_that_cannot_be_read_is_named_by_line(tmp_path, line):
    sound = json.dumps(vars(ask(1)[0]))
    (tmp_path / "exam").write_text(f"{sound}\n{line}\n")
    with pytest.raises(RecipeError, match=r"exam:2 must be a JSON object with query, text, hidden and signals"):
        read_exam(tmp_path / "exam")
    (tmp_path / "exam").write_text(f"{sound}\n")
    assert read_exam(tmp_path / "exam") == ask(1)[:1]


def test_a_missing_exam_is_one_clear_line(tmp_path):
    with pytest.raises(RecipeError, match="--exam must be a readable file of JSON lines"):
        read_exam(tmp_path / "none")
