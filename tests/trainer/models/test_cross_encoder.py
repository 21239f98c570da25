"""A cross-encoder learns what its lessons show, reproducibly."""

import json

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder

from schemas.errors import EngineError, RecipeError
from schemas.training import TeachConfig
from tests.small_bert import WORDS, save_small_bert
from trainer.__main__ import main
from trainer.models.cross_encoder import Lesson, teach

CONFIG = TeachConfig(max_length=48, batch=8, epochs=12, learning_rate=3e-3, threads=1)


@pytest.fixture(autouse=True, scope="module")
def global_switches():
    """Put back what training sets for its process."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(mode=False)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A BERT of two small layers and a vocabulary of its own."""
    folder = tmp_path_factory.mktemp("base")
    save_small_bert(folder)
    return folder


def lessons(count, seed=0):
    """The document answers the query when it begins with a0."""
    random = np.random.default_rng(seed)
    found = []
    for number in range(count):
        words = [str(word) for word in random.choice(WORDS[8:], size=4 + number % 9)]
        label = float(number % 2)
        found.append(Lesson(str(random.choice(WORDS[8:])), " ".join([("a1", "a0")[int(label)], *words]), label))
    return found


@pytest.fixture(scope="module")
def teacher(base, tmp_path_factory):
    out = tmp_path_factory.mktemp("teacher") / "model"
    records = []
    return out, teach(lessons(64), base, out, CONFIG, 7, records.append), records


def bytes_of(path):
    return {file.name: file.read_bytes() for file in path.iterdir()}


def test_it_learns_what_the_lessons_show(teacher):
    path, figures, records = teacher
    new = lessons(40, seed=9)

    found = CrossEncoder(str(path), device="cpu").predict([(each.query, each.text) for each in new])

    assert figures["last_loss"] < figures["first_loss"] / 2
    assert (records[-1]["step"], records[-1]["steps"], len(records)) == (96, 96, 96)
    right = [(value > 0.5) == (each.label > 0.5) for value, each in zip(found, new, strict=True)]
    assert np.mean(right) > 0.9


def test_the_same_lessons_and_seed_give_the_same_bytes_and_another_seed_does_not(teacher, base, tmp_path):
    path, figures, _ = teacher

    again = teach(lessons(64), base, tmp_path / "again", CONFIG, 7)
    teach(lessons(64), base, tmp_path / "other", CONFIG, 8)

    assert again == figures
    assert bytes_of(tmp_path / "again") == bytes_of(path)
    assert bytes_of(tmp_path / "other") != bytes_of(path)


def test_the_model_is_saved_without_pickle_and_without_paths(teacher, base):
    path, _, _ = teacher
    files = {file.name for file in path.rglob("*") if file.is_file()}
    assert "model.safetensors" in files
    assert not {name for name in files if name.endswith((".bin", ".pt", ".pkl"))}
    texts = [file.read_text(encoding="utf-8") for file in path.rglob("*.json")]
    assert not [text for text in texts if str(base) in text]


def test_the_command_reads_lessons_and_says_what_it_did(base, tmp_path, capsys):
    (tmp_path / "lessons").write_text("\n".join(json.dumps(vars(each)) for each in lessons(4)))
    (tmp_path / "config").write_text(json.dumps({**CONFIG.to_mapping(), "epochs": 1}))
    command = ["teach", "--lessons", str(tmp_path / "lessons"), "--model", str(base), "--out", str(tmp_path / "out")]

    assert main([*command, "--config", str(tmp_path / "config"), "--seed", "7"]) == 0

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (lines[-1]["done"]["lessons"], lines[-1]["done"]["steps"], len(lines)) == (4, 1, 2)
    assert (tmp_path / "out" / "model.safetensors").is_file()
    assert main(command) == 1
    assert "--out must not exist yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"query": "a", "text": "b"}', '{"query": "a", "text": "b", "label": "x"}']
)
def test_a_lesson_that_cannot_be_read_is_named_by_line(base, tmp_path, capsys, line):
    (tmp_path / "lessons").write_text(f'{{"query": "a", "text": "b", "label": 1}}\n{line}\n')
    command = ["teach", "--lessons", str(tmp_path / "lessons"), "--model", str(base), "--out", str(tmp_path / "out")]

    assert main(command) == 1

    assert "lessons:2 must be a JSON object with query, text and label" in capsys.readouterr().err


def test_a_missing_base_and_missing_lessons_are_one_clear_line(base, tmp_path):
    with pytest.raises(RecipeError, match=r"--model must be a model directory, got .*nowhere"):
        teach(lessons(2), tmp_path / "nowhere", tmp_path / "out", CONFIG, 1)
    with pytest.raises(EngineError, match="must have lessons, got none"):
        teach([], base, tmp_path / "out", CONFIG, 1)
