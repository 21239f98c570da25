"""The trainer as a process: its records, its figures and its last line arrive."""

import json

import pytest

from jobs.engines.trainer import run_trainer, train_teacher
from pipeline.label.config import LabelConfig
from pipeline.ports import Lesson
from schemas.errors import EngineError, RecipeError

LESSONS = [Lesson("a query", "a text, \ud800 included", 1.0), Lesson("another", "text", 0.0)]


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
    return train_teacher(lessons, base, out, config, 7, scratch=tmp_path, log=tmp_path / "log", progress=progress)


def test_a_teacher_is_asked_for_with_its_lessons_and_its_own_settings_alone(calls, tmp_path):
    shown = []

    assert teach(tmp_path, progress=lambda *each: shown.append(each)) == {"steps": 2, "last_loss": 0.1}

    assert shown == [(1, 2, "steps"), (2, 2, "steps")]
    config = json.loads((tmp_path / "teach.json").read_text())
    assert (config["epochs"], config["threads"], set(config)) == (
        3,
        1,
        {"epochs", "learning_rate", "warmup", "max_length", "batch", "threads"},
    )
    lines = [json.loads(line) for line in (tmp_path / "lessons.jsonl").read_text().splitlines()]
    assert lines == [vars(each) for each in LESSONS]
    assert calls == [
        {
            "lessons": str(tmp_path / "lessons.jsonl"),
            "model": str(tmp_path / "base"),
            "config": str(tmp_path / "teach.json"),
            "seed": "7",
            "out": str(tmp_path / "out"),
        }
    ]


def test_a_missing_base_and_missing_lessons_start_nothing(calls, tmp_path):
    with pytest.raises(RecipeError, match=r"label\.base must be a model directory, got .*nowhere"):
        teach(tmp_path, base=tmp_path / "nowhere")
    with pytest.raises(EngineError, match="must have lessons, got none"):
        train_teacher([], tmp_path, tmp_path, LabelConfig(), 1, scratch=tmp_path, log=tmp_path / "log")
    assert not calls


def test_the_trainers_own_last_line_is_the_error(tmp_path):
    with pytest.raises(EngineError, match=r"^dataset must be a published dataset .*\(log: "):
        run_trainer(
            ["export", f"--dataset={tmp_path / 'none'}", "--format=beir", f"--out={tmp_path / 'out'}"],
            tmp_path / "log",
            lambda record: None,
        )
