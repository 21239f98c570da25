"""Each prompt is asked once, in the order of the folder, and never again."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest

import jobs.llm.generate as module
from jobs.llm.generate import fetch_replies
from jobs.llm.prompts_on_disk import store_prompts
from pipeline.ports import GenerationReply
from pipeline.synthesise.config import SynthesiseConfig
from schemas.errors import EngineError
from schemas.pairs import NEGATIVE, QUERY

ASKED = [
    ("3", QUERY, "b"),
    ("1", QUERY, "c"),
    ("2", NEGATIVE, "a\n=>"),
    ("9", QUERY, "a"),
    ("4", QUERY, "b"),
    ("5", QUERY, "\U0001f41d"),
]


class Model:
    """Answers a prompt with itself; what it was asked is noted as it is asked."""

    def __init__(self):
        self.seen, self.counted = [], []

    def complete(self, requests, **settings):
        self.counted.append(len(requests))
        for each in requests:
            self.seen.append(each.request_id)
            yield GenerationReply(each.request_id, f"re {each.prompt}", "stop")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Give a run over plain folders, with a model in place of vLLM."""
    home = SimpleNamespace(
        scratch=tmp_path / "scratch",
        cache_dir=tmp_path / "cache",
        notes={},
        model=Model(),
        recipe=SimpleNamespace(synthesise=SynthesiseConfig(), seed=7),
        progress=lambda *_: None,
    )
    home.note = lambda **told: home.notes.update(told)
    home.time_engine = lambda _: nullcontext()
    monkeypatch.setattr(module, "generators_for", lambda run: nullcontext({QUERY: run.model, NEGATIVE: run.model}))
    return home


def stored(spark, run, asked=ASKED):
    return store_prompts(spark.createDataFrame(asked, "request_id string, kind string, prompt string"), run)


def test_equal_prompts_are_asked_once_and_a_second_time_none(spark, run):
    folder = stored(spark, run)
    got = fetch_replies(folder, run, "m")
    assert list(got) == ["1", "2", "3", "4", "5", "9"]
    assert {request: got[request].reply for request, _, _ in ASKED} == {
        request: f"re {prompt}" for request, _, prompt in ASKED
    }
    assert run.model.seen == ["9", "3", "1", "5", "2"]  # 4 asks what 3 does; negatives follow the queries
    assert run.model.counted == [4, 1]
    assert (run.notes["asked"], run.notes["remembered"], run.notes["refused"]) == (5, 1, 0)
    assert fetch_replies(folder, run, "m") == got
    assert len(run.model.seen) == 5
    assert run.notes["remembered"] == 6


def test_nothing_asked_is_nothing_got(spark, run):
    assert fetch_replies(stored(spark, run, []), run, "m") == {}
    assert run.model.counted == []


def test_for_a_kind_that_nobody_asks_no_prompt_is_read(spark, run):
    fetch_replies(stored(spark, run, [each for each in ASKED if each[1] == QUERY]), run, "m")
    assert run.model.counted == [4]


def test_a_server_that_refuses_all_it_is_asked_is_not_asked_the_rest(spark, run, monkeypatch):
    class Refusing(Model):
        def complete(self, requests, **settings):
            for each in requests:
                self.seen.append(each.request_id)
                yield GenerationReply(each.request_id, "", "error", "HTTP 400: no")

    run.model = Refusing()
    monkeypatch.setattr(module, "MANY_REFUSED", 2)
    with pytest.raises(EngineError, match="the server refuses every request: HTTP 400: no"):
        fetch_replies(stored(spark, run), run, "m")
    assert len(run.model.seen) == 2
