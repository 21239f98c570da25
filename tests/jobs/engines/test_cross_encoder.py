"""The real cross-encoder engine: it learns, reproducibly, and a score depends on its pair alone."""

import shutil

import numpy as np
import pytest
from transformers import BertConfig, BertModel, BertTokenizerFast

from jobs.engines.cross_encoder import Lesson, OpenScorer, TransformerScorer, train_teacher
from jobs.store.files import directory_digest
from pipeline.label.config import LabelConfig
from schemas.errors import EngineError, RecipeError

WORDS = [f"{letter}{number}" for letter in "abcdefgh" for number in range(8)]
CFG = LabelConfig(max_length=48, batch=8, epochs=12, learning_rate=3e-3, threads=1)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A BERT of two small layers and a vocabulary of its own."""
    import torch

    folder = tmp_path_factory.mktemp("base")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    BertTokenizerFast(vocab={word: place for place, word in enumerate(vocabulary)}).save_pretrained(folder)
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.1,
    )
    BertModel(config).save_pretrained(folder)
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
    steps = []
    figures = train_teacher(lessons(64), base, out, CFG, 7, lambda done, total, unit: steps.append((done, total, unit)))
    return out, figures, steps


def scorer(path, threads=1):
    return TransformerScorer(path, max_length=CFG.max_length, batch=CFG.batch, threads=threads)


def test_it_learns_what_the_gold_pairs_show(teacher):
    path, figures, steps = teacher
    new = lessons(40, seed=9)

    found = scorer(path).score([(each.query, each.text) for each in new])

    assert figures["last_loss"] < figures["first_loss"] / 2
    assert steps[-1] == (96, 96, "steps")
    right = [(value > 0.5) == (each.label > 0.5) for value, each in zip(found, new, strict=True)]
    assert np.mean(right) > 0.9
    assert ((found > 0) & (found < 1)).all()


def test_the_same_lessons_and_seed_give_the_same_bytes_and_another_seed_does_not(teacher, base, tmp_path):
    path, figures, _ = teacher
    again = train_teacher(lessons(64), base, tmp_path / "again", CFG, 7)
    train_teacher(lessons(64), base, tmp_path / "other", CFG, 8)
    assert again == figures
    assert directory_digest(tmp_path / "again") == directory_digest(path)
    assert directory_digest(tmp_path / "other") != directory_digest(path)


def test_the_model_is_saved_without_pickle_and_without_paths(teacher, base):
    path, _, _ = teacher
    files = {file.name for file in path.rglob("*") if file.is_file()}
    assert "model.safetensors" in files
    assert not {name for name in files if name.endswith((".bin", ".pt", ".pkl"))}
    texts = [file.read_text(encoding="utf-8") for file in path.rglob("*.json")]
    assert not [text for text in texts if str(base) in text]


def assert_each_score_depends_on_its_pair_alone(engine, pairs):
    together = engine.score(pairs)
    assert np.array_equal(engine.score(pairs[::-1])[::-1], together)
    assert np.array_equal(engine.score(pairs[5:]), together[5:])
    assert np.array_equal([engine.score([pair])[0] for pair in pairs], together)
    assert len(set(together)) > len(pairs) // 2


def test_a_score_is_the_same_bits_whatever_is_scored_beside_it(teacher):
    pairs = [(each.query, each.text) for each in lessons(30, seed=4)]
    assert_each_score_depends_on_its_pair_alone(scorer(teacher[0]), pairs)


@pytest.mark.engine
def test_the_same_holds_for_the_real_model(models, tmp_path):
    texts = ["Return a copy of the array.", "Open the file " * 20, "x", "Sort the list in place " * 40, ""]
    pairs = [(query, text) for query in ("sort a list", "open a file " * 12) for text in texts]
    cfg = LabelConfig(max_length=64, batch=4, threads=1, epochs=1)
    gold = [Lesson(*pairs[0], 0.0), Lesson(*pairs[1], 1.0)]
    train_teacher(gold, models / "all-MiniLM-L6-v2", tmp_path / "out", cfg, 1)
    assert_each_score_depends_on_its_pair_alone(TransformerScorer(tmp_path / "out", max_length=64, batch=4), pairs)


def test_no_pairs_give_no_scores(teacher):
    assert scorer(teacher[0]).score([]).shape == (0,)


def test_the_digest_follows_the_files_and_the_length(teacher, tmp_path):
    path, _, _ = teacher
    copy = tmp_path / "copy"
    shutil.copytree(path, copy)
    assert scorer(copy).digest == scorer(path).digest
    assert OpenScorer(str(path), 32, 8)().digest != scorer(path).digest
    (copy / "config.json").write_text((copy / "config.json").read_text() + "\n")
    assert scorer(copy).digest != scorer(path).digest


def test_wrong_models_and_missing_gold_are_one_clear_line(base, tmp_path):
    with pytest.raises(RecipeError, match=r"label\.base must be a model directory, got .*nowhere"):
        train_teacher(lessons(2), tmp_path / "nowhere", tmp_path / "out", CFG, 1)
    with pytest.raises(EngineError, match="must have lessons, got none"):
        train_teacher([], base, tmp_path / "out", CFG, 1)
    with pytest.raises(EngineError, match="does not exist; try building the stage label again"):
        scorer(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(EngineError, match="cannot be loaded"):
        scorer(tmp_path / "empty")
