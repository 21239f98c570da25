"""The caches: only what is new is computed, another model gives nothing old, and damage costs time alone."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from jobs.cache import parts as cache_module
from jobs.cache.parts import Cache, VectorCache, score_cache
from jobs.engines.encoder import OpenEncoder, SentenceEncoder
from jobs.store.files import directory_digest
from pipeline.index.config import EncoderConfig
from pipeline.index.encode import encode_texts
from pipeline.label.teacher import score_pairs

VECTORS = {"vector": "array<float>"}


def model_in(folder: Path):
    """A factory of the model in a folder: a text's vector is its hash times a weight in a file; calls are logged."""

    class Model:
        @property
        def digest(self):
            return directory_digest(folder / "model")

        def encode(self, texts):
            with (folder / "asked").open("a") as log:
                log.writelines(f"{text}\n" for text in texts)
            weight = float((folder / "model" / "weight").read_text())
            return np.array([[hashlib.sha256(t.encode()).digest()[0] * weight, 0.1] for t in texts], np.float32)

        def score(self, pairs):
            return self.encode([f"{query}|{text}" for query, text in pairs])[:, 0].astype(float) / 512

    return Model


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weight").write_text("0.5")
    return tmp_path


def asked(folder):
    """The texts that the model has seen since the last call."""
    log = folder / "asked"
    found = sorted(log.read_text().split("\n")[:-1]) if log.exists() else []
    log.unlink(missing_ok=True)
    return found


def encode(spark, folder, *texts, prefix="", memory=True):
    factory = model_in(folder)
    found = VectorCache(spark, folder / "cache", factory) if memory else None
    frame = spark.createDataFrame([(f"t{i}", text) for i, text in enumerate(texts)], "id string, text string")
    vectors = {row.id: tuple(row.vector) for row in encode_texts(frame, "id", "text", factory, prefix, found).collect()}
    if found is not None:
        found.compact()
    return vectors, found.counts() if found is not None else {}


def parts(folder):
    return sorted((folder / "cache").rglob("part-*.parquet"))


def test_a_second_build_computes_what_is_new_and_gives_what_one_without_a_cache_gives(spark, folder):
    encode(spark, folder, "a", "b", "b")
    assert asked(folder) == ["a", "b"]

    vectors, counts = encode(spark, folder, "b", "new", "a")

    assert asked(folder) == ["new"]
    assert counts == {"cached": 2, "computed": 1}
    assert vectors == encode(spark, folder, "b", "new", "a", memory=False)[0]


def test_a_changed_weight_yields_no_old_value(spark, folder):
    old, _ = encode(spark, folder, "a", "b")
    asked(folder)
    (folder / "model" / "weight").write_text("0.6")  # one digit of one file

    new, counts = encode(spark, folder, "a", "b")

    assert counts == {"cached": 0, "computed": 2}
    assert asked(folder) == ["a", "b"]
    assert all(new[key][0] != old[key][0] for key in old)
    assert new == encode(spark, folder, "a", "b", memory=False)[0]


def test_a_text_read_with_another_prefix_is_another_value(spark, folder):
    plain, _ = encode(spark, folder, "a")
    prefixed, counts = encode(spark, folder, "a", prefix="query: ")
    assert counts["computed"] == 1
    assert prefixed != plain


@pytest.mark.parametrize("harm", ["flip", "truncate", "empty"])
def test_a_damaged_part_is_computed_again(spark, folder, harm):
    good, _ = encode(spark, folder, "a", "b")
    for part in parts(folder):
        data = bytearray(part.read_bytes())
        data[len(data) // 2] ^= 1
        part.write_bytes({"flip": bytes(data), "truncate": part.read_bytes()[:-9], "empty": b""}[harm])
    (parts(folder)[0].parent / ".part-x.partial").write_bytes(b"torn")

    again, counts = encode(spark, folder, "a", "b")

    assert again == good
    assert counts == {"cached": 0, "computed": 2}
    assert encode(spark, folder, "a", "b")[1] == {"cached": 2, "computed": 0}


def rows_of(spark, *keys):
    rows = [(key, [float(len(key)), 0.5]) for key in keys]
    return spark.createDataFrame(rows, "key string, vector array<float>").coalesce(1)


def test_two_writers_add_to_each_other_and_a_value_stored_twice_counts_once(spark, tmp_path):
    first, second = (Cache(spark, tmp_path / "c", ["key"], VECTORS) for _ in range(2))
    first.append(rows_of(spark, "a", "bb"))
    second.append(rows_of(spark, "bb", "ccc"))
    assert len(first.parts()) == 2

    wanted = spark.createDataFrame([("a",), ("bb",), ("ccc",)], "key string")
    found = first.recall(wanted, lambda missing: missing.where("1 = 0").selectExpr("key", "array(0f) AS vector"))

    assert sorted((row.key, row.vector[0]) for row in found.collect()) == [("a", 1.0), ("bb", 2.0), ("ccc", 3.0)]


def test_many_parts_become_one_with_the_same_rows(spark, tmp_path, monkeypatch):
    monkeypatch.setattr(cache_module, "MANY_PARTS", 2)
    cache = Cache(spark, tmp_path, ["key"], VECTORS)
    for key in ("a", "bb", "ccc"):
        cache.append(rows_of(spark, key, "twice"))
    cache.compact()
    (part,) = cache.parts()
    assert sorted(row.key for row in cache.read().collect()) == ["a", "bb", "ccc", "twice"]
    cache.rewrite(cache.read())  # the same bytes again: the part must not delete itself
    assert cache.parts() == [part]


def test_parts_hold_a_bounded_number_of_rows(spark, tmp_path):
    cache = Cache(spark, tmp_path, ["key"], VECTORS)
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "10")
    try:
        assert cache.append(rows_of(spark, *(f"k{i}" for i in range(35))), rows_a_part=10) == 35
    finally:
        spark.conf.unset("spark.sql.execution.arrow.maxRecordsPerBatch")
    assert len(cache.parts()) == 4


def test_scores_are_kept_by_both_texts(spark, folder):
    def scored(*pairs, settings=8):
        factory = model_in(folder)
        shape = "query_id string, doc_id string, query string, text string, query_key string, text_key string"
        frame = spark.createDataFrame(
            [(f"q{i}", f"d{i}", q, t, f"k{q}", f"k{t}") for i, (q, t) in enumerate(pairs)], shape
        )
        memory = score_cache(spark, folder / "cache", factory, settings)
        with_cache = sorted(score_pairs(frame, factory, memory).collect())
        seen = asked(folder)
        assert with_cache == sorted(score_pairs(frame, factory).collect())
        asked(folder)
        return seen, {row.teacher_model for row in with_cache}, memory.counts()

    assert scored(("x", "1"), ("x", "2"))[0] == ["x|1", "x|2"]
    model = directory_digest(folder / "model")
    assert scored(("x", "2"), ("y", "2"), ("x", "1")) == (["y|2"], {model}, {"cached": 2, "computed": 1})
    assert scored(("x", "1"), settings=16)[0] == ["x|1"]
    (folder / "model" / "weight").write_text("0.25")
    assert scored(("x", "1"))[0] == ["x|1"]


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
