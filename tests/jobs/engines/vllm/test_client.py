"""The client against a small fake server: every reply arrives once, whatever the server does."""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from jobs.engines.vllm.client import OpenAiGenerator
from pipeline.ports import GenerationRequest
from schemas.errors import EngineError, RecipeError

SETTINGS = {"max_tokens": 8, "temperature": 0.0, "seed": 1, "stop": ["\n"]}

Answer = Callable[[dict, dict], tuple[int, object, dict]]


def completion(text: str) -> tuple[int, object, dict]:
    return 200, {"choices": [{"text": text, "finish_reason": "stop"}]}, {}


@contextmanager
def fake_server(answer: Answer) -> Iterator[ThreadingHTTPServer]:
    """Serve completions by a function of (body, headers) -> (status, answer, headers)."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, said, headers = answer(body, dict(self.headers))
            raw = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(raw))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


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
