"""The encoder on the real model: the same bits in any company, the right vectors, and clear errors."""

from __future__ import annotations

import json
import random
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from jobs.engines import encoder as module
from jobs.engines.encoder import OpenEncoder, SentenceEncoder, encoder_files, open_encoder
from jobs.store.files import directory_digest
from pipeline.index.config import EncoderConfig
from pipeline.index.encode import encode_texts
from schemas.errors import EngineError, RecipeError

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def minilm(models) -> Path:
    return models / "all-MiniLM-L6-v2"


def texts_of(count: int, seed: int = 1) -> list[str]:
    """Texts of very different lengths, from none to far over the maximum."""
    draw = random.Random(seed)
    vocabulary = Path(module.__file__).read_text(encoding="utf-8").split()
    return [" ".join(draw.choices(vocabulary, k=int(draw.expovariate(1 / 40)))) for _ in range(count)]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_vector_is_the_same_bits_in_any_company(minilm, dtype):
    encoder = SentenceEncoder(minilm, EncoderConfig(dtype=dtype))
    texts = texts_of(90)
    alone = encoder.encode(texts)
    draw = random.Random(2)
    for size in (1, 2, 3, 11, 90):
        chosen = [draw.randrange(len(texts)) for _ in range(size)]
        again = encoder.encode([texts[i] for i in chosen])
        assert again.tobytes() == alone[chosen].tobytes()


def test_vectors_are_those_of_sentence_transformers(minilm):
    from sentence_transformers import SentenceTransformer

    texts = texts_of(30, seed=3)
    theirs = SentenceTransformer(str(minilm), device="cpu", local_files_only=True)
    theirs.max_seq_length = 64
    expected = theirs.encode(texts, normalize_embeddings=True)

    exact = SentenceEncoder(minilm, EncoderConfig(dtype="float32", max_length=64)).encode(texts)
    short = SentenceEncoder(minilm, EncoderConfig(dtype="bfloat16", max_length=64)).encode(texts)

    assert exact.dtype == np.float32
    assert np.abs(exact - expected).max() < 1e-5
    assert (short * expected).sum(axis=1).min() > 0.9995
    assert np.linalg.norm(short, axis=1) == pytest.approx(np.ones(len(texts)), abs=1e-6)


def test_odd_texts_have_vectors_and_a_huge_one_takes_no_minutes(minilm):
    encoder = SentenceEncoder(minilm, EncoderConfig())
    started = time.monotonic()
    vectors = encoder.encode(["", "\x00", "\U0001f600 中文", "a " * 5_000_000, "x" * 10_000_000])
    assert np.isfinite(vectors).all()
    assert vectors.shape == (5, 384)
    assert time.monotonic() - started < 20
    assert encoder.encode([]).shape == (0, 384)


def test_the_digest_changes_with_whatever_changes_vectors(minilm):
    base = EncoderConfig(dtype="float32")
    digests = {
        SentenceEncoder(minilm, config).digest
        for config in (
            base,
            EncoderConfig(dtype="bfloat16"),
            EncoderConfig(dtype="float32", max_length=64),
            EncoderConfig(dtype="float32", batch=512),
        )
    }
    assert len(digests) == 4
    assert SentenceEncoder(minilm, base).digest in digests


def test_other_weights_have_another_digest(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_text(name)
    shutil.copytree(tmp_path / "one", tmp_path / "copy")
    one, copy, two = (directory_digest(tmp_path / name) for name in ("one", "copy", "two"))
    assert one == copy != two


def test_a_model_that_is_not_there_is_a_recipe_error(tmp_path):
    with pytest.raises(RecipeError, match=r"encoder.model must be a model directory.*try make setup, or a full path"):
        OpenEncoder(str(tmp_path / "none"), EncoderConfig())()


def test_a_model_that_does_not_load_is_an_engine_error(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(EngineError, match=r"does not load .*try another encoder.model"):
        SentenceEncoder(tmp_path, EncoderConfig())


def test_more_tokens_than_the_model_reads_are_refused(minilm):
    with pytest.raises(RecipeError, match=r"encoder.max_length must be at most 512, .* got 1024"):
        SentenceEncoder(minilm, EncoderConfig(max_length=1024))


@pytest.fixture
def recipe_of(minilm, tmp_path):
    """A recipe over a copy of the model, with other words in one of its small files."""

    def make(encoder=None, **files):
        home = tmp_path / "model"
        shutil.copytree(minilm, home, dirs_exist_ok=True)
        for name, value in files.items():
            path = home / f"{name}.json"
            path.unlink(missing_ok=True)
            if value is not None:
                path.write_text(json.dumps(value))
        config = EncoderConfig(model=str(home), max_length=64, dtype="float32", **(encoder or {}))
        return SimpleNamespace(encoder=config, model_path=lambda name: home)

    return make


PROMPTS = {"prompts": {"query": "query: ", "document": "passage: "}}


@pytest.mark.parametrize(
    ("given", "query", "document"),
    [
        ({}, "query: ", "passage: "),
        ({"query_prefix": "ask: "}, "ask: ", "passage: "),
        ({"doc_prefix": ""}, "query: ", ""),
    ],
)
def test_texts_are_read_as_the_model_itself_reads_them_unless_the_recipe_says_otherwise(
    recipe_of, given, query, document
):
    recipe = recipe_of(given, config_sentence_transformers=PROMPTS)
    opener = open_encoder(recipe)
    assert (opener.config.query_prefix, opener.config.doc_prefix) == (query, document)
    if not given:
        own = SentenceTransformer(str(recipe.encoder.model), device="cpu", local_files_only=True)
        own.max_seq_length = 64
        text = "The ferry leaves the north pier every weekday at eight."
        for prefix, wanted in ((query, own.encode_query(text)), (document, own.encode_document(text))):
            assert float(opener().encode([prefix + text])[0] @ wanted) == pytest.approx(1.0, abs=1e-4)


def test_a_model_that_does_not_say_how_it_pools_is_refused_before_anything_is_started(recipe_of):
    for ask in (open_encoder, encoder_files):
        with pytest.raises(RecipeError, match=r"encoder.model must be a model that says how it pools"):
            ask(recipe_of(modules=None))


def test_positions_that_a_roberta_does_not_use_are_no_room(recipe_of):
    config = {"model_type": "roberta", "max_position_embeddings": 65, "pad_token_id": 1}
    with pytest.raises(RecipeError, match=r"encoder.max_length must be at most 63, .* got 64"):
        encoder_files(recipe_of(config=config))


def test_spark_gives_the_same_vectors_on_any_partitioning(spark, minilm):
    texts = [*texts_of(20, seed=4), "twice the same text", "twice the same text"]
    frame = spark.createDataFrame([(f"t{i:02}", text) for i, text in enumerate(texts)], "id string, text string")
    opener = OpenEncoder(str(minilm), EncoderConfig())

    got = [
        {row.id: tuple(row.vector) for row in encode_texts(frame.repartition(n), "id", "text", opener).collect()}
        for n in (1, 3)
    ]

    assert got[0] == got[1]
    here = opener().encode(texts)
    assert got[0] == {f"t{i:02}": tuple(vector.tolist()) for i, vector in enumerate(here)}
