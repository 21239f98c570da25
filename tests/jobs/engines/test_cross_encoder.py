"""The real cross-encoder engine: a score depends on its pair alone."""

import shutil

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder

from jobs.engines.cross_encoder import OpenScorer, TransformerScorer, shapes
from schemas.errors import EngineError
from schemas.head import RAW_WIDTH
from tests.small_bert import WORDS, save_small_bert

MAX_LENGTH = 48


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A BERT of two small layers and a vocabulary of its own."""
    folder = tmp_path_factory.mktemp("base")
    save_small_bert(folder)
    return folder


def pairs_of(count, seed=0):
    random = np.random.default_rng(seed)
    return [
        (str(random.choice(WORDS)), " ".join(str(word) for word in random.choice(WORDS, size=4 + number % 9)))
        for number in range(count)
    ]


@pytest.fixture(scope="module")
def teacher(base, tmp_path_factory):
    """A cross-encoder as it is before any lesson: scores of all kinds, which is all that is asked of it here."""
    return save_cross_encoder(base, tmp_path_factory.mktemp("teacher") / "model")


def save_cross_encoder(base, out, labels=1, **given):
    torch.manual_seed(2)
    CrossEncoder(str(base), num_labels=labels, device="cpu", **given).save_pretrained(str(out))
    return out


def scorer(path, dtype="float32"):
    return TransformerScorer(OpenScorer(str(path), MAX_LENGTH, dtype))


def assert_each_score_depends_on_its_pair_alone(engine, pairs):
    together = engine.score(pairs)
    assert np.array_equal(engine.score(pairs[::-1])[::-1], together)
    assert np.array_equal(engine.score(pairs[5:]), together[5:])
    assert np.array_equal([engine.score([pair])[0] for pair in pairs], together)
    assert len(set(together)) > len(pairs) // 2


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_score_is_the_same_bits_whatever_is_scored_beside_it(teacher, dtype):
    assert_each_score_depends_on_its_pair_alone(scorer(teacher, dtype), pairs_of(90))


def test_scores_are_those_of_the_library(teacher):
    pairs = pairs_of(20)
    expected = CrossEncoder(str(teacher), device="cpu", max_length=MAX_LENGTH).predict(pairs)
    assert scorer(teacher).score(pairs) == pytest.approx(expected, abs=1e-5)
    assert scorer(teacher, "bfloat16").score(pairs) == pytest.approx(expected, abs=0.02)


def test_a_raw_score_and_a_head_of_two_labels_are_read_as_their_files_say(base, tmp_path):
    pairs = pairs_of(20)
    raw = save_cross_encoder(base, tmp_path / "raw", activation_fn=torch.nn.Identity())
    expected = CrossEncoder(str(raw), device="cpu", max_length=MAX_LENGTH).predict(pairs).astype(np.float64)
    assert scorer(raw).score(pairs) == pytest.approx(1 / (1 + np.exp(-expected / RAW_WIDTH)), abs=1e-5)

    two = save_cross_encoder(base, tmp_path / "two", labels=2)
    expected = CrossEncoder(str(two), device="cpu", max_length=MAX_LENGTH).predict(pairs, apply_softmax=True)[:, 1]
    assert scorer(two).score(pairs) == pytest.approx(expected, abs=1e-5)


def test_pairs_of_like_length_share_passes_within_the_budget_of_tokens():
    found = list(shapes([5, 40, 16, 20, 3, 48, 33], 48, 96))
    assert found == [(16, [0, 2, 4]), (32, [3]), (48, [1, 5]), (48, [6])]
    assert list(shapes([40], 48, 10)) == [(48, [0])]  # a pair longer than the budget has a pass of its own


@pytest.mark.engine
def test_the_same_holds_for_the_real_model(models, tmp_path):
    texts = ["Return a copy of the array.", "Open the file " * 20, "x", "Sort the list in place " * 40, ""]
    pairs = [(query, text) for query in ("sort a list", "open a file " * 12) for text in texts]
    CrossEncoder(str(models / "all-MiniLM-L6-v2"), num_labels=1, device="cpu").save_pretrained(str(tmp_path / "out"))
    assert_each_score_depends_on_its_pair_alone(TransformerScorer(OpenScorer(str(tmp_path / "out"), 64)), pairs)


def test_no_pairs_give_no_scores(teacher):
    assert scorer(teacher).score([]).shape == (0,)


def test_the_digest_follows_the_files_and_the_length(teacher, tmp_path):
    path = teacher
    copy = tmp_path / "copy"
    shutil.copytree(path, copy)
    assert scorer(copy).digest == scorer(path).digest
    assert OpenScorer(str(path), 32)().digest != scorer(path).digest
    (copy / "config.json").write_text((copy / "config.json").read_text() + "\n")
    assert scorer(copy).digest != scorer(path).digest


def test_a_folder_without_a_cross_encoder_is_one_clear_line(tmp_path):
    with pytest.raises(EngineError, match="does not exist; try building the stage label again"):
        scorer(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(EngineError, match="cannot be loaded"):
        scorer(tmp_path / "empty")
