"""The real cross-encoder engine: a score depends on its pair alone."""

import shutil

import numpy as np
import pytest
from sentence_transformers import CrossEncoder

from jobs.engines.cross_encoder import OpenScorer, TransformerScorer
from pipeline.label.config import LabelConfig
from schemas.errors import EngineError
from tests.small_bert import WORDS, save_small_bert

CFG = LabelConfig(max_length=48, batch=8)


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
    out = tmp_path_factory.mktemp("teacher") / "model"
    CrossEncoder(str(base), num_labels=1, device="cpu").save_pretrained(str(out))
    return out


def scorer(path, threads=1):
    return TransformerScorer(path, max_length=CFG.max_length, batch=CFG.batch, threads=threads)


def assert_each_score_depends_on_its_pair_alone(engine, pairs):
    together = engine.score(pairs)
    assert np.array_equal(engine.score(pairs[::-1])[::-1], together)
    assert np.array_equal(engine.score(pairs[5:]), together[5:])
    assert np.array_equal([engine.score([pair])[0] for pair in pairs], together)
    assert len(set(together)) > len(pairs) // 2


def test_a_score_is_the_same_bits_whatever_is_scored_beside_it(teacher):
    assert_each_score_depends_on_its_pair_alone(scorer(teacher), pairs_of(30))


@pytest.mark.engine
def test_the_same_holds_for_the_real_model(models, tmp_path):
    texts = ["Return a copy of the array.", "Open the file " * 20, "x", "Sort the list in place " * 40, ""]
    pairs = [(query, text) for query in ("sort a list", "open a file " * 12) for text in texts]
    CrossEncoder(str(models / "all-MiniLM-L6-v2"), num_labels=1, device="cpu").save_pretrained(str(tmp_path / "out"))
    assert_each_score_depends_on_its_pair_alone(TransformerScorer(tmp_path / "out", max_length=64, batch=4), pairs)


def test_no_pairs_give_no_scores(teacher):
    assert scorer(teacher).score([]).shape == (0,)


def test_the_digest_follows_the_files_and_the_length(teacher, tmp_path):
    path = teacher
    copy = tmp_path / "copy"
    shutil.copytree(path, copy)
    assert scorer(copy).digest == scorer(path).digest
    assert OpenScorer(str(path), 32, 8)().digest != scorer(path).digest
    (copy / "config.json").write_text((copy / "config.json").read_text() + "\n")
    assert scorer(copy).digest != scorer(path).digest


def test_a_folder_without_a_cross_encoder_is_one_clear_line(tmp_path):
    with pytest.raises(EngineError, match="does not exist; try building the stage label again"):
        scorer(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(EngineError, match="cannot be loaded"):
        scorer(tmp_path / "empty")
