"""Embeddings by content: only what is new is computed, another model gives nothing old, and damage costs time alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from jobs.cache.vectors import VectorCache
from jobs.engines.encoder import OpenEncoder, SentenceEncoder
from pipeline.index.config import EncoderConfig
from pipeline.index.encode import encode_texts


@pytest.fixture
def encode(spark, folder, factory):
    """Encodes texts through the cache; gives vectors by id, and counts."""

    def run(*texts, prefix="", memory=True):
        found = VectorCache(spark, folder / "cache", factory) if memory else None
        frame = spark.createDataFrame([(f"t{i}", text) for i, text in enumerate(texts)], "id string, text string")
        encoded = encode_texts(frame, "id", "text", factory, prefix, found)
        vectors = {row.id: tuple(row.vector) for row in encoded.collect()}
        if found is not None:
            found.compact()
        return vectors, found.counts() if found is not None else {}

    return run


def parts(folder):
    return sorted((folder / "cache").rglob("part-*.parquet"))


def test_a_second_build_computes_what_is_new_and_gives_what_one_without_a_cache_gives(folder, encode, asked):
    encode("a", "b", "b")
    assert asked() == ["a", "b"]

    vectors, counts = encode("b", "new", "a")

    assert asked() == ["new"]
    assert counts == {"cached": 2, "computed": 1}
    assert vectors == encode("b", "new", "a", memory=False)[0]


def test_a_changed_weight_yields_no_old_value(folder, encode, asked):
    old, _ = encode("a", "b")
    asked()
    (folder / "model" / "weight").write_text("0.6")  # one digit of one file

    new, counts = encode("a", "b")

    assert counts == {"cached": 0, "computed": 2}
    assert asked() == ["a", "b"]
    assert all(new[key][0] != old[key][0] for key in old)
    assert new == encode("a", "b", memory=False)[0]


def test_a_text_read_with_another_prefix_is_another_value(folder, encode, asked):
    plain, _ = encode("a")
    prefixed, counts = encode("a", prefix="query: ")
    assert counts["computed"] == 1
    assert prefixed != plain


@pytest.mark.parametrize("harm", ["flip", "truncate", "empty"])
def test_a_damaged_part_is_computed_again(folder, encode, harm):
    good, _ = encode("a", "b")
    for part in parts(folder):
        data = bytearray(part.read_bytes())
        data[len(data) // 2] ^= 1
        part.write_bytes({"flip": bytes(data), "truncate": part.read_bytes()[:-9], "empty": b""}[harm])
    (parts(folder)[0].parent / ".part-x.partial").write_bytes(b"torn")

    again, counts = encode("a", "b")

    assert again == good
    assert counts == {"cached": 0, "computed": 2}
    assert encode("a", "b")[1] == {"cached": 2, "computed": 0}


def test_a_real_encoder_gives_the_same_bits_from_the_cache_until_one_weight_is_another(spark, models, tmp_path):
    path = Path(shutil.copytree(models / "all-MiniLM-L6-v2", tmp_path / "model"))
    opener = OpenEncoder(str(path), EncoderConfig())
    texts = [f"Sentence number {i} {'with some more words ' * (i % 5)}" for i in range(8)]

    def vectors(some):
        frame = spark.createDataFrame([(text, text) for text in some], "id string, text string")
        memory = VectorCache(spark, tmp_path, opener)
        found = {row.id: tuple(row.vector) for row in encode_texts(frame, "id", "text", opener, "", memory).collect()}
        return found, memory.counts()["computed"]

    def direct():
        found = SentenceEncoder(path, EncoderConfig()).encode(texts)
        return {text: tuple(row.tolist()) for text, row in zip(texts, found, strict=True)}

    vectors(texts[:4])
    old = direct()
    assert vectors(texts) == (old, 4)

    weights = load_file(path / "model.safetensors")
    weights["encoder.layer.5.output.LayerNorm.bias"][0] += 0.5
    save_file(weights, path / "changed", metadata={"format": "pt"})
    (path / "changed").replace(path / "model.safetensors")

    new = direct()
    assert vectors(texts) == (new, 8)
    assert all(new[text] != old[text] for text in texts)
