"""The server ends with the block and the process that started it; a real vLLM is started once."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest

from jobs.engines.vllm.client import OpenAiGenerator
from jobs.engines.vllm.server import ServerSettings, VllmServer, vllm_python, why_no_vllm
from jobs.setup.models import LLM, default_models_folder
from pipeline.ports import GenerationRequest
from schemas.errors import EngineError, RecipeError

SETTINGS = {"max_tokens": 8, "temperature": 0.0, "seed": 1, "stop": ["\n"]}
ROOT = Path(__file__).resolve().parents[4]


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


SERVES = """
import http.server, os, sys
key = {key}

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        knows = key is None or self.headers["Authorization"] == f"Bearer {{key}}"
        self.send_response(200 if knows or self.path == "/health" else 401)
        self.end_headers()

port = int(sys.argv[sys.argv.index("--port") + 1])
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture
def serving(tmp_path, fake_python):
    """A server that knows a key: an expression, evaluated where it runs."""

    def make(key: str) -> None:
        script = tmp_path / "serves.py"
        script.write_text(SERVES.format(key=key))
        fake_python(f'exec {sys.executable} {script} "$@"')

    return make


def test_a_server_that_knows_the_key_of_its_start_is_taken_and_no_command_line_shows_it(model, tmp_path, serving):
    serving('os.environ["VLLM_API_KEY"]')
    with VllmServer(ServerSettings(model), tmp_path / "log") as server:
        started = psutil.Process(server._process.pid)
        shown = [word for each in [started, *started.children(recursive=True)] for word in each.cmdline()]
        assert server.alive
    assert server.key not in " ".join(shown)
    assert server.key not in repr(server)
    assert server.key not in (tmp_path / "log").read_text()
    assert VllmServer(ServerSettings(model), tmp_path / "log").key != server.key


@pytest.mark.parametrize(("key", "why"), [("None", "takes any key"), ('"another"', "does not know the key")])
def test_a_server_that_does_not_know_the_key_is_not_taken(model, tmp_path, serving, key, why):
    serving(key)
    with pytest.raises(EngineError, match=why):
        VllmServer(ServerSettings(model), tmp_path / "log").__enter__()


def test_whoever_took_the_port_meanwhile_is_sent_nothing(model, tmp_path, fake_python):
    fake_python("sleep 60")
    seen = []

    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, self.headers["Authorization"]))
            self.send_response(200)
            self.end_headers()

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = VllmServer(ServerSettings(model), tmp_path / "log")
    server.start()
    with HTTPServer(("127.0.0.1", server.port), Stranger) as stranger:
        threading.Thread(target=stranger.serve_forever, daemon=True).start()
        with pytest.raises(EngineError, match=r"another process answers there; no prompt was sent; try running again"):
            server.__enter__()
        stranger.shutdown()
    assert seen == [("/health", None)]
    assert not server.alive


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
        generator = OpenAiGenerator(server.base_url, settings.served_name, alive=lambda: server.alive, key=server.key)
        stranger = OpenAiGenerator(server.base_url, settings.served_name)
        with pytest.raises(EngineError, match="the key was refused"):
            list(stranger.complete(asked, **SETTINGS))
        replies = {reply.request_id: reply for reply in generator.complete(asked, **SETTINGS)}

    assert vllm_python().is_file()
    assert {reply.finish_reason for reply in replies.values()} <= {"length", "stop"}
    assert all(reply.text.strip() and reply.error is None for reply in replies.values())
    gone, alive = psutil.wait_procs(processes, timeout=10)
    assert (len(gone) > 0, alive) == (True, [])
    said = (tmp_path / "vllm.log").read_text()
    assert said
    assert server.key not in said
    assert [path.name for path in tmp_path.iterdir()] == ["vllm.log"]
