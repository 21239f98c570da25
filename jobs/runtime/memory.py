"""Peak memory of this process and everything it started: Spark's JVM, Python workers, servers, trainers."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from contextlib import suppress

import psutil


def tree_mb() -> float:
    """Return the memory in MB of this process and its descendants; resident size where Linux's Pss is not to be had."""
    return _sum_mb(descendants=True)


def driver_mb() -> float:
    """Return the same of this process and those that it started itself: Spark's driver, without its executors."""
    return _sum_mb(descendants=False)


def _sum_mb(*, descendants: bool) -> float:
    me = psutil.Process()
    total = 0.0
    for process in [me, *me.children(recursive=descendants)]:
        with suppress(psutil.Error):
            total += _measure(process) / 2**20
    return total


def _measure(process: psutil.Process) -> int:
    """Return the bytes of a process; pages that it shares count once over their sharers where the system tells."""
    with suppress(psutil.AccessDenied):  # another user's
        return getattr(process.memory_full_info(), "pss", 0) or process.memory_info().rss
    return process.memory_info().rss


def release_free() -> None:
    """Have the C library give freed memory back: after training, glibc keeps gigabytes for this process alone."""
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


class PeakMemory:
    """Samples the tree's memory while a stage runs. Use as a context manager; ``mb`` is the peak."""

    def __init__(self, seconds: float = 1.0, measure: Callable[[], float] = tree_mb) -> None:
        """Sample every so many seconds."""
        self.mb = 0.0
        self._measure = measure
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def _sample(self) -> None:
        while True:
            self.mb = max(self.mb, self._measure())
            if self._stop.wait(self._seconds):
                return

    def __enter__(self) -> PeakMemory:
        """Start sampling."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop sampling."""
        self._stop.set()
        self._thread.join()
