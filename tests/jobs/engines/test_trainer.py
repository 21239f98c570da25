"""The trainer as a process: its records, its figures and its last line arrive."""

import json

import pytest

from jobs.engines.trainer import run_trainer, train_teacher
from pipeline.label.config import LabelConfig
from pipeline.ports import Lesson, Question
from schemas.errors import EngineError, RecipeError

LESSONS = [Lesson("a query", "a text, \ud800 included", ("another",)), Lesson("another", "text", ("a", "b"))]
QUESTIONS = [Question("held out", "text", True, {"dense": 0.5, "bm25": None})]


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """Play the trainer: note its arguments, write the model, print two steps and the figures."""
    seen = []

    def run(arguments, log, on_record):
        seen.append(dict(each.removeprefix("--").split("=", 1) for each in arguments[1:]))
        (tmp_path / "out").mkdir()
        for record in ({"step": 1, "steps": 2}, {"step": 2, "steps": 2}, {"done": {"steps": 2, "last_loss": 0.1}}):
            on_record(record)
        return ""

    monkeypatch.setattr("jobs.engines.trainer.run_trainer", run)
    return seen


def teach(tmp_path, lessons=LESSONS, base=None, progress=lambda *_: None):
    for name in ("base", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "base" / "config.json").write_text("{}")
    config = LabelConfig(epochs=3, threads=1, cap=5)
    out, base = tmp_path / "out", base or tmp_path / "base"
    places = {"scratch": tmp_path, "log": tmp_path / "log"}
    return train_teacher(lessons, QUESTIONS, base, out, config, 7, **places, progress=progress)


def test_a_teacher_is_asked_for_with_its_lessons_and_its_own_settings_alone(calls, tmp_path):
    shown = []

    assert teach(tmp_path, progress=lambda *each: shown.append(each)) == {"steps": 2, "last_loss": 0.1}

    assert shown == [(1, 2, "steps"), (2, 2, "steps")]
    config = json.loads((tmp_path / "teach.json").read_text())
    assert (config["epochs"], config["threads"], set(config)) == (
        3,
        1,
        {"epochs", "max_steps", "loss", "learning_rate", "warmup", "checks", "max_length", "batch", "threads"},
    )
    lines = [json.loads(line) for line in (tmp_path / "lessons.jsonl").read_text().splitlines()]
    assert lines == [{**vars(each), "negatives": list(each.negatives)} for each in LESSONS]
    (asked,) = (tmp_path / "exam.jsonl").read_text().splitlines()
    assert json.loads(asked) == vars(QUESTIONS[0])
    assert calls == [
        {
            "lessons": str(tmp_path / "lessons.jsonl"),
            "exam": str(tmp_path / "exam.jsonl"),
            "model": str(tmp_path / "base"),
            "config": str(tmp_path / "teach.json"),
            "seed": "7",
            "out": str(tmp_path / "out"),
        }
    ]


def test_a_training_that_was_given_up_leaves_an_empty_folder(monkeypatch, tmp_path):
    stopped = {"done": {"steps": 2, "stopped": "after 2 of 9 steps"}}
    monkeypatch.setattr("jobs.engines.trainer.run_trainer", lambda arguments, log, on_record: on_record(stopped))
    assert teach(tmp_path)["stopped"] == "after 2 of 9 steps"
    assert not list((tmp_path / "out").iterdir())


def test_a_missing_base_and_missing_lessons_start_nothing(calls, tmp_path):
    with pytest.raises(RecipeError, match=r"label\.base must be a model directory, got .*nowhere"):
        teach(tmp_path, base=tmp_path / "nowhere")
    with pytest.raises(EngineError, match="must have lessons, got none"):
        train_teacher([], [], tmp_path, tmp_path, LabelConfig(), 1, scratch=tmp_path, log=tmp_path / "log")
    assert not calls


def test_the_trainers_own_last_line_is_the_error(tmp_path):
    with pytest.raises(EngineError, match=r"^dataset must be a published dataset .*\(log: "):
        run_trainer(
            ["export", f"--dataset={tmp_path / 'none'}", "--format=beir", f"--out={tmp_path / 'out'}"],
            tmp_path / "log",
            lambda record: None,
        )
