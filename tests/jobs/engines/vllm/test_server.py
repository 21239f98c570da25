"""The client against a small fake server; the server class against a real vLLM, once."""

import json
import logging
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from jobs.engines.vllm.server import OpenAiGenerator, ServerSettings, VllmServer, vllm_python, why_no_vllm
from jobs.setup.models import LLM, default_models_folder
from pipeline.ports import GenerationRequest
from schemas.errors import EngineError, RecipeError

SETTINGS = {"max_tokens": 8, "temperature": 0.0, "seed": 1, "stop": ["\n"]}
ROOT = Path(__file__).resolve().parents[4]

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
    generator = OpenAiGenerator(
        f"http://127.0.0.1:{free_port()}/v1", "m", tries=100, first_wait_seconds=30, alive=lambda: False
    )
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


# --- the server ---------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def model(tmp_path):
    home = tmp_path / "model"
    home.mkdir()
    (home / "config.json").write_text("{}")
    return home


@pytest.fixture
def fake_python(tmp_path, monkeypatch):
    """A "Python with vLLM" that does what a test says, as a shell script."""

    def make(script: str) -> None:
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PAIRWRIGHT_VLLM_PYTHON", str(path))

    return make


def test_a_busy_port_is_named_with_the_way_out(model, tmp_path, fake_python):
    fake_python("sleep 60")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EngineError, match=f"port must be free, got {port} .*; try another, or 0 for any free port"):
            VllmServer(ServerSettings(model, port=port), tmp_path / "log").__enter__()


def test_a_model_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"model must be a model directory .*missing"):
        VllmServer(ServerSettings(tmp_path / "missing"), tmp_path / "log").__enter__()


def test_a_server_that_ends_at_its_start_is_reported_with_its_last_error(model, tmp_path, fake_python):
    fake_python("echo 'ValueError: no memory for the cache' >&2; exit 3")

    with pytest.raises(EngineError, match=r"ended at its start .*no memory for the cache"):
        VllmServer(ServerSettings(model), tmp_path / "log").__enter__()


def test_a_server_that_never_answers_is_stopped_with_all_its_processes(model, tmp_path, fake_python):
    fake_python("sleep 4711 & sleep 4711")
    server = VllmServer(ServerSettings(model, start_seconds=1.0), tmp_path / "log")

    with pytest.raises(EngineError, match="did not answer within 1 s"):
        server.__enter__()

    assert not server.alive
    assert sleepers() == []


def test_the_server_dies_with_a_driver_that_is_killed(model, tmp_path, fake_python):
    fake_python("sleep 4712 & sleep 4712")
    script = (
        "from pathlib import Path; from jobs.engines.vllm.server import VllmServer, ServerSettings\n"
        f"VllmServer(ServerSettings(Path({str(model)!r})), Path({str(tmp_path / 'log')!r})).__enter__()"
    )
    driver = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    until(lambda: len(sleepers("4712")) == 2)
    driver.send_signal(signal.SIGKILL)
    driver.wait()

    until(lambda: sleepers("4712") == [])


def sleepers(seconds: str = "4711") -> list[int]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cmdline() == ["sleep", seconds] and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.1)


@pytest.mark.engine
def test_a_real_server_starts_completes_and_leaves_nothing_behind(tmp_path):
    reason = why_no_vllm()
    if reason:
        pytest.skip(reason)
    prompts = ["The capital of France is", "Water boils at a temperature of", "The opposite of hot is"]
    asked = [GenerationRequest(f"r{n}", prompt) for n, prompt in enumerate(prompts)]
    settings = ServerSettings(default_models_folder() / LLM, start_seconds=600)
    ahead = VllmServer(settings, tmp_path / "vllm.log")
    ahead.start()
    started = ahead._process

    with ahead as server:
        assert server._process is started is not None
        processes = psutil.Process(server._process.pid).children(recursive=True)
        generator = OpenAiGenerator(server.base_url, settings.served_name, alive=lambda: server.alive)
        replies = {reply.request_id: reply for reply in generator.complete(asked, **SETTINGS)}

    assert vllm_python().is_file()
    assert {reply.finish_reason for reply in replies.values()} <= {"length", "stop"}
    assert all(reply.text.strip() and reply.error is None for reply in replies.values())
    gone, alive = psutil.wait_procs(processes, timeout=10)
    assert (len(gone) > 0, alive) == (True, [])
    assert (tmp_path / "vllm.log").stat().st_size > 0
    assert [path.name for path in tmp_path.iterdir()] == ["vllm.log"]
