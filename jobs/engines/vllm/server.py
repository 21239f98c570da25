"""A vLLM server of our own, for the time of a ``with`` block.

It lives in another virtual environment, because vLLM pins a torch of its own. It is a child process under
a watchdog (:mod:`jobs.engines.vllm.watchdog`): it ends with the block that started it, and also when this process is
killed.

Its port is free when it is chosen, and may be another's when the server comes to it. So nothing is sent there before
two things are known: the process that listens is one that was started here, and it has the key that was made for this
start, which refuses any other and keeps the machine's other users out. The key goes through the environment: a command
line can be read by everybody.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import psutil

from jobs.spark.workers import has_gpu
from schemas.errors import EngineError, RecipeError

PYTHON = "PAIRWRIGHT_VLLM_PYTHON"
_GO = "PAIRWRIGHT_VLLM_GO"
_HOME = Path(__file__).resolve().parents[3] / ".venv-vllm"
_WATCHDOG = Path(__file__).with_name("watchdog.py")
_FORKING = Path(__file__).with_name("forked_server.py")
_KEY = "VLLM_API_KEY"  # vLLM reads it there
_REFUSED = frozenset({401, 403})
_NO_CHAT = "{{ messages[0].content }}"


def vllm_python() -> Path:
    """Return the interpreter that has vLLM.

    Raises: EngineError with the reason and the way out where there is none.
    """
    named = os.environ.get(PYTHON)
    if named:
        found = shutil.which(named)
        if found is None:
            raise EngineError(f"{PYTHON} must be a Python with vLLM, got {named!r}, which cannot be run")
        return Path(found)
    marker = _HOME / "UNAVAILABLE"
    if marker.is_file():
        raise EngineError(f"vLLM is not available here: {marker.read_text(encoding='utf-8').strip()}")
    python = _HOME / "bin" / "python"
    if not python.is_file():
        raise EngineError(f"vLLM is not set up; try `make setup`, or set {PYTHON} to a Python that has it")
    return python


def why_no_vllm() -> str | None:
    """Return why no server can be started here, None when one can."""
    try:
        vllm_python()
    except EngineError as fault:
        return str(fault)
    return None


@dataclass(frozen=True)
class ServerSettings:
    """How the server runs. The defaults were measured for Gemma 3 270M on two cores."""

    model: Path
    port: int = 0  # 0 takes any free one
    dtype: str = "bfloat16"
    max_model_len: int = 2048
    max_num_seqs: int = 32
    kv_cache_mb: int = 384  # on a CPU; a GPU takes what it has
    eager: bool = True
    start_seconds: float = 300.0
    extra: tuple[str, ...] = ()

    @property
    def served_name(self) -> str:
        """What requests call the model."""
        return self.model.name


class VllmServer:
    """A vLLM server for the time of a ``with`` block.

    Raises: RecipeError when the model is not there; EngineError when vLLM is not, the port is busy, or the server
            does not come up in time.
    """

    def __init__(self, settings: ServerSettings, log: Path) -> None:
        """Remember what to start; starting happens at the ``with``, or ahead of it by :meth:`start`."""
        self.settings = settings
        self.log = log
        self.port = 0
        self.key = secrets.token_urlsafe(32)
        self._process: subprocess.Popen[bytes] | None = None
        self._go = log.absolute().with_suffix(".go")

    @property
    def base_url(self) -> str:
        """Where the OpenAI-compatible interface is."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def alive(self) -> bool:
        """Whether the server's process still runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server as far as it takes little memory, and do not wait; the ``with`` lets it go on."""
        if not (self.settings.model / "config.json").is_file():
            raise RecipeError(
                f"model must be a model directory with a config.json, got '{self.settings.model}'; try `make setup`"
            )
        python = vllm_python()
        self.port = _settle_port(self.settings.port)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._go.unlink(missing_ok=True)  # of a caller that was killed
        # The server's start is the first line of its log, whoever appended before.
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(_WATCHDOG), *_command(python, self.settings, self.port)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=_environment(python) | {_GO: str(self._go), _KEY: self.key},
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        """Start the server, unless that was done ahead, and wait until it answers and has proved to be ours."""
        if self._process is None:
            self.start()
        try:
            self._go.touch()
            with httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=5.0, trust_env=False) as client:
                self._await_health(client)
                self._check_identity(client)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server and all its processes."""
        self.stop()

    def stop(self) -> None:
        """Stop the server. Does nothing when it has stopped already."""
        process, self._process = self._process, None
        self._go.unlink(missing_ok=True)
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()  # the watchdog ends it
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _await_health(self, client: httpx.Client) -> None:
        deadline = time.monotonic() + self.settings.start_seconds
        while time.monotonic() < deadline:
            if not self.alive:
                raise EngineError(f"the vLLM server ended at its start ({_last_fault(self.log)}); see {self.log}")
            if _ask_status(client, "/health") == httpx.codes.OK:
                return
            time.sleep(0.25)
        raise EngineError(
            f"the vLLM server did not answer within {self.settings.start_seconds:.0f} s; "
            f"see {self.log}, or allow it more time"
        )

    def _check_identity(self, client: httpx.Client) -> None:
        """Raise an EngineError unless what answers was started here and knows the key of this start."""
        assert self._process is not None
        if not _listens(self._process.pid, self.port):
            what = "another process answers there"
        elif _ask_status(client, "/v1/models", secrets.token_urlsafe(32)) not in _REFUSED:
            what = "it takes any key"
        elif _ask_status(client, "/v1/models", self.key) != httpx.codes.OK:
            what = "it does not know the key of this start"
        else:
            return
        raise EngineError(
            f"port {self.port} must be answered by the vLLM server that was started here, but {what}; no prompt was "
            f"sent; try running again, which takes another port (log: {self.log})"
        )


def _ask_status(client: httpx.Client, path: str, key: str = "") -> int:
    """Return the status of an answer, whose words nobody reads; 0 where there is none."""
    with (
        contextlib.suppress(httpx.HTTPError),
        client.stream("GET", path, headers={"Authorization": f"Bearer {key}"} if key else {}) as answer,
    ):
        return answer.status_code
    return 0


def _listens(process: int, port: int) -> bool:
    """Return whether a process or one of its descendants listens at a port of this machine."""
    with contextlib.suppress(psutil.Error):
        started = psutil.Process(process)
        for each in [started, *started.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):  # it has ended meanwhile
                for found in each.net_connections("tcp"):
                    if found.status == psutil.CONN_LISTEN and found.laddr.port == port:
                        return True
    return False


def _command(python: Path, settings: ServerSettings, port: int) -> list[str]:
    flags = {
        "--model": settings.model,
        "--served-model-name": settings.served_name,
        "--host": "127.0.0.1",
        "--port": port,
        "--dtype": settings.dtype,
        "--max-model-len": settings.max_model_len,
        "--max-num-seqs": settings.max_num_seqs,
    }
    start = ["-m", "vllm.entrypoints.openai.api_server"] if has_gpu() else [str(_FORKING)]
    command = [str(python), *start]
    for flag, value in flags.items():
        command += [flag, str(value)]
    # Nobody chats here; without a template vLLM loads the model's processor to look for one.
    command += ["--chat-template", _NO_CHAT]
    # Prompts of one task share their examples, so their keys and values are computed once.
    command += ["--enable-prefix-caching"]
    if not has_gpu():
        # One process less: the worker needs no home of its own, because its threads are not pinned (see below).
        command += ["--distributed-executor-backend", "uni"]
        command += ["--kv-cache-memory-bytes", str(settings.kv_cache_mb * 2**20)]
    # Compiling needs a C compiler, which a fresh machine may lack.
    command += ["--enforce-eager"] if settings.eager else []
    return [*command, *settings.extra]


def _environment(python: Path) -> dict[str, str]:
    # Not ours to hand down: paths of this environment's packages, and secrets the server has no use for.
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"} and not name.endswith(("_API_KEY", "_TOKEN"))
    }
    # vLLM would pin its threads to all cores but one, in a process made for that: on two cores half the machine,
    # and a fixed half at that, whoever else works there. Unpinned threads on every core share better.
    threads = {
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "OMP_NUM_THREADS": str(_cores()),
        "MALLOC_ARENA_MAX": "2",  # glibc's heaps, one a thread, would hold on to half a gigabyte
    }
    return (
        kept
        | ({} if has_gpu() else threads)
        | {
            "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "VLLM_NO_USAGE_STATS": "1",
            "VLLM_LOGGING_LEVEL": "INFO",
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
        }
    )


def _cores() -> int:
    """Return the cores that this process may use, which a container limits."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _settle_port(wanted: int) -> int:
    """Return the wanted port if it is free, any free one for 0."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError as fault:
            raise EngineError(
                f"port must be free, got {wanted} ({fault.strerror}); try another, or 0 for any free port"
            ) from fault
        return int(probe.getsockname()[1])


def _last_fault(log: Path) -> str:
    """Return the last line of a log that names an error, for a message of one line."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-200:]
    faults = [line for line in lines if "Error" in line and "Traceback" not in line]
    return (faults or lines or ["no output"])[-1].strip()[-200:]
