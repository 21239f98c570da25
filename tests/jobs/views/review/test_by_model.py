"""A model answers the same questions, whatever its server does, and counts once it agrees with people."""

import json
import os
import re
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest

from jobs.cli.main import main
from jobs.store.reviews import read_reviews
from jobs.views.review.by_model import ask_model, open_generator, reviewer_of, tell_agreement
from pipeline.review.agreement import choose_counting
from pipeline.review.config import ReviewConfig
from schemas.errors import EngineError, RecipeError
from schemas.reviews import BROWSED, CHECK, ESTIMATE
from tests.jobs.views.review.build import make_build, open_session
from tests.json_server import serve_json


@contextmanager
def chat_server(answer):
    """Play a chat server: ``answer`` takes the prompt and the number of the request, and gives (status, content)."""
    seen = []

    def respond(path, body, _):
        seen.append((path, body))
        status, content = answer(body["messages"][0]["content"], len(seen))
        found = {"choices": [{"message": content, "finish_reason": "stop"}]} if status == 200 else {"error": content}
        return status, content if isinstance(content, bytes) else found, {}

    with serve_json(respond) as server:
        yield f"http://127.0.0.1:{server.server_port}/v1", seen


def says(verdict, why="because"):
    return 200, {"content": json.dumps({"verdict": verdict, "why": why})}


def truth(prompt, _=0):
    """The known positives answer their queries, the candidates do not; the number in both texts tells."""
    query = re.search(r"Query: \"what is (\d+)", prompt).group(1)
    positive = re.search(r"\nDocument: \"the answer to (\d+)", prompt)
    return says("yes" if positive and positive.group(1) == query else "no")


def settings(url, **more):
    return ReviewConfig(by="llm", url=url, model_name="judge-1", timeout_seconds=1, concurrency=2, **more)


def run(place, cfg, pairs=40):
    session = open_session(place.path, reviewer_of(cfg), pairs, cfg=cfg)
    generator = replace(open_generator(cfg), first_wait_seconds=0.01, tries=8)
    return session, ask_model(session, generator, 13, lambda *_: None)


@pytest.fixture
def place(tmp_path):
    return make_build(tmp_path)


def test_the_model_answers_what_a_person_is_asked_and_never_twice(place):
    with chat_server(truth) as (url, seen):
        session, outcome = run(place, settings(url))
        assert {path for path, _ in seen} == {"/v1/chat/completions"}
        assert outcome.tell() == "questions 38, requests 38, new answers 38"  # 40 but for 2 repeats
        assert run(place, settings(url))[1].tell() == "questions 38, remembered 38"
        assert len(seen) == 38
    found = read_reviews(place.store)
    assert {each.reviewer for each in found} == {"model:judge-1"}
    assert {each.why for each in found} == {"because"}
    assert {each.purpose for each in found} == {ESTIMATE, CHECK}
    assert session.standing().checks.share == 1.0


def test_a_budget_is_kept_and_the_next_run_goes_on(place):
    with chat_server(truth) as (url, seen):
        assert run(place, settings(url, requests=10))[1].tell() == (
            "questions 38, requests 10, new answers 10, left by review.requests 28"
        )
        assert len(seen) == 10
        run(place, settings(url, requests=10))
        assert len(seen) == len(read_reviews(place.store)) == 20


def test_the_band_is_asked_whole_and_is_no_sample(place):
    with chat_server(truth) as (url, _):
        session, outcome = run(place, settings(url, ask="band", band_low=0.25, band_high=0.35))
    in_band = session.pool.candidates["fn_probability"].between(0.25, 0.35).sum()
    assert outcome.kept == outcome.questions == in_band > 0
    assert {(each.purpose, each.inclusion) for each in read_reviews(place.store)} == {(BROWSED, 1.0)}


def test_trouble_that_passes_is_waited_for_and_what_is_no_verdict_is_none(place):
    def answer(prompt, number):
        if number % 4 == 1:
            return 429, "slow down"
        if number % 11 == 0:
            return 200, b"<html>an error page</html>"
        if number == 10:
            time.sleep(1.5)  # too slow: asked again
        if '"candidate 3 ' in prompt:
            return 200, {"content": '{"verdict": "yes", "why": '}  # broken
        if '"candidate 5 ' in prompt:
            return 200, {"content": None, "refusal": "I cannot judge that."}
        return truth(prompt)

    with chat_server(answer) as (url, seen):
        _, outcome = run(place, settings(url))
        asked = len(seen)
        again = run(place, settings(url))[1]
        assert (again.requests, len(seen)) == (0, asked)  # a reply that says nothing is not paid for twice
    prompts = {body["messages"][0]["content"] for _, body in seen}
    broken = sum('"candidate 3 ' in prompt or '"candidate 5 ' in prompt for prompt in prompts)
    assert broken
    assert (outcome.unreadable, outcome.kept, outcome.refused) == (broken, 38 - broken, 0)
    assert again.unreadable == broken
    assert asked > 45
    assert len(read_reviews(place.store)) == 38 - broken


def test_a_server_that_is_gone_or_refuses_the_key_ends_the_run_and_keeps_what_came(place):
    def answer(prompt, number):
        return truth(prompt) if number <= 5 else (401, "bad key")

    with chat_server(answer) as (url, _), pytest.raises(EngineError, match="the key was refused"):
        run(place, settings(url))
    assert 3 <= len(read_reviews(place.store)) <= 5
    with chat_server(lambda *_: (400, "no such model")) as (url, seen):
        with pytest.raises(EngineError, match="refuses every question: HTTP 400"):
            run(place, settings(url))
        assert len(seen) < 38


def test_the_answers_count_only_once_agreement_with_people_was_measured(place):
    person = open_session(place.path, "person:ana", 100)
    with chat_server(truth) as (url, _):
        cfg = settings(url, min_common=30)
        session, _ = run(place, cfg, 100)
        assert tell_agreement(session) == (
            "agreement    no pair that people answered too: its answers count from 30 common ones on"
        )
        assert choose_counting(session.reviews, cfg) == ()
    for number, asked in enumerate(person.questions):
        person.answer(number, asked.expected or "no")
    session = open_session(place.path, reviewer_of(cfg), 100, cfg=cfg)
    told = tell_agreement(session)
    assert re.fullmatch(
        r"agreement    (\d+) of \1 answers as people gave them, kappa 1\.00: its answers count "
        r"\(review\.min_common 30, review\.min_kappa 0\.6\)",
        told,
    )
    assert "its answers do not count" in tell_agreement(
        open_session(place.path, reviewer_of(cfg), 100, cfg=cfg.replace(min_common=500))
    )


def test_a_document_that_gives_orders_is_quoted(place):
    with chat_server(truth) as (url, seen):
        run(place, settings(url))
    for _, body in seen:
        prompt = body["messages"][0]["content"]
        quoted = [line for line in prompt.splitlines() if line.startswith(("Query: ", "Document: ", "Known to"))]
        assert all(line.count('"') == 2 for line in quoted)
        assert body["temperature"] == 0.0


def test_the_command_asks_the_model_of_the_recipe(tmp_path, capsys):
    (tmp_path / "docs.jsonl").write_text('{"text": "a text"}\n')
    make_build(tmp_path / "w")
    head = "name: tiny\nsources:\n  - {name: s, format: jsonl, path: docs.jsonl}\n"

    def call(extra, *flags):
        (tmp_path / "r.yaml").write_text(head + extra)
        with pytest.raises(SystemExit) as end:
            main(["review", str(tmp_path / "r.yaml"), "--workspace", str(tmp_path / "w"), *flags])
        return end.value.code, *capsys.readouterr()

    with chat_server(truth) as (url, _):
        status, out, _ = call(f"review: {{url: '{url}', model_name: m, pairs: 20}}\n", "--by", "llm")
    assert status == 0
    assert out.splitlines()[0] == "questions 19, requests 19, new answers 19"
    assert "agreement    no pair that people answered too" in out
    status, _, err = call("", "--by", "llm")
    assert (status, "review.url must be set with by: llm" in err) == (1, True)
    assert call("", "--by", "robot")[0] == 2


def test_the_key_is_read_from_the_environment_and_shown_nowhere(place, monkeypatch):
    cfg = settings("http://127.0.0.1:9", api_key_env="REVIEW_KEY")
    monkeypatch.delenv("REVIEW_KEY", raising=False)
    with pytest.raises(RecipeError, match="REVIEW_KEY must hold the server's key"):
        run(place, cfg)


def test_a_real_server_where_one_is_named(place):
    """$PAIRWRIGHT_CHAT_URL and $PAIRWRIGHT_CHAT_MODEL name a server; its key, if any, is in $PAIRWRIGHT_CHAT_KEY."""
    url, model = os.environ.get("PAIRWRIGHT_CHAT_URL"), os.environ.get("PAIRWRIGHT_CHAT_MODEL")
    if not url or not model:
        pytest.skip("no chat server is named in PAIRWRIGHT_CHAT_URL and PAIRWRIGHT_CHAT_MODEL")
    key = "PAIRWRIGHT_CHAT_KEY" if os.environ.get("PAIRWRIGHT_CHAT_KEY") else None
    cfg = ReviewConfig(by="llm", url=url, model_name=model, api_key_env=key)
    session = open_session(place.path, reviewer_of(cfg), 10, cfg=cfg)
    outcome = ask_model(session, open_generator(cfg), 13, lambda *_: None)
    assert outcome.requests == outcome.questions
    assert outcome.refused == 0
