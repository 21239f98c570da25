"""The server ends with the block and the process that started it; a real vLLM is started once."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
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
