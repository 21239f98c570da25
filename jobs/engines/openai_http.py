"""What every client of an OpenAI-compatible server does: connections, the key, an answer that is bounded as it is read.

The key is in the client's header and nowhere else: no message, log or digest has it.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import httpx

from schemas.errors import RecipeError

PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_MOST_WORDS = 300  # characters of a server's words that a message has


class PassingError(Exception):
    """A fault that may be over at the next try; ``after`` is how long the server asked to wait.

    ``refuses``: where it stays, this request alone is refused, and the server goes on.
    """

    def __init__(self, what: str, after: float = 0.0, *, refuses: bool = False) -> None:
        """Keep what a message says of the server."""
        super().__init__(what)
        self.after = after
        self.refuses = refuses


class TooLongError(Exception):
    """The answer has more bytes than anybody asked for."""

    def __init__(self, status: int) -> None:
        """Keep the status that it came with."""
        super().__init__(status)
        self.status = status


class Answer(NamedTuple):
    """What a server answered, read to its end."""

    status: int
    headers: httpx.Headers
    body: bytes


@dataclass(frozen=True)
class Bounds:
    """How many bytes an answer may have, and how many seconds it may take."""

    most_bytes: int
    seconds: float


def open_client(url: str, key: str, connections: int, seconds: float) -> httpx.Client:
    """Return a client that keeps so many connections; ``key`` empty sends none."""
    return httpx.Client(
        timeout=httpx.Timeout(seconds, connect=10.0),
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        headers={"Accept-Encoding": "identity", **({"Authorization": f"Bearer {key}"} if key else {})},
        # A proxy of the environment is meant for other hosts than our own machine.
        trust_env=not url.startswith(("http://127.0.0.1", "http://localhost")),
    )


def post_json(client: httpx.Client, url: str, body: dict[str, Any], bounds: Bounds) -> Answer:
    """Return the server's answer.

    Raises: PassingError when it does not come or does not end, TooLongError, httpx.InvalidURL.
    """
    try:
        with client.stream("POST", url, json=body) as answer:
            said, begun = bytearray(), time.monotonic()
            for chunk in answer.iter_bytes():
                said += chunk
                if time.monotonic() - begun > bounds.seconds:  # drop by drop
                    raise PassingError("did not come to an end of its answer")
                if len(said) > bounds.most_bytes:
                    raise TooLongError(answer.status_code)
            return Answer(answer.status_code, answer.headers, bytes(said))
    except httpx.RequestError as fault:
        raise PassingError(f"did not answer ({type(fault).__name__})") from fault


def quote_server(body: bytes, key: str) -> str:
    """Return the server's words in one line, without the key, which some servers repeat."""
    words = " ".join(body[:4096].decode("utf-8", "replace").split())
    return (words.replace(key, "***") if key else words)[:_MOST_WORDS]


def read_key(variable: str | None, where: str = "", way_out: str = "try to set it") -> str:
    """Return the key that an environment variable holds; empty where none is named. Raises: RecipeError."""
    if variable is None:
        return ""
    key = os.environ.get(variable, "").strip()
    if not key:
        named = f"{variable} ({where})" if where else variable
        raise RecipeError(f"the environment variable {named} must hold the server's key, got nothing; {way_out}")
    return key
