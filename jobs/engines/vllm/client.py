"""The client of an OpenAI-compatible server: our own vLLM, or any other.

It keeps many requests in flight, because the server batches what is there at the same time, and yields replies as they
come, so that the caller stores each before the next can fail. Trouble that passes (429, 5xx, a lost connection) is
tried again with back-off; a request that the server refuses for good becomes a reply with an ``error``; a server that
is gone ends the call with an EngineError, after every reply that did arrive was handed out.

A prompt is asked at ``/completions``. Most hosted servers have none: one that answers 404, 405 or 501 there is asked at
``/chat/completions``, where the prompt is the user's message; the first answer settles it. What is read of an answer is
``choices[0]``: its text, or its message's content, a string or a list of parts. An answer is bounded before it is read.

Known weakness: greedy decoding is repeatable for one batch composition, not across them: kernels add in another
order for other batch sizes, and a near tie between two tokens may fall the other way. What was generated is therefore
stored and keyed by prompt, not generated again.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

import httpx

from jobs.engines.openai_http import (
    PASSING,
    Answer,
    Bounds,
    PassingError,
    TooLongError,
    open_client,
    post_json,
    quote_server,
    read_key,
)
from pipeline.ports import GenerationReply, GenerationRequest, Requests
from schemas.errors import EngineError

COMPLETIONS, CHAT = "completions", "chat/completions"
_NOT_HERE = frozenset({404, 405, 501})  # what a server answers that has no such endpoint
_REFUSED = {
    401: "the key was refused",
    403: "the key was refused",
    **dict.fromkeys(_NOT_HERE, "no such model or path"),
}
_MOST_BYTES = 16 << 20  # of an answer
_CHARS_A_TOKEN = 64  # what is longer than max_tokens of these is cut: the server did not count


class _ServerGoneError(Exception):
    """No request will succeed any more."""


class _RefusedError(Exception):
    """This request will not be answered; others may be."""


class Endpoint:
    """Which endpoint of a server takes prompts: found out by the first answer, and shared by all who ask there."""

    def __init__(self, path: str = COMPLETIONS, *, is_settled: bool = False) -> None:
        """Begin with a path; one that is settled is not changed."""
        self.path = path
        self.is_settled = is_settled


@dataclass(frozen=True)
class OpenAiGenerator:
    """Completions from any OpenAI-compatible server, many in flight; a ``pipeline.ports.Generator``.

    ``key_variable`` names the environment variable that holds the key; the key itself is never stored, shown or
    logged, nor is ``key``, that of a server of our own. ``alive`` tells whether such a server still runs, so that its
    death is noticed at once, and that nobody who takes its place is asked or believed.
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
    key: str = field(default="", repr=False, compare=False)
    endpoint: Endpoint = field(default_factory=Endpoint, repr=False, compare=False)

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
        call = _Call(self, body, self.key or read_key(self.key_variable))
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
        return open_client(self.generator.base_url, self.key, width, self.generator.timeout_seconds)

    def _ask(self, client: httpx.Client, request: GenerationRequest) -> GenerationReply:
        """Ask until there is a reply, an answer that will not change, or no server."""
        pause = self.generator.first_wait_seconds
        last = PassingError("was given up")
        for _ in range(self.generator.tries):
            if self.over.is_set():
                break
            try:
                return self._ask_once(client, request)
            except _RefusedError as fault:
                return GenerationReply(request.request_id, "", "error", str(fault))
            except PassingError as fault:
                last = fault
                if not self.generator.alive():
                    raise _ServerGoneError("died") from None
                # Jitter keeps requests that failed together from coming back together.
                self.over.wait(max(fault.after, pause * random.uniform(0.75, 1.25)))
                pause = min(pause * 2, 30.0)
        if last.refuses:
            return GenerationReply(request.request_id, "", "error", f"the server {last}")
        raise _ServerGoneError(str(last))

    def _ask_once(self, client: httpx.Client, request: GenerationRequest) -> GenerationReply:
        endpoint = self.generator.endpoint
        path = endpoint.path
        answer = self._post(client, path, request.prompt)
        completes = endpoint.is_settled and endpoint.path == COMPLETIONS  # others in flight may settle it meanwhile
        if answer.status in _NOT_HERE and path == COMPLETIONS and not completes:
            other = self._post(client, CHAT, request.prompt)
            if other.status not in _NOT_HERE:
                path, answer = CHAT, other
                endpoint.path = CHAT
        status = answer.status
        if status in PASSING:
            raise PassingError(f"kept answering HTTP {status}", _read_retry_after(answer))
        if status in _REFUSED:
            raise _ServerGoneError(f"answered HTTP {status} ({_REFUSED[status]}: {self._say(answer)})")
        if status != httpx.codes.OK:
            raise _RefusedError(f"HTTP {status}: {self._say(answer)}")
        choice = self._read_choice(answer)
        endpoint.is_settled = True
        text, finish = _read_text(choice), choice.get("finish_reason")
        most = _CHARS_A_TOKEN * int(self.body["max_tokens"])
        if len(text) > most:
            text, finish = text[:most], "length"
        if not self.generator.alive():  # whoever answered, it was not the server that was asked
            raise _ServerGoneError("died")
        return GenerationReply(request.request_id, text, finish[:_CHARS_A_TOKEN] if isinstance(finish, str) else "")

    def _post(self, client: httpx.Client, path: str, prompt: str) -> Answer:
        """Return the server's answer to a prompt, of at most so many bytes."""
        if not self.generator.alive():
            raise _ServerGoneError("died")
        asked = {"messages": [{"role": "user", "content": prompt}]} if path == CHAT else {"prompt": prompt}
        url = f"{self.generator.base_url.rstrip('/')}/{path}"
        try:
            return post_json(client, url, {**self.body, **asked}, Bounds(_MOST_BYTES, self.generator.timeout_seconds))
        except TooLongError as fault:
            raise _RefusedError(f"HTTP {fault.status}: more than {_MOST_BYTES >> 20} MB") from fault
        except httpx.InvalidURL as fault:
            raise _ServerGoneError(f"has no address that can be asked ({fault})") from fault

    def _read_choice(self, answer: Answer) -> Mapping[str, Any]:
        """Return the first choice of an answer that says it is one."""
        try:
            found = json.loads(answer.body)
        except (ValueError, RecursionError) as fault:
            raise PassingError("answered with something that is no completion") from fault
        if not isinstance(found, dict):
            raise PassingError("answered with something that is no completion")
        choices = found.get("choices")
        if isinstance(choices, list) and choices and isinstance(choices[0], dict) and _has_text(choices[0]):
            return choices[0]
        if error := found.get("error"):
            code = str(error.get("code", "")) if isinstance(error, dict) else ""
            if code in map(str, PASSING):
                raise PassingError(f"kept answering HTTP 200 with the error {code}")
            raise _RefusedError(f"HTTP 200 with an error: {self._say(answer)}")
        raise PassingError(f"answered without a reply: {self._say(answer)}", refuses=True)

    def _say(self, answer: Answer) -> str:
        return quote_server(answer.body, self.key)


def _read_retry_after(answer: Answer) -> float:
    """Return the seconds of a Retry-After header, at most a minute; dates are ignored."""
    try:
        return min(max(float(answer.headers.get("retry-after", "0")), 0.0), 60.0)
    except ValueError:
        return 0.0


def _has_text(choice: Mapping[str, Any]) -> bool:
    message = choice.get("message")
    return "text" in choice or (isinstance(message, dict) and bool({"content", "refusal"} & message.keys()))


def _read_text(choice: Mapping[str, Any]) -> str:
    """Return the words of a choice: of a completion, or of a message, whole or in parts; none where there are none."""
    message = choice.get("message")
    content = choice["text"] if "text" in choice else message.get("content") if isinstance(message, dict) else None
    parts = content if isinstance(content, list) else [content]
    words = [part.get("text") if isinstance(part, dict) else part for part in parts]
    return "".join(word for word in words if isinstance(word, str))
