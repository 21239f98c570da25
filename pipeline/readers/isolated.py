"""Work on a stranger's file in a process of its own, which is ended when it takes too long or too much memory.

Parsers of pages and PDF files are large, and some input makes minutes or gigabytes of some kilobytes inside of them,
where no signal of Python's arrives. The process is forked at the first file, serves one after the other, and is ended
by its timeout alone; after that the next file has a new one. It ends with the process that started it, and sees
nothing of it but what it was forked with: its descriptors are closed.
Known weakness: Linux alone tells a process how large it is; elsewhere memory has no bound.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_HEAD = struct.Struct("!cQ")
_PIECE, _END, _ERROR = b"p", b".", b"e"
_MEMORY = 2 << 30
_FILE_LIMITS = 10  # a file of many pieces may take so many times what a piece may


class TooSlowError(Exception):
    """The work took longer than it may."""


class BrokenWorkError(Exception):
    """The work failed; the text says how."""


class Isolated:
    """A function from bytes to pieces of bytes that runs in another process."""

    def __init__(self, work: Callable[[bytes], Iterator[bytes]], prepare: Callable[[], object]) -> None:
        """Take the work, and what is called before the fork: the import of what the work needs."""
        self._work, self._prepare = work, prepare
        self._owner = self._child = 0
        self._to = self._from = -1

    def run(self, data: bytes, seconds: float) -> list[bytes]:
        """Return the pieces that the work makes of the data; each of them may take so many seconds.

        Raises: TooSlowError, BrokenWorkError.
        """
        if self._owner != os.getpid():  # the first call, or the first one after a fork of ours
            self._start()
        try:
            _write(self._to, struct.pack("!Q", len(data)) + data)
            return self._collect(seconds)
        except TooSlowError:
            self._stop()
            raise
        except (OSError, EOFError) as error:
            self._stop()
            raise BrokenWorkError("the parser broke down, or took too much memory") from error

    def _collect(self, seconds: float) -> list[bytes]:
        pieces: list[bytes] = []
        last = time.monotonic() + _FILE_LIMITS * seconds
        while True:
            until = min(last, time.monotonic() + seconds)
            kind, size = _HEAD.unpack(_read(self._from, _HEAD.size, until))
            payload = _read(self._from, size, until)
            if kind == _ERROR:
                raise BrokenWorkError(payload.decode("utf-8", "replace"))
            if kind == _END:
                return pieces
            pieces.append(payload)

    def _start(self) -> None:
        self._prepare()
        here, self._to = os.pipe()
        self._from, there = os.pipe()
        self._child, self._owner = os.fork(), os.getpid()
        if self._child == 0:
            try:
                _serve(self._work, here, there)
            finally:
                os._exit(0)
        os.close(here)
        os.close(there)

    def _stop(self) -> None:
        os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)
        os.close(self._to)
        os.close(self._from)
        self._owner = 0


def _serve(work: Callable[[bytes], Iterator[bytes]], here: int, there: int) -> None:
    """Work off what comes until nothing comes any more."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for each in (0, 1, 2):
        os.dup2(nothing, each)
    low, high = sorted((here, there))
    os.closerange(3, low)
    os.closerange(low + 1, high)
    os.closerange(high + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0] if high < 1 << 16 else high + 1)
    with contextlib.suppress(OSError, ValueError):
        held = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + _MEMORY, held + _MEMORY))
    with contextlib.suppress(OSError, EOFError):
        while True:
            data = _read(here, struct.unpack("!Q", _read(here, 8))[0])
            try:
                for piece in work(data):
                    _write(there, _HEAD.pack(_PIECE, len(piece)) + piece)
                _write(there, _HEAD.pack(_END, 0))
            except OSError:
                raise
            except Exception as error:  # noqa: BLE001 -- parsers of such formats break in ways of their own
                told = f"{type(error).__name__}: {error}".encode("utf-8", "replace")[:1000]
                _write(there, _HEAD.pack(_ERROR, len(told)) + told)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _read(descriptor: int, size: int, until: float | None = None) -> bytes:
    """Return so many bytes. Raises: EOFError; TooSlowError when they are not there at that time."""
    pieces: list[bytes] = []
    while size:
        wait = None if until is None else max(0.0, until - time.monotonic())
        if not select.select([descriptor], [], [], wait)[0]:
            raise TooSlowError
        piece = os.read(descriptor, min(size, 1 << 20))
        if not piece:
            raise EOFError
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
