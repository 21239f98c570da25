"""The journal of replies: what a model wrote is on disk before anything else is done with it, and is never asked twice.

    <cache>/replies/<model digest>/<writer>.jsonl      one JSON object a line: key, reply, finish_reason

Append-only, a file per writer, so that several builds may share a folder. A line that a crash tore is ignored: its
reply is asked for again. Refusals are not kept: another server, or a mended one, may answer them. What is read and what
is kept passes :func:`clean_reply`: a line of an earlier day must not end the build that reads it.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, Self


class Written(NamedTuple):
    """A reply as it is kept."""

    reply: str
    finish_reason: str

    @classmethod
    def of(cls, reply: object, finish_reason: object) -> Self:
        """Return what was answered in a form that tables hold; a reply without text has none.

        Raises: TypeError for what is neither a text nor nothing.
        """
        return cls(clean_reply(reply), clean_reply(finish_reason))


def clean_reply(text: object) -> str:
    """Return a reply that every table and file can hold: half of a surrogate pair becomes the replacement character.

    Raises: TypeError for what is neither a text nor nothing.
    """
    if text is None:
        return ""
    if not isinstance(text, str):
        raise TypeError(f"a reply must be a text, got {type(text).__name__}")
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def reply_key(
    prompt: str, *, max_tokens: int, temperature: float, seed: int, stop: Sequence[str], penalty: float = 1.0
) -> str:
    """Return what a reply is stored under: a hash of the prompt and of every setting that decides the reply.

    A greedy reply does not depend on the seed, so another seed does not ask for it again.
    """
    facts = [prompt, max_tokens, temperature, seed if temperature > 0 else 0, list(stop), penalty]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


class Journal:
    """The replies of one model; a context manager while it is appended to."""

    def __init__(self, folder: Path) -> None:
        """Open the folder, making it if need be, and read what is there."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._handle: IO[str] | None = None
        self._known: dict[str, Written] = {}
        for key, written in _read(folder):
            # Two writers may have asked at the same time; any rule does that does not depend on file names.
            self._known[key] = min(written, self._known.get(key, written))

    def __contains__(self, key: str) -> bool:
        return key in self._known

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: str) -> Written | None:
        """Return the reply under the key, None when there is none."""
        return self._known.get(key)

    def append(self, key: str, written: Written) -> None:
        """Store a reply; it is with the operating system when this returns, so a killed process loses nothing."""
        if self._handle is None:
            number, _ = tempfile.mkstemp(suffix=".jsonl", prefix="replies-", dir=self._folder)
            self._handle = os.fdopen(number, "w", encoding="utf-8")
        written = Written.of(*written)
        line = {"key": key, "reply": written.reply, "finish_reason": written.finish_reason}
        self._handle.write(json.dumps(line) + "\n")
        self._handle.flush()
        self._known[key] = written

    def __enter__(self) -> Self:
        """Return the journal itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Bring what was appended onto the disk."""
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.flush()
            os.fsync(handle.fileno())
            handle.close()


def _read(folder: Path) -> Iterator[tuple[str, Written]]:
    for path in sorted(folder.glob("*.jsonl")):
        if not path.is_file():  # a folder of somebody's
            continue
        with path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break  # torn by a crash
                with suppress(ValueError, KeyError, TypeError, RecursionError):  # damaged: asked for again
                    found = json.loads(line)
                    yield str(found["key"]), Written.of(found["reply"], found["finish_reason"])
