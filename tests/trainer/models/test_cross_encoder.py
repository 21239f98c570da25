"""A cross-encoder learns what its lessons show, reproducibly, and stops where the exam says that it is no use."""

import json

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder

from schemas.errors import EngineError, RecipeError
from schemas.training import LISTWISE, PAIRWISE, POINTWISE, TeachConfig
from tests.small_bert import WORDS, save_small_bert
from trainer.__main__ import main
from trainer.models.cross_encoder import Lesson, loss_of, teach
from trainer.models.exam import Question

CONFIG = TeachConfig(max_length=48, batch=8, epochs=12, learning_rate=3e-3, threads=1, checks=4)


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


def text_of(random, first):
    return " ".join([first, *(str(word) for word in random.choice(WORDS[8:], size=4 + random.integers(9)))])


def lessons(count, seed=0):
    """The document answers the query when it begins with a0, not when it begins with a1."""
    random = np.random.default_rng(seed)
    return [
        Lesson(str(random.choice(WORDS[8:])), text_of(random, "a0"), tuple(text_of(random, "a1") for _ in range(3)))
        for _ in range(count)
    ]


def questions(count, seed=9, answer="a0"):
    """A query each with one hidden positive among three others; the signal says nothing."""
    random = np.random.default_rng(seed)
    return [
        Question(f"b{n % 8} c{n // 8}", text_of(random, answer if hidden else "a1"), hidden, {"dense": random.random()})
        for n in range(count)
        for hidden in (True, False, False, False)
    ]


@pytest.fixture(scope="module")
def teacher(base, tmp_path_factory):
    out = tmp_path_factory.mktemp("teacher") / "model"
    records = []
    return out, teach(lessons(32), base, out, CONFIG, 7, records.append, questions(20)), records


def bytes_of(path):
    return {file.name: file.read_bytes() for file in path.iterdir()}


def test_it_learns_what_the_lessons_show(teacher):
    path, figures, records = teacher
    steps = [record for record in records if "step" in record]
    new = lessons(20, seed=9)

    model = CrossEncoder(str(path), device="cpu")
    found = [model.predict([(each.query, text) for text in (each.positive, *each.negatives)]) for each in new]

    assert figures["last_loss"] < figures["first_loss"] / 2
    assert (steps[-1]["step"], steps[-1]["steps"], len(steps)) == (192, 192, 192)  # two lessons of four pairs a step
    assert np.mean([scores.argmax() == 0 for scores in found]) > 0.9


def test_the_exam_tells_what_was_learned_and_lets_a_good_teacher_pass(teacher):
    _, figures, records = teacher
    assert [each["check"] for each in figures["checks"]] == [48, 96, 144, 192]
    assert figures["checks"][-1]["auc"] > 0.9 > figures["best_signal"]["dense"]
    assert figures["checks"][-1]["fusion_auc"] > figures["without"]["fusion_auc"] + 0.1
    assert "stopped" not in figures
    assert [record["check"] for record in records if "check" in record] == [48, 96, 144, 192]


def test_a_teacher_that_learns_nothing_of_use_is_stopped_early_and_not_saved(base, tmp_path):
    random = np.random.default_rng(3)
    asked = [
        Question(each.query, each.text, each.hidden, {"dense": each.hidden * 0.1 + random.random()})
        for each in questions(40, answer="a1")  # what the lessons show tells these not apart
    ]

    figures = teach(lessons(32), base, tmp_path / "out", CONFIG, 7, questions=asked)

    assert figures["steps"] < 192
    assert figures["stopped"].startswith(f"after {figures['steps']} of 192 steps its AUC on held-out gold is ")
    assert "where dense has" in figures["stopped"]
    assert not (tmp_path / "out").exists()


def test_steps_are_bounded_whatever_the_gold(base, tmp_path):
    config = CONFIG.replace(max_steps=3)
    assert teach(lessons(32), base, tmp_path / "out", config, 7)["steps"] == 3


@pytest.mark.parametrize("kind", [PAIRWISE, POINTWISE])
def test_the_other_losses_learn_too(base, tmp_path, kind):
    """Pointwise needs as many positives as negatives: it says "no" to everything where a quarter is positive."""
    even = [Lesson(each.query, each.positive, each.negatives[:1]) for each in lessons(64)]
    figures = teach(even, base, tmp_path / "out", CONFIG.replace(loss=kind), 7, questions=questions(20))
    assert figures["checks"][-1]["auc"] > 0.9


def test_losses_equal_their_formulas():
    logits, sizes = torch.tensor([1.0, 0.5, -0.5, 2.0, 3.0]), [3, 2]
    first, second = np.array([1.0, 0.5, -0.5]), np.array([2.0, 3.0])
    listwise = [-np.log(np.exp(each[0]) / np.exp(each).sum()) for each in (first, second)]
    pairwise = [np.log1p(np.exp(each[1:] - each[0])).mean() for each in (first, second)]
    chance, label = 1 / (1 + np.exp(-np.concatenate([first, second]))), np.array([1, 0, 0, 1, 0])
    pointwise = -(label * np.log(chance) + (1 - label) * np.log(1 - chance))
    for kind, expected in ((LISTWISE, listwise), (PAIRWISE, pairwise), (POINTWISE, pointwise)):
        assert float(loss_of(logits, sizes, kind)) == pytest.approx(np.mean(expected), rel=1e-6)


def test_the_same_lessons_and_seed_give_the_same_bytes_and_another_seed_does_not(base, tmp_path):
    config = CONFIG.replace(epochs=2)  # the second pass is shuffled by seed
    found = {
        name: (teach(lessons(8), base, tmp_path / name, config, seed), bytes_of(tmp_path / name))
        for name, seed in (("first", 7), ("again", 7), ("other", 8))
    }
    assert found["again"] == found["first"]
    assert found["other"][1] != found["first"][1]


def test_being_asked_changes_no_weight(teacher, base, tmp_path):
    path, _, _ = teacher
    teach(lessons(32), base, tmp_path / "unasked", CONFIG, 7)
    assert bytes_of(tmp_path / "unasked") == bytes_of(path)


def test_the_model_is_saved_without_pickle_and_without_paths(teacher, base):
    path, _, _ = teacher
    files = {file.name for file in path.rglob("*") if file.is_file()}
    assert "model.safetensors" in files
    assert not {name for name in files if name.endswith((".bin", ".pt", ".pkl"))}
    texts = [file.read_text(encoding="utf-8") for file in path.rglob("*.json")]
    assert not [text for text in texts if str(base) in text]


def test_the_command_reads_lessons_and_exam_and_says_what_it_did(base, tmp_path, capsys):
    (tmp_path / "lessons").write_text("\n".join(json.dumps(vars(each)) for each in lessons(2)))
    (tmp_path / "exam").write_text("\n".join(json.dumps(vars(each)) for each in questions(8)))
    (tmp_path / "config").write_text(json.dumps({**CONFIG.to_mapping(), "epochs": 1, "checks": 1}))
    command = ["teach", "--lessons", str(tmp_path / "lessons"), "--model", str(base), "--out", str(tmp_path / "out")]
    command += ["--config", str(tmp_path / "config"), "--seed", "7"]

    assert main(command) == 0
    assert main([*command[:-6], "--out", str(tmp_path / "asked"), *command[-4:], "--exam", str(tmp_path / "exam")]) == 0

    unasked, asked = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"done"' in line]
    assert (unasked["done"]["lessons"], unasked["done"]["steps"]) == (2, 1)
    assert (tmp_path / "out" / "model.safetensors").is_file()
    assert (asked["done"]["questions"], asked["done"]["hidden"]) == (32, 8)
    assert main(command) == 1
    assert "--out must not exist yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"query": "a", "positive": "b"}',
        '{"query": "a", "positive": "b", "negatives": []}',
        '{"negatives": "x"}',
    ],
)
def test_a_lesson_that_cannot_be_read_is_named_by_line(base, tmp_path, capsys, line):
    (tmp_path / "lessons").write_text(f'{{"query": "a", "positive": "b", "negatives": ["c"]}}\n{line}\n')
    command = ["teach", "--lessons", str(tmp_path / "lessons"), "--model", str(base), "--out", str(tmp_path / "out")]

    assert main(command) == 1

    assert "lessons:2 must be a JSON object with query, positive and negatives" in capsys.readouterr().err


def test_a_missing_base_and_missing_lessons_are_one_clear_line(base, tmp_path):
    with pytest.raises(RecipeError, match=r"--model must be a model directory, got .*nowhere"):
        teach(lessons(2), tmp_path / "nowhere", tmp_path / "out", CONFIG, 1)
    with pytest.raises(EngineError, match="must have lessons, got none"):
        teach([], base, tmp_path / "out", CONFIG, 1)
