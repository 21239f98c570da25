"""The client against a small fake server: every reply arrives once, whatever the server does."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import ThreadingHTTPServer

import pytest

from jobs.engines.vllm.client import CHAT, OpenAiGenerator
from pipeline.ports import GenerationRequest
from schemas.errors import EngineError, RecipeError
from tests.json_server import serve_json

SETTINGS = {"max_tokens": 8, "temperature": 0.0, "seed": 1, "stop": ["\n"]}

Answer = Callable[[dict, dict], tuple[int, object, dict]]


def completion(text: str) -> tuple[int, object, dict]:
    return 200, {"choices": [{"text": text, "finish_reason": "stop"}]}, {}


@contextmanager
def fake_server(answer: Answer) -> Iterator[ThreadingHTTPServer]:
    """Serve completions by a function of (body, headers) -> (status, answer, headers)."""
    with serve_json(lambda _, body, headers: answer(body, headers)) as server:
        yield server


def client(server: ThreadingHTTPServer, **more) -> OpenAiGenerator:
    return OpenAiGenerator(f"http://127.0.0.1:{server.server_port}/v1", "m", first_wait_seconds=0.01, **more)


def requests(count: int) -> list[GenerationRequest]:
    return [GenerationRequest(f"r{n}", f"p{n}") for n in range(count)]


def test_every_request_gets_its_own_reply_with_many_in_flight():
    together = threading.Barrier(8, timeout=10)

    def answer(body, _):
        together.wait()  # passes only when eight are here at the same time
        assert {name: body[name] for name in SETTINGS} == SETTINGS
        return completion(body["prompt"].upper())

    with fake_server(answer) as server:
        replies = list(client(server, in_flight=8).complete(requests(24), **SETTINGS))

    assert {reply.request_id: reply.text for reply in replies} == {f"r{n}": f"P{n}" for n in range(24)}
    assert {(reply.finish_reason, reply.error) for reply in replies} == {("stop", None)}


@pytest.mark.parametrize(
    "trouble", [(429, {}, {"Retry-After": "0.01"}), (503, {}, {}), (500, b"oops", {}), (200, b"<html>", {})]
)
def test_trouble_that_passes_is_tried_again(trouble):
    seen: list[str] = []

    def answer(body, _):
        seen.append(body["prompt"])
        return trouble if seen.count(body["prompt"]) < 3 else completion("ok")

    with fake_server(answer) as server:
        replies = list(client(server).complete(requests(4), **SETTINGS))

    assert [reply.text for reply in replies] == ["ok"] * 4
    assert len(seen) == 12


def test_a_request_that_is_refused_for_good_is_a_reply_with_an_error_and_the_others_go_on():
    def answer(body, _):
        if body["prompt"] == "p1":
            return 400, {"message": "prompt is too long"}, {}
        return completion("ok")

    with fake_server(answer) as server:
        replies = {reply.request_id: reply for reply in client(server).complete(requests(3), **SETTINGS)}

    assert [replies[f"r{n}"].text for n in range(3)] == ["ok", "", "ok"]
    assert replies["r1"].error == 'HTTP 400: {"message": "prompt is too long"}'


def test_a_server_that_dies_half_way_ends_in_an_error_that_counts_the_replies_that_were_handed_out():
    served: list[str] = []
    server_box: list[ThreadingHTTPServer] = []

    def answer(body, _):
        if len(served) >= 5:
            server_box[0].socket.close()
            return 503, {}, {}
        served.append(body["prompt"])
        return completion("ok")

    got = []
    with fake_server(answer) as server:
        server_box.append(server)
        generator = client(server, in_flight=2, tries=3)
        with pytest.raises(EngineError, match=r"after 5 of 20 replies, which are kept; .* run again"):
            got.extend(generator.complete(requests(20), **SETTINGS))  # keeps what came before the error

    assert len(got) == 5


def test_the_death_of_our_own_server_is_noticed_without_waiting_for_every_try():
    generator = OpenAiGenerator("http://127.0.0.1:9/v1", "m", tries=100, first_wait_seconds=30, alive=lambda: False)
    begin = time.monotonic()
    with pytest.raises(EngineError, match="died after 0 of 3 replies"):
        list(generator.complete(requests(3), **SETTINGS))

    assert time.monotonic() - begin < 5


def test_a_caller_that_stops_listening_does_not_wait_for_the_rest():
    with fake_server(lambda body, _: completion("ok") if body["prompt"] == "p0" else (503, {}, {})) as server:
        generator = OpenAiGenerator(f"http://127.0.0.1:{server.server_port}/v1", "m", tries=50, first_wait_seconds=20)
        begin = time.monotonic()
        replies = generator.complete(requests(8), **SETTINGS)
        assert next(replies).request_id == "r0"
        replies.close()

    assert time.monotonic() - begin < 5


def test_the_key_is_sent_and_appears_in_no_log_error_or_reply(monkeypatch, caplog):
    monkeypatch.setenv("MY_KEY", "sk-secret")
    caplog.set_level(logging.DEBUG)
    seen: list[str] = []

    def answer(body, headers):
        seen.append(headers["Authorization"])
        if body["prompt"] == "p1":
            return 400, {"message": "not for sk-secret"}, {}
        return completion("ok") if body["prompt"] == "p0" else (401, {"message": "bad key sk-secret"}, {})

    with fake_server(answer) as server:
        generator = client(server, key_variable="MY_KEY", in_flight=1)
        replies = list(generator.complete(requests(2), **SETTINGS))
        with pytest.raises(EngineError, match="the key was refused") as fault:
            list(generator.complete(requests(3)[2:], **SETTINGS))

    assert set(seen) == {"Bearer sk-secret"}
    shown = f"{replies} {fault.value} {generator!r} {caplog.text}"
    assert "sk-secret" not in shown
    assert "not for ***" in shown


def test_a_key_that_is_named_but_not_set_is_said_before_anything_is_sent(monkeypatch):
    monkeypatch.delenv("MY_KEY", raising=False)
    generator = OpenAiGenerator("http://127.0.0.1:9/v1", "m", key_variable="MY_KEY")

    with pytest.raises(RecipeError, match="MY_KEY must hold the server's key"):
        list(generator.complete(requests(1), **SETTINGS))


# --- a server of another kind -----------------------------------------------------------------------------


def message(content: object, **more) -> tuple[int, object, dict]:
    return (
        200,
        {"choices": [{"message": {"role": "assistant", "content": content, **more}, "finish_reason": "stop"}]},
        {},
    )


def chat_only(status: int, seen: list[str], content: object = None):
    """A server that chats, and answers everything else with a status."""

    def answer(body, _):
        seen.append("chat" if "messages" in body else "completions")
        if "messages" not in body:
            return status, {"error": {"message": "this is a chat model"}}, {}
        assert {name: body[name] for name in SETTINGS} == SETTINGS
        (asked,) = body["messages"]
        assert asked["role"] == "user"
        return message(content if content is not None else asked["content"].upper())

    return answer


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_server_without_completions_is_asked_to_chat_which_is_found_out_once(status):
    seen: list[str] = []
    with fake_server(chat_only(status, seen)) as server:
        generator = client(server, in_flight=1)
        replies = list(generator.complete(requests(4), **SETTINGS))
        again = list(replace(generator, extra={"top_k": 1}).complete(requests(2), **SETTINGS))
    assert [(each.text, each.finish_reason, each.error) for each in replies] == [
        (f"P{n}", "stop", None) for n in range(4)
    ]
    assert [each.text for each in again] == ["P0", "P1"]
    assert seen == ["completions", *["chat"] * 6]
    assert generator.endpoint.path == CHAT


def test_many_in_flight_find_out_together():
    with fake_server(chat_only(404, [])) as server:
        replies = list(client(server, in_flight=8).complete(requests(24), **SETTINGS))
    assert {each.text for each in replies} == {f"P{n}" for n in range(24)}


def test_a_server_with_neither_endpoint_or_without_the_model_is_told_in_its_own_words():
    with (
        fake_server(lambda body, _: (404, {"error": {"message": "no model m"}}, {})) as server,
        pytest.raises(EngineError, match=r"HTTP 404 \(no such model or path: .*no model m"),
    ):
        list(client(server).complete(requests(1), **SETTINGS))


def test_one_that_has_completed_is_not_asked_to_chat_when_a_path_is_gone_later():
    def answer(body, _):
        assert "prompt" in body
        return completion("ok") if body["prompt"] == "p0" else (404, {}, {})

    with fake_server(answer) as server:
        replies = client(server, in_flight=1).complete(requests(2), **SETTINGS)
        assert next(replies).text == "ok"
        with pytest.raises(EngineError, match="HTTP 404"):
            list(replies)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "in "}, {"type": "image"}, "parts"], "in parts"),
        ([], ""),
        ("", ""),
        ({"text": "odd"}, "odd"),
        (7, ""),
    ],
)
def test_the_words_of_a_message_are_its_text_whole_or_in_parts(content, text):
    with fake_server(chat_only(404, [], content)) as server:
        (reply,) = client(server).complete(requests(1), **SETTINGS)
    assert (reply.text, reply.error) == (text, None)


@pytest.mark.parametrize("answer", [completion(None), message(None), message(None, refusal="no")])
def test_a_reply_without_text_has_none_and_does_not_say_so(answer):
    with fake_server(lambda body, _: answer) as server:
        (reply,) = client(server).complete(requests(1), **SETTINGS)
    assert (reply.text, reply.finish_reason, reply.error) == ("", "stop", None)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"choices": []}, "answered without a reply"),
        ({"choices": [{"index": 0}]}, "answered without a reply"),
        ({"choices": "none"}, "answered without a reply"),
        ({}, "answered without a reply"),
        ({"error": {"message": "context is too long", "code": "context_length_exceeded"}}, "context is too long"),
        ({"error": "no"}, "HTTP 200 with an error"),
        ({"error": {"code": 429}}, None),
        (b'{"choices": [{"text": "cut', None),
        (b"[" * 100_000, None),
        (b"[]", None),
        (b"\xff\xfe", None),
    ],
)
def test_an_answer_without_a_reply_is_refused_or_tried_again_and_never_a_traceback(answer, says):
    def odd(body, _):
        return (200, answer, {}) if body["prompt"] == "p1" else completion("ok")

    with fake_server(odd) as server:
        replies = client(server, tries=2).complete(requests(3), **SETTINGS)
        if says is None:
            with pytest.raises(EngineError, match=r"after \d of 3 replies") as raised:
                list(replies)
            assert "\n" not in str(raised.value)
            return
        found = {each.request_id: each for each in replies}
    assert [found[f"r{n}"].text for n in range(3)] == ["ok", "", "ok"]
    assert says in found["r1"].error


def test_what_is_longer_than_the_tokens_that_were_asked_for_is_cut():
    with fake_server(lambda body, _: completion("x" * 100_000)) as server:
        (reply,) = client(server).complete(requests(1), **SETTINGS)
    assert (reply.text, reply.finish_reason) == ("x" * 64 * 8, "length")


def test_an_answer_without_end_is_refused_before_it_is_read():
    huge = b'{"choices": [{"text": "' + b"x" * (17 << 20) + b'"}]}'
    with fake_server(lambda body, _: (200, huge, {})) as server:
        (reply,) = client(server).complete(requests(1), **SETTINGS)
    assert "more than 16 MB" in reply.error


def test_half_a_sign_in_a_reply_arrives_and_stops_nothing():
    with fake_server(lambda body, _: (200, b'{"choices": [{"text": "a \\ud83d\\u0000 b"}]}', {})) as server:
        (reply,) = client(server).complete(requests(1), **SETTINGS)
    assert reply.text == "a \ud83d\0 b"


def test_no_reply_is_taken_from_whoever_answers_when_our_own_server_has_died():
    alive = [True]

    def answer(body, _):
        alive[0] = False
        return completion("what a stranger wants")

    with fake_server(answer) as server, pytest.raises(EngineError, match="died after 0 of 1"):
        list(client(server, alive=lambda: alive[0]).complete(requests(1), **SETTINGS))


def test_the_key_of_our_own_server_is_sent_and_not_shown():
    seen: list[str] = []

    def answer(body, headers):
        seen.append(headers["Authorization"])
        return 400, {"message": "not for sk-own"}, {}

    with fake_server(answer) as server:
        generator = client(server, key="sk-own")
        (reply,) = generator.complete(requests(1), **SETTINGS)
    assert seen == ["Bearer sk-own"]
    assert "sk-own" not in f"{generator!r} {reply}"
