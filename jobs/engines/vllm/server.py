"""Text generation by vLLM: a server of our own, and a client for it or for any OpenAI-compatible server.

The server lives in another virtual environment, because vLLM pins a torch of its own. It is a child process on a
leash (:mod:`jobs.engines.vllm.watchdog`): it ends with the block that started it, and also when this process is killed.

The client keeps many requests in flight, because the server batches what is there at the same time, and yields
replies as they come, so that the caller stores each before the next can fail. Trouble that passes (429, 5xx, a lost
connection) is tried again with back-off; a request that the server refuses for good becomes a reply with an ``error``;
a server that is gone ends the call with an EngineError, after every reply that did arrive was handed out.

Known weakness: greedy decoding is repeatable for one batch composition, not across them: kernels add in another
order for other batch sizes, and a near tie between two tokens may fall the other way. What was generated is therefore
stored and keyed by prompt, not generated again.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from jobs.spark.workers import has_gpu
from pipeline.ports import GenerationReply, GenerationRequest, Requests
from schemas.errors import EngineError, RecipeError

PYTHON = "PAIRWRIGHT_VLLM_PYTHON"
_GO = "PAIRWRIGHT_VLLM_GO"
_HOME = Path(__file__).resolve().parents[3] / ".venv-vllm"
_LEASH = Path(__file__).with_name("watchdog.py")
_FORKING = Path(__file__).with_name("forked_server.py")
_NO_CHAT = "{{ messages[0].content }}"
_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_REFUSED = {401: "the key was refused", 403: "the key was refused", 404: "no such model or path"}


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
                [sys.executable, str(_LEASH), *_command(python, self.settings, self.port)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=_environment(python) | {_GO: str(self._go)},
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        """Start the server, unless that was done ahead, and wait until it answers."""
        if self._process is None:
            self.start()
        try:
            self._go.touch()
            self._await_health()
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
            process.stdin.close()  # lets go of the leash
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _await_health(self) -> None:
        deadline = time.monotonic() + self.settings.start_seconds
        with httpx.Client(timeout=2.0, trust_env=False) as client:
            while time.monotonic() < deadline:
                if not self.alive:
                    raise EngineError(f"the vLLM server ended at its start ({_last_fault(self.log)}); see {self.log}")
                with contextlib.suppress(httpx.HTTPError):
                    if client.get(f"http://127.0.0.1:{self.port}/health").status_code == httpx.codes.OK:
                        return
                time.sleep(0.25)
        raise EngineError(
            f"the vLLM server did not answer within {self.settings.start_seconds:.0f} s; "
            f"see {self.log}, or allow it more time"
        )


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


# --- the client ---------------------------------------------------------------------------------------------


class _ServerGoneError(Exception):
    """No request will succeed any more."""


class _PassingError(Exception):
    """A fault that may be over at the next try; ``after`` is how long the server asked to wait."""

    def __init__(self, what: str, after: float = 0.0) -> None:
        super().__init__(what)
        self.after = after


@dataclass(frozen=True)
class OpenAiGenerator:
    """Completions from any OpenAI-compatible server, many in flight; a ``pipeline.ports.Generator``.

    ``key_variable`` names the environment variable that holds the key; the key itself is never stored, shown or
    logged. ``alive`` tells whether a server of our own still runs, so that its death is noticed at once.
    """

    base_url: str
    model: str
    key_variable: str | None = None
    in_flight: int = 32
    timeout_seconds: float = 180.0
    tries: int = 6
    first_wait_seconds: float = 0.5
    # Sampling settings that the port does not name, e.g. vLLM's repetition_penalty; not every server knows them.
    extra: Mapping[str, float] = field(default_factory=dict)
    alive: Callable[[], bool] = field(default=lambda: True, repr=False, compare=False)

    def complete(
        self,
        requests: Requests,
        *,
        max_tokens: int,
        temperature: float,
        seed: int,
        stop: Sequence[str],
    ) -> Iterator[GenerationReply]:
        """Yield one reply per request as they come, in any order.

        Raises: EngineError when the server is gone or refuses the key; replies that arrived were yielded before.
        """
        settings = {"max_tokens": max_tokens, "temperature": temperature, "seed": seed, "stop": list(stop)}
        body = {"model": self.model, **self.extra, **{name: value for name, value in settings.items() if value != []}}
        call = _Call(self, body, _read_key(self.key_variable))
        got = 0
        try:
            for reply in call.run(requests):
                got += 1
                yield reply
        except _ServerGoneError as fault:
            raise EngineError(
                f"the server at {self.base_url} {fault} after {got} of {len(requests)} replies, which are kept; "
                "check the server and run again: the rest continues from there"
            ) from None


def _read_key(variable: str | None) -> str:
    if variable is None:
        return ""
    key = os.environ.get(variable, "").strip()
    if not key:
        raise RecipeError(f"the environment variable {variable} must hold the server's key, got nothing; try to set it")
    return key


class _Call:
    """One ``complete``: its requests, its threads and its end."""

    def __init__(self, generator: OpenAiGenerator, body: dict[str, Any], key: str) -> None:
        self.generator = generator
        self.body = body
        self.key = key
        self.over = threading.Event()

    def run(self, requests: Requests) -> Iterator[GenerationReply]:
        """Keep ``in_flight`` requests under way; after a fatal fault hand out what still arrives, then raise it."""
        width = self.generator.in_flight
        waiting = iter(requests)
        fatal: _ServerGoneError | None = None
        with self._client(width) as client, ThreadPoolExecutor(width, "completion") as pool:
            under_way: set[Future[GenerationReply]] = set()
            try:
                while True:
                    while len(under_way) < width and not self.over.is_set():
                        request = next(waiting, None)
                        if request is None:
                            break
                        under_way.add(pool.submit(self._ask, client, request))
                    if not under_way:
                        break
                    done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                    for future in done:
                        fault = future.exception()
                        if isinstance(fault, _ServerGoneError):
                            fatal = fatal or fault
                            self.over.set()
                        else:
                            yield future.result()
            finally:
                self.over.set()  # ends waits between tries, also when the caller stops listening
        if fatal:
            raise fatal

    def _client(self, width: int) -> httpx.Client:
        return httpx.Client(
            timeout=httpx.Timeout(self.generator.timeout_seconds, connect=10.0),
            limits=httpx.Limits(max_connections=width, max_keepalive_connections=width),
            headers={"Authorization": f"Bearer {self.key}"} if self.key else {},
            # A proxy of the environment is meant for other hosts than our own machine.
            trust_env=not self.generator.base_url.startswith(("http://127.0.0.1", "http://localhost")),
        )

    def _ask(self, client: httpx.Client, request: GenerationRequest) -> GenerationReply:
        """Ask until there is a reply, an answer that will not change, or no server."""
        pause = self.generator.first_wait_seconds
        last = "was given up"
        for _ in range(self.generator.tries):
            if self.over.is_set():
                break
            try:
                return self._ask_once(client, request)
            except _PassingError as fault:
                last = str(fault)
                if not self.generator.alive():
                    raise _ServerGoneError("died") from None
                # Jitter keeps requests that failed together from coming back together.
                self.over.wait(max(fault.after, pause * random.uniform(0.75, 1.25)))
                pause = min(pause * 2, 30.0)
        raise _ServerGoneError(last)

    def _ask_once(self, client: httpx.Client, request: GenerationRequest) -> GenerationReply:
        url = f"{self.generator.base_url.rstrip('/')}/completions"
        try:
            answer = client.post(url, json={**self.body, "prompt": request.prompt})
        except httpx.TransportError as fault:
            raise _PassingError(f"did not answer ({type(fault).__name__})") from fault
        status = answer.status_code
        if status in _PASSING:
            raise _PassingError(f"kept answering HTTP {status}", _asked_to_wait(answer))
        if status in _REFUSED:
            raise _ServerGoneError(f"answered HTTP {status} ({_REFUSED[status]}: {self._say(answer)})")
        if status != httpx.codes.OK:
            return GenerationReply(request.request_id, "", "error", f"HTTP {status}: {self._say(answer)}")
        try:
            choice = answer.json()["choices"][0]
            return GenerationReply(request.request_id, str(choice["text"]), str(choice.get("finish_reason") or ""))
        except (ValueError, LookupError, TypeError, AttributeError) as fault:
            raise _PassingError("answered with something that is no completion") from fault

    def _say(self, answer: httpx.Response) -> str:
        """Return the server's words in one line, without the key, which some servers repeat."""
        words = " ".join(answer.text.split())
        return (words.replace(self.key, "***") if self.key else words)[:300]


def _asked_to_wait(answer: httpx.Response) -> float:
    """Return the seconds of a Retry-After header, at most a minute; dates are ignored."""
    try:
        return min(max(float(answer.headers.get("retry-after", "0")), 0.0), 60.0)
    except ValueError:
        return 0.0
