"""The quantised body of an encoder: nearly the model's vectors, in any company; torch where it cannot be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from jobs.engines import encoder as module
from jobs.engines import openvino
from jobs.engines.encoder import SentenceEncoder, choose_backend, encoder_files, open_encoder
from pipeline.index.config import EncoderConfig
from schemas.errors import EngineError, RecipeError

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def minilm(models) -> Path:
    return models / "all-MiniLM-L6-v2"


def recipe_of(model: Path, **settings: object) -> SimpleNamespace:
    return SimpleNamespace(encoder=EncoderConfig(model=str(model), **settings), model_path=Path)


@pytest.fixture(scope="module")
def quantised(minilm, tmp_path_factory):
    """The opener of a quantised MiniLM and the folder of caches; skips where OpenVINO is not installed."""
    if not openvino.is_installed() or not openvino.fits(minilm):
        pytest.skip(
            "OpenVINO is not installed, or this processor does not multiply bytes; run: pip install .[openvino]"
        )
    cache = tmp_path_factory.mktemp("cache")
    return open_encoder(recipe_of(minilm), cache), cache


def test_the_quantised_body_gives_nearly_the_model_s_vectors_in_any_company(quantised, minilm):
    opener, _ = quantised
    texts = [line[:length] for line in openvino.TEXTS.read_text("utf-8").splitlines() for length in (9, 60, 900)][::4]
    encoder = opener()
    vectors = encoder.encode(texts)
    whole = SentenceEncoder(minilm, EncoderConfig(dtype="float32")).encode(texts)
    assert (vectors * whole).sum(axis=1).mean() > openvino.LEAST_COSINE
    assert np.abs(vectors - whole).max() > 1e-4  # it is the quantised one
    for chosen in ([0], [5, 3], [*range(20, 3, -2)]):
        assert encoder.encode([texts[i] for i in chosen]).tobytes() == vectors[chosen].tobytes()
    assert opener.closed_digest() == encoder.digest != SentenceEncoder(minilm, EncoderConfig()).digest


def test_a_body_is_made_once_and_the_same_everywhere(quantised, minilm, tmp_path):
    opener, cache = quantised
    before = Path(opener.body).stat().st_mtime_ns
    assert open_encoder(recipe_of(minilm), cache) == opener
    assert Path(opener.body).stat().st_mtime_ns == before
    assert openvino.digest_of_body(openvino.quantise(minilm, tmp_path, 128)) == opener.bits
    assert [path.name for path in tmp_path.iterdir()] == [Path(opener.body).name]


def test_the_backend_stands_in_the_fingerprint(quantised, minilm):
    assert encoder_files(recipe_of(minilm))["backend of the encoder"] == openvino.recipe_of_body()
    assert list(encoder_files(recipe_of(minilm, backend="torch"))) == ["encoder"]


def test_torch_computes_where_openvino_is_not(minilm, tmp_path, monkeypatch):
    monkeypatch.setattr(openvino, "is_installed", lambda: False)
    assert open_encoder(recipe_of(minilm), tmp_path).backend() == "torch"
    assert list(encoder_files(recipe_of(minilm))) == ["encoder"]
    with pytest.raises(RecipeError, match=r"encoder.backend must be torch or auto where openvino is not installed"):
        encoder_files(recipe_of(minilm, backend="openvino"))


@pytest.mark.parametrize("settings", [{"backend": "torch"}, {"dtype": "float32"}, {"dtype": "bfloat16"}])
def test_who_names_torch_or_a_precision_gets_it(minilm, monkeypatch, settings):
    monkeypatch.setattr(openvino, "is_installed", lambda: True)
    monkeypatch.setattr(openvino, "fits", lambda _: True)
    assert choose_backend(EncoderConfig(**settings), minilm) == "torch"
    assert choose_backend(EncoderConfig(), minilm) == "openvino"
    monkeypatch.setattr(module, "task_device", lambda: "cuda:0")
    assert choose_backend(EncoderConfig(), minilm) == "torch"


def test_a_body_that_cannot_be_made_leaves_torch_unless_it_is_named(minilm, tmp_path, monkeypatch):
    def fail(*_):
        raise EngineError("OpenVINO could not quantise it")

    monkeypatch.setattr(openvino, "is_installed", lambda: True)
    monkeypatch.setattr(openvino, "fits", lambda _: True)
    monkeypatch.setattr(openvino, "quantise", fail)
    assert open_encoder(recipe_of(minilm), tmp_path).backend() == "torch"
    with pytest.raises(EngineError, match="could not quantise"):
        open_encoder(recipe_of(minilm, backend="openvino"), tmp_path)


def test_other_bodies_are_left_to_torch(minilm, tmp_path, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: True, raising=False)
    assert openvino.fits(minilm)
    config = json.loads((minilm / "config.json").read_text("utf-8"))
    (tmp_path / "config.json").write_text(json.dumps({**config, "model_type": "mpnet"}))
    assert not openvino.fits(tmp_path)
    shutil.rmtree(tmp_path)
    assert not openvino.fits(tmp_path)
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: False, raising=False)
    assert not openvino.fits(minilm)


def test_a_worker_without_openvino_says_so(tmp_path):
    with pytest.raises(EngineError, match=r"OpenVINO cannot open .* try encoder.backend: torch"):
        openvino.QuantisedBody(tmp_path)
