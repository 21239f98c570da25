"""A server as the encoder, against a small scripted one: right vectors or one clear line, whatever it does."""

from __future__ import annotations

import logging
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from jobs.cache.digest import engine_digest
from jobs.cache.vectors import VectorCache
from jobs.engines.embedding_server import OpenServer, read_retry_after
from jobs.engines.encoder import SentenceEncoder, encoder_files, encoder_prefixes, open_encoder
from pipeline.index.config import EncoderConfig
from pipeline.index.encode import embed_texts
from schemas.errors import EngineError, RecipeError
from tests.json_server import serve_json

SECRET = "sk-not-to-be-seen"
Answer = Callable[[dict[str, Any], dict[str, str]], tuple[int, object, dict[str, str]]]


def embeddings(vectors: list[Any], indexes: list[int] | None = None) -> tuple[int, object, dict[str, str]]:
    places = indexes or list(range(len(vectors)))
    return 200, {"data": [{"index": i, "embedding": v} for i, v in zip(places, vectors, strict=True)]}, {}


def letters(body: dict[str, Any], _: object = None) -> tuple[int, object, dict[str, str]]:
    """Answer with a vector that counts three letters of each text, not normalised."""
    return embeddings([[text.count("a"), text.count("b"), 1] for text in body["input"]])


def expected(texts: list[str]) -> np.ndarray:
    vectors = np.array([[text.count("a"), text.count("b"), 1] for text in texts], float)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@contextmanager
def serving(answer: Answer) -> Iterator[tuple[EncoderConfig, list[dict[str, Any]]]]:
    """Serve embeddings by a function of (body, headers); yield the encoder's settings and the bodies seen."""
    seen: list[dict[str, Any]] = []

    def respond(path: str, body: dict[str, Any], headers: dict[str, str]) -> tuple[int, object, dict[str, str]]:
        seen.append(body)
        return answer(body, headers) if path == "/v1/embeddings" else (404, {}, {})

    with serve_json(respond) as server:
        yield EncoderConfig(url=f"http://127.0.0.1:{server.server_port}/v1", model_name="m"), seen


def opened(cfg: EncoderConfig, **more: Any) -> OpenServer:
    return OpenServer(cfg, first_wait_seconds=0.01, **more)


def test_one_screen_example():
    with serving(letters) as (cfg, seen):
        encoder = pickle.loads(pickle.dumps(opened(cfg.replace(texts_a_request=2))))()
        texts = ["ab", "b", "", "ab", "aaa"]
        assert np.allclose(encoder.encode(texts), expected(texts), atol=1e-7)
        assert encoder.encode(texts).dtype == np.float32
        assert encoder.encode([]).shape == (0, 3)
    asked = [text for body in seen[:2] for text in body["input"]]
    assert sorted(asked) == [" ", "aaa", "ab", "b"]  # equal texts once, none empty
    assert {(body["model"], len(body["input"])) for body in seen} == {("m", 2)}


def test_vectors_come_in_the_order_of_the_texts_whatever_the_server_s():
    def backwards(body, _):
        last_first = list(reversed(range(len(body["input"]))))
        return embeddings([[place, 1] for place in last_first], last_first)

    with serving(backwards) as (cfg, _):
        found = opened(cfg)().encode(["x", "y", "z"])
    assert np.allclose(found[:, 0] / found[:, 1], [0, 1, 2])


@pytest.mark.parametrize(
    "trouble", [(429, {}, {"Retry-After": "0.01"}), (500, b"oops", {}), (503, {}, {}), (200, b"<", {})]
)
def test_trouble_that_passes_is_waited_for(trouble):
    left = [5]

    def answer(body, _):
        left[0] -= 1
        return trouble if left[0] >= 0 else letters(body)

    with serving(answer) as (cfg, seen):
        texts = [f"a{'b' * n}" for n in range(40)]
        found = opened(cfg.replace(texts_a_request=8))().encode(texts)
    assert np.allclose(found, expected(texts), atol=1e-7)
    assert len(seen) == 10


def test_a_storm_of_429_ends_in_one_line_that_says_what_is_kept():
    with serving(lambda *_: (429, {}, {})) as (cfg, seen), pytest.raises(EngineError) as caught:
        opened(cfg, tries=3)().encode(["a"])
    assert "answered HTTP 429, 3 times; what it answered before is kept" in str(caught.value)
    assert len(seen) == 3


def test_the_server_s_own_wait_is_kept_to():
    asked: list[float] = []

    def answer(body, _):
        asked.append(time.monotonic())
        return (429, {}, {"Retry-After": "0.3"}) if len(asked) == 1 else letters(body)

    with serving(answer) as (cfg, _):
        opened(cfg)().encode(["a"])
    assert asked[1] - asked[0] >= 0.3


def test_a_wait_is_seconds_or_a_date_and_never_an_hour():
    assert read_retry_after("2.5") == 2.5
    assert 3.0 < read_retry_after(formatdate(time.time() + 5, usegmt=True)) <= 5.0
    assert read_retry_after("99999") == read_retry_after(formatdate(time.time() + 9999)) == 60.0
    assert read_retry_after("soon") == read_retry_after("-3") == read_retry_after("") == 0.0


def test_a_request_that_is_too_large_is_cut_in_two():
    def answer(body, _):
        return letters(body) if len(body["input"]) <= 3 else (413, {"error": "batch size"}, {})

    with serving(answer) as (cfg, seen):
        texts = [f"a{'b' * n}" for n in range(10)]
        assert np.allclose(opened(cfg)().encode(texts), expected(texts), atol=1e-7)
    assert [len(body["input"]) for body in seen] == [10, 5, 2, 3, 5, 2, 3]


WRONG = {
    "fewer": (lambda body, _: embeddings([[1.0]] * (len(body["input"]) - 1)), "gave 2 vectors for 3 texts"),
    "twice": (lambda body, _: embeddings([[1.0]] * 3, [0, 1, 1]), "indexes are not those of the texts"),
    "nan": (lambda body, _: embeddings([[1.0], [float("nan")], [1.0]]), "no finite numbers"),
    "null": (lambda body, _: embeddings([[1.0], [None], [1.0]]), "no finite numbers"),
    "word": (lambda body, _: embeddings([[1.0], ["one"], [1.0]]), "no finite numbers"),
    "widths": (lambda body, _: embeddings([[1.0], [1.0, 2.0], [1.0]]), "must be 1, got 2"),
    "none": (lambda body, _: embeddings([[], [], []]), "must be at least 1, got 0"),
    "flat": (lambda body, _: embeddings([1.0, 2.0, 3.0]), "another width"),
    "other": (lambda body, _: (200, {"object": "list"}, {}), "holds no embeddings"),
    "list": (lambda body, _: (200, [1], {}), "holds no embeddings"),
    "text": (lambda body, _: (400, {"error": "too long"}, {}), "refused a text: HTTP 400.*too long.*max_length"),
    "key": (lambda body, _: (401, {}, {}), "the key was refused"),
    "path": (lambda body, _: (404, {}, {}), "no such model or path"),
    "teapot": (lambda body, _: (418, {}, {}), "answered HTTP 418"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_matrix_of_vectors_is_one_line(name):
    answer, said = WRONG[name]
    with serving(answer) as (cfg, _), pytest.raises(EngineError, match=said) as caught:
        opened(cfg, tries=2)().encode(["a", "b", "c"])
    assert "\n" not in str(caught.value)


def test_the_width_that_the_recipe_names_is_asked_for_and_held_to():
    with serving(letters) as (cfg, seen), pytest.raises(EngineError, match=r"encoder.dimensions must be 2, got 3"):
        opened(cfg.replace(dimensions=2))().encode(["a"])
    assert seen[0]["dimensions"] == 2


def test_a_width_that_changes_between_requests_is_refused():
    widths = iter([2, 3])
    with serving(lambda body, _: embeddings([[1.0] * next(widths)])) as (cfg, _):
        encoder = opened(cfg)()
        assert encoder.width == 2
        with pytest.raises(EngineError, match="another width"):
            encoder.encode(["a"])


def test_a_server_that_is_slow_or_gone_is_named():
    def answer(body, _):
        time.sleep(1.0)
        return letters(body)

    with serving(answer) as (cfg, _), pytest.raises(EngineError, match="did not answer"):
        opened(cfg, tries=2, timeout_seconds=0.2)().encode(["a"])
    gone = EncoderConfig(url="http://127.0.0.1:9/v1", model_name="m")
    with pytest.raises(EngineError, match=r"http://127.0.0.1:9/v1 \(m\) did not answer \(ConnectError\), 2 times"):
        opened(gone, tries=2)().encode(["a"])


def test_the_key_goes_to_the_server_and_nowhere_else(monkeypatch, caplog):
    monkeypatch.setenv("SOME_KEY", SECRET)
    caplog.set_level(logging.DEBUG)
    got: list[str] = []

    def answer(body, headers):
        got.append(headers["Authorization"])
        return (
            (400, {"error": f"bad request by {headers['Authorization']}"}, {})
            if "x" in body["input"]
            else letters(body)
        )

    with serving(answer) as (cfg, _):
        opener = opened(cfg.replace(api_key_env="SOME_KEY"))
        encoder = opener()
        encoder.encode(["a"])
        with pytest.raises(EngineError) as caught:
            encoder.encode(["x"])
    assert got[0] == f"Bearer {SECRET}"
    shown = f"{caught.value}{caplog.text}{opener!r}{pickle.dumps(opener)!r}{encoder.digest}{opener.config.to_mapping()}"
    assert SECRET not in shown
    assert "***" in str(caught.value)


def test_a_key_that_is_not_there_names_its_variable(monkeypatch):
    monkeypatch.delenv("SOME_KEY", raising=False)
    cfg = EncoderConfig(url="http://127.0.0.1:9/v1", model_name="m", api_key_env="SOME_KEY")
    with pytest.raises(RecipeError, match=r"SOME_KEY \(encoder.api_key_env\) must hold.*spark.executorEnv.SOME_KEY"):
        opened(cfg)()


def test_the_digest_is_that_of_server_model_and_dimensions():
    base = EncoderConfig(url="http://one/v1", model_name="m")
    others = [base.replace(url="http://two/v1"), base.replace(model_name="n"), base.replace(dimensions=8)]
    same = [base.replace(api_key_env="K"), base.replace(in_flight=1), base.replace(texts_a_request=7)]
    assert len({OpenServer(cfg).closed_digest() for cfg in [base, *others]}) == 4
    assert {OpenServer(cfg).closed_digest() for cfg in [base, *same]} == {OpenServer(base).closed_digest()}
    opener = OpenServer(base)
    assert engine_digest(SimpleNamespace(), opener) == engine_digest(SimpleNamespace(), replace(opener, tries=1))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"url": "ftp://host/v1", "model_name": "m"}, "url must be an http or https URL"),
        ({"url": "http://me:secret@host/v1", "model_name": "m"}, "url must be without user, password and query"),
        ({"url": "http://host/v1?key=secret", "model_name": "m"}, "url must be without user, password and query"),
        ({"url": "http://host/v1"}, "model_name must be set exactly when url is"),
        ({"dimensions": 8}, "dimensions must be null without url"),
    ],
)
def test_settings_that_name_no_server_are_refused(given, said):
    with pytest.raises(RecipeError, match=said) as caught:
        EncoderConfig.from_mapping(given)
    assert "secret" not in str(caught.value)


def test_the_recipe_s_prefixes_are_put_before_texts_and_vectors_are_asked_for_once(spark, tmp_path):
    queries = spark.createDataFrame([("q", "ab"), ("r", "ab")], "query_id string, query string")
    negatives = spark.createDataFrame([("n", "ab")], "text_id string, text string")
    with serving(letters) as (cfg, seen):
        recipe = SimpleNamespace(encoder=cfg.replace(query_prefix="aa: ", doc_prefix=None))
        opener = open_encoder(recipe)
        assert (opener.config.query_prefix, opener.config.doc_prefix) == encoder_prefixes(recipe) == ("aa: ", "")
        assert encoder_files(recipe) == {"encoder": opener.closed_digest()}
        for _ in range(2):
            memory = VectorCache(spark, tmp_path, opener)
            rows = embed_texts(queries, negatives, opener, opener.config, memory).collect()
    assert sorted(text for body in seen for text in body["input"]) == ["aa: ab", "ab"]
    assert memory.counts() == {"cached": 2, "computed": 0}
    vectors = {row.text_id: row.vector for row in rows}
    assert vectors["q"] == vectors["r"]
    assert np.allclose(vectors["n"], expected(["ab"])[0], atol=1e-6)


@pytest.mark.engine
def test_a_model_behind_a_server_gives_the_vectors_of_the_model(models):
    from sentence_transformers import SentenceTransformer

    home = models / "all-MiniLM-L6-v2"
    served = SentenceTransformer(str(home), device="cpu", local_files_only=True)
    served.max_seq_length = 128
    lock = threading.Lock()

    def answer(body, _):
        with lock:
            return embeddings([(3.0 * vector).tolist() for vector in served.encode(body["input"])])

    texts = ["", "a short text", "wing flutter at supersonic speed " * 30, *[f"text {n} of some" for n in range(40)]]
    with serving(answer) as (cfg, _):
        found = opened(cfg)().encode(texts)
    local = SentenceEncoder(home, EncoderConfig(dtype="float32")).encode(texts)
    assert np.abs(found - local).max() < 1e-5
