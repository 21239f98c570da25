"""A watch over the time that a step takes: what a reader does for one record, or what cleaning does with it.

A timer of the process looks now and then whether the step under way has lasted too long, and ends it by an exception.
Known weakness: what does not come back from a library written in C is not reached (see pipeline.readers.isolated), and
outside of a process's main thread there is no watch.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Self, TypeVar

from pipeline.readers.isolated import TooSlowError

_LOOKS = 8  # so many times in the time that a step may take
T = TypeVar("T")


class Watch:
    """Ends the steps that take more than some seconds, within its block."""

    def __init__(self, seconds: float) -> None:
        """Take how long a step may last."""
        self._seconds = seconds
        self._until: float | None = None
        self._before: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGALRM, self._look)
            signal.setitimer(signal.ITIMER_REAL, self._seconds / _LOOKS, self._seconds / _LOOKS)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)

    def step(self, work: Callable[[], T], times: int = 1) -> T:
        """Return what the work gives; it may take the watch's seconds so many times.

        Raises: TooSlowError.
        """
        self._until = time.monotonic() + times * self._seconds
        try:
            return work()
        finally:
            self._until = None

    def steps(self, items: Iterator[T], times: int = 1) -> Iterator[T]:
        """Yield the items; to make the next one may take the watch's seconds so many times.

        Raises: TooSlowError.
        """
        nothing: Any = object()
        while (item := self.step(lambda: next(items, nothing), times)) is not nothing:
            yield item

    def _look(self, _: int, __: FrameType | None) -> None:
        if self._until is not None and time.monotonic() > self._until:
            self._until = None
            raise TooSlowError
