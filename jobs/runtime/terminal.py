"""What the person at the terminal sees: a line that moves while a stage runs, and a line a stage when it is done.

While a stage runs, stdout and stderr of this process and its children go to the log, so that no library can break
the lines; the terminal itself is written to through a duplicate of the original stdout. A stage that says how far it is
is believed; for any other Spark's tasks move the bar. Where the output is no terminal, a long stage says so in a plain
line every minute.
"""

from __future__ import annotations

import os
import sys
import textwrap
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from jobs.runtime.stage_line import NAME_WIDTH, SPACE, rate_text
from jobs.spark.output import redirect_output

_TASKS = "tasks"
CountTasks = Callable[[], tuple[int, int] | None]
_POLL_SECONDS, _PLAIN_SECONDS, _WINDOW_SECONDS = 0.5, 60.0, 30.0


class Pace:
    """How far a stage is and how fast it goes, by what was counted in the last half minute."""

    def __init__(self) -> None:
        """Have nothing counted yet."""
        self.done, self.total, self.unit = 0, 0, ""
        self._seen: deque[tuple[float, int]] = deque()
        self._moved = time.monotonic()  # when the count last grew

    def update(self, done: int, total: int, unit: str) -> None:
        """Take what was counted; another unit, total or a smaller count is another count."""
        now = time.monotonic()
        if (unit, total) != (self.unit, self.total) or done < self.done:
            self._seen.clear()
            self._moved = now
        self._moved = now if done > self.done else self._moved
        self.done, self.total, self.unit = done, total, unit
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[0][0] > _WINDOW_SECONDS:
            self._seen.popleft()

    @property
    def is_open(self) -> bool:
        """Whether something is left to be done of what was counted."""
        return self.done < self.total

    def describe(self) -> list[str]:
        """Return count, rate and time left; what is not known yet is left out."""
        found = [f"{self.done:,}/{self.total:,} {self.unit}" if self.total > 1 or self.unit == _TASKS else self.unit]
        (first, before), (last, now) = self._seen[0], self._seen[-1]
        if now > before and last > first:
            rate = (now - before) / (last - first)
            found.append(rate_text(rate, self.unit.split()[0]))
            left = (self.total - now) / rate - (time.monotonic() - self._moved)
            found += [f"{_duration_text(left)} left"] * (left > 0)  # an estimate that has run out says nothing
        return found


class Terminal:
    """Prints lines, and on a real terminal one that moves."""

    def __init__(self, out: TextIO | None = None) -> None:
        """Keep a private way to the terminal."""
        self._out = out or os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace", buffering=1)
        self._live = self._out.isatty()
        self._lock = threading.Lock()
        self._own, self._pace = Pace(), Pace()

    @contextmanager
    def stage(self, name: str, log: Path, count_tasks: CountTasks = lambda: None, place: str = "") -> Iterator[None]:
        """Show that a stage runs, and how far it is; send everything else to the log meanwhile.

        In: what counts Spark's tasks, and which stage of how many it is.
        """
        self._own, self._pace = Pace(), Pace()
        ended = threading.Event()
        show = self._show_live if self._live else self._show_plain
        watch = threading.Thread(target=show, args=(name, place, count_tasks, ended), daemon=True)
        with redirect_output(log):
            watch.start()
            try:
                yield
            finally:
                ended.set()
                watch.join(timeout=5)

    def progress(self, done: int, total: int, unit: str) -> None:
        """Take how far the running stage is: done of total units."""
        with self._lock:
            self._own.update(done, total, unit)

    def _look(self, count_tasks: CountTasks) -> Pace | None:
        """Return what to show: what the stage says of itself while that goes on, else Spark's tasks."""
        with self._lock:
            if self._own.is_open:
                return self._own
        counted = None
        with suppress(Exception):  # Spark may start or stop at this moment
            counted = count_tasks()
        if counted is None:
            return None
        self._pace.update(*counted, _TASKS)
        return self._pace

    def _show_live(self, name: str, place: str, count_tasks: CountTasks, ended: threading.Event) -> None:
        console = Console(file=self._out, force_terminal=True, width=self._columns(), highlight=False)
        columns = [TextColumn("{task.description}", markup=False), BarColumn(20)]
        columns.append(TextColumn("{task.fields[text]}", markup=False))
        title, began = f"{name:<{NAME_WIDTH}} {place}".rstrip(), time.monotonic()
        with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
            task = bar.add_task(title, total=None, text="")
            while not ended.wait(_POLL_SECONDS):
                pace = self._look(count_tasks)
                bar.update(task, description=f"{title}  {_duration_text(time.monotonic() - began)}")
                if pace is not None:
                    with self._lock:
                        text = "  ".join(pace.describe())
                        bar.update(task, completed=pace.done, total=pace.total, text=text)

    def _show_plain(self, name: str, place: str, count_tasks: CountTasks, ended: threading.Event) -> None:
        told = time.monotonic()
        while not ended.wait(_POLL_SECONDS):
            pace = self._look(count_tasks)
            if pace is not None and time.monotonic() - told >= _PLAIN_SECONDS:
                told = time.monotonic()
                with self._lock:
                    self.line(f"{name:<{NAME_WIDTH}} ... {', '.join([*([place] if place else []), *pace.describe()])}")

    def _columns(self) -> int:
        with suppress(OSError):
            return os.get_terminal_size(self._out.fileno()).columns or 80
        return 80

    def line(self, text: str = "") -> None:
        """Print a line, on a terminal folded to its width; whoever has stopped reading stops no build."""
        lines = [text]
        if self._live:
            indent = " " * (NAME_WIDTH + 1)
            lines = textwrap.wrap(
                text, self._columns(), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
            )
        with suppress(BrokenPipeError):
            self._out.write("\n".join(lines or [""]).replace(SPACE, " ") + "\n")
            self._out.flush()

    def fail(self, text: str) -> None:
        """Print the one line of a failure to stderr."""
        with suppress(BrokenPipeError):
            sys.stderr.write(f"pairwright: {text}\n")


def _duration_text(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
