"""A server as the encoder: any OpenAI-compatible ``/v1/embeddings`` (Text Embeddings Inference, vLLM, hosted ones).

Texts go in small requests, several at a time. Trouble that passes (429, 5xx, a lost connection) is tried again after
what the server asks for, else after a pause that doubles, with jitter, so that workers which failed together do not
come back together. A request that is refused for its size is cut in two. What comes back is believed only when it is
one finite vector of one width for every text; it is normalised here, whatever the server does.

The key comes from an environment variable of the process that asks, and stands in no digest, manifest or message.
Known weakness: a server that changes its weights under one name is not noticed, and one that computes in another order
for other batches gives vectors a few bits apart; each is therefore computed once and kept by content.
Source: OpenAI API reference, "Create embeddings"; RFC 9110 (Retry-After).
"""

from __future__ import annotations

import functools
import json
import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from itertools import starmap
from typing import Any

import httpx
import numpy as np

from jobs.engines.openai_http import (
    PASSING,
    Bounds,
    PassingError,
    TooLongError,
    open_client,
    post_json,
    quote_server,
    read_key,
)
from jobs.store.files import digest_of
from pipeline.index.config import EncoderConfig
from pipeline.ports import FloatMatrix
from schemas.errors import EngineError, rule

_TOO_MUCH = frozenset({400, 413, 422})  # what servers answer to more texts or tokens than they take at a time
_REFUSED = {401: "the key was refused", 403: "the key was refused", 404: "no such model or path"}
_MOST_BYTES = 64 << 20  # of an answer
_CHARS_A_TOKEN = 64  # what lies beyond max_length times this is cut before it is sent
_LONGEST_WAIT = 60.0


class _TooMuchError(Exception):
    """The request was refused, perhaps for its size."""


@dataclass(frozen=True)
class OpenServer:
    """Opens the server of a configuration in any process; picklable, without the key."""

    config: EncoderConfig
    tries: int = 8
    first_wait_seconds: float = 0.5
    timeout_seconds: float = 120.0

    is_portable = True  # a vector does not depend on the machine that asks for it

    def __call__(self) -> ServerEncoder:
        """Return this process's client. Raises: RecipeError where the key's variable is empty."""
        return _open_once(self)

    def backend(self) -> str:
        """Return what computes."""
        return "server"

    def closed_digest(self) -> str:
        """Digest of what decides a vector: server, model, dimensions, and how much of a text is sent."""
        cfg = self.config
        return digest_of(["server", cfg.url, cfg.model_name, cfg.dimensions, cfg.max_length])


@functools.lru_cache(maxsize=4)
def _open_once(opener: OpenServer) -> ServerEncoder:
    return ServerEncoder(opener)


class ServerEncoder:
    """The port ``Encoder`` over a server."""

    def __init__(self, opener: OpenServer) -> None:
        """Read the key and prepare a client; nothing is asked yet. Raises: RecipeError for a key that is not there."""
        cfg = opener.config
        self._opener, self._config = opener, cfg
        way_out = f"try to set it, for executors by spark.executorEnv.{cfg.api_key_env}"
        self._key = read_key(cfg.api_key_env, "encoder.api_key_env", way_out)
        self._url = f"{(cfg.url or '').rstrip('/')}/embeddings"
        self._width = cfg.dimensions
        self._client = open_client(self._url, self._key, cfg.in_flight, opener.timeout_seconds)

    @property
    def digest(self) -> str:
        """Digest of what decides a vector."""
        return self._opener.closed_digest()

    @property
    def width(self) -> int:
        """Number of dimensions H; asks for one vector where it is not known yet."""
        return self._width or int(self.encode(["width"]).shape[1])

    def encode(self, texts: Sequence[str]) -> FloatMatrix:
        """Return L2-normalised embeddings, (B, H) float32; equal texts are asked for once.

        Raises: EngineError when the server stays away, refuses, or answers with something that is no such matrix.
        """
        unique = list(dict.fromkeys(texts))
        if not unique:
            return np.zeros((0, self._width or 0), np.float32)
        most, size = self._config.max_length * _CHARS_A_TOKEN, self._config.texts_a_request
        # Hosted servers refuse an empty text; a blank one has the same tokens.
        sent = [text[:most] if text.strip() else " " for text in unique]
        parts = [sent[start : start + size] for start in range(0, len(sent), size)]
        with ThreadPoolExecutor(self._config.in_flight, "embeddings") as pool:
            found = np.concatenate(list(pool.map(self._ask, parts)))
        place = {text: row for row, text in enumerate(unique)}
        norms = np.sqrt((found * found).sum(axis=1, keepdims=True))
        vectors = np.asarray(found / np.where(norms > 0, norms, 1.0), dtype=np.float32)
        return vectors[[place[text] for text in texts]]

    def _ask(self, texts: list[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the vectors of one request, asked again while its trouble may pass, in two where it is too large."""
        pause, last = self._opener.first_wait_seconds, PassingError("was never asked")
        for attempt in range(self._opener.tries):
            if attempt:
                time.sleep(max(last.after, pause * random.uniform(0.5, 1.5)))
                pause = min(pause * 2, _LONGEST_WAIT)
            try:
                return self._read(self._post(texts), len(texts))
            except PassingError as fault:
                last = fault
            except _TooMuchError as fault:
                if len(texts) == 1:
                    raise EngineError(
                        f"the encoder's server {self._shown} refused a text: {fault}; try a smaller encoder.max_length"
                    ) from None
                middle = len(texts) // 2
                return np.concatenate([self._ask(texts[:middle]), self._ask(texts[middle:])])
        raise EngineError(
            f"the encoder's server {self._shown} {last}, {self._opener.tries} times; what it answered before is kept: "
            "check the server and run again"
        )

    def _post(self, texts: list[str]) -> Any:
        """Return the server's answer to one request, as JSON."""
        body: dict[str, Any] = {"model": self._config.model_name, "input": texts, "encoding_format": "float"}
        if self._config.dimensions:
            body["dimensions"] = self._config.dimensions
        try:
            answer = post_json(self._client, self._url, body, Bounds(_MOST_BYTES, self._opener.timeout_seconds))
        except TooLongError as fault:
            raise self._fault(f"answered with more than {_MOST_BYTES >> 20} MB") from fault
        except httpx.InvalidURL as fault:
            raise self._fault(f"has no address that can be asked ({fault})") from fault
        status, said = answer.status, quote_server(answer.body, self._key)
        if status in PASSING:
            raise PassingError(f"answered HTTP {status}", read_retry_after(answer.headers.get("retry-after", "")))
        if status in _REFUSED:
            raise self._fault(f"answered HTTP {status} ({_REFUSED[status]}: {said})")
        if status in _TOO_MUCH:
            raise _TooMuchError(f"HTTP {status}: {said}")
        if status != httpx.codes.OK:
            raise self._fault(f"answered HTTP {status}: {said}")
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError) as fault:
            raise PassingError("answered with something that is no JSON") from fault

    def _read(self, answer: Any, count: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the vectors of an answer, (B, H), in the order of the texts."""
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
            raise self._fault("answered with something that holds no embeddings")
        if len(data) != count:
            raise self._fault(f"gave {len(data)} vectors for {count} texts")
        placed = dict(starmap(lambda place, each: (each.get("index", place), each.get("embedding")), enumerate(data)))
        if set(placed) != set(range(count)):
            raise self._fault("gave vectors whose indexes are not those of the texts")
        rows = [placed[place] for place in range(count)]
        widths = sorted({len(row) if isinstance(row, list) else 0 for row in rows})
        wanted = self._width or widths[0]
        if widths != [wanted] or not wanted:
            fault = rule(
                "encoder.dimensions", f"{wanted or 'at least 1'}", widths[-1], "the width of the server's model"
            )
            raise self._fault(f"gave vectors of another width: {fault}")
        try:
            vectors = np.array(rows, dtype=np.float64)
        except (TypeError, ValueError):
            vectors = np.full((count, wanted), np.nan)
        if not np.isfinite(vectors).all():
            raise self._fault("gave vectors that are no finite numbers")
        self._width = wanted
        return vectors

    def _fault(self, what: str) -> EngineError:
        return EngineError(f"the encoder's server {self._shown} {what}; try encoder.url, encoder.model_name")

    @property
    def _shown(self) -> str:
        return f"{self._config.url} ({self._config.model_name})"


def read_retry_after(value: str) -> float:
    """Return the seconds of a Retry-After header, a number or a date, at most a minute; 0 where it says neither."""
    try:
        return min(max(float(value), 0.0), _LONGEST_WAIT)
    except ValueError:
        pass
    try:
        return min(max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0), _LONGEST_WAIT)
    except (ValueError, TypeError, OverflowError):
        return 0.0
