"""The client of an OpenAI-compatible server: our own vLLM, or any other.

It keeps many requests in flight, because the server batches what is there at the same time, and yields replies as they
come, so that the caller stores each before the next can fail. Trouble that passes (429, 5xx, a lost connection) is
tried again with back-off; a request that the server refuses for good becomes a reply with an ``error``; a server that
is gone ends the call with an EngineError, after every reply that did arrive was handed out.

Known weakness: greedy decoding is repeatable for one batch composition, not across them: kernels add in another
order for other batch sizes, and a near tie between two tokens may fall the other way. What was generated is therefore
stored and keyed by prompt, not generated again.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

import httpx

from pipeline.ports import GenerationReply, GenerationRequest, Requests
from schemas.errors import EngineError, RecipeError

_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_REFUSED = {401: "the key was refused", 403: "the key was refused", 404: "no such model or path"}


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
