"""What is seen while a stage runs: a bar on a terminal, plain lines elsewhere, and no line beyond the width."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import termios
import threading
import time
from pathlib import Path

import pytest

from jobs.runtime import terminal as module
from jobs.runtime.stage_line import SPACE
from jobs.runtime.terminal import Pace, Terminal


class Screen:
    """A terminal of some columns, and what was written to it."""

    def __init__(self, columns: int) -> None:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.out, self._master, self._read = os.fdopen(slave, "w", encoding="utf-8", buffering=1), master, b""
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        while True:
            try:
                self._read += os.read(self._master, 1 << 16)
            except OSError:
                return

    def lines(self) -> list[str]:
        time.sleep(0.2)
        shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self._read.decode())
        return [each for each in re.split(r"[\r\n]+", shown) if each.strip()]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_POLL_SECONDS", 0.02)


def test_sparks_tasks_move_a_bar_with_rate_time_left_and_place_and_what_a_stage_says_itself_goes_before(
    tmp_path: Path,
) -> None:
    screen, tasks = Screen(100), iter(range(1, 1000))
    shown = Terminal(screen.out)
    with shown.stage("ingest", tmp_path / "log", lambda: (next(tasks), 1000), "1 of 16"):
        time.sleep(0.4)
        shown.progress(0, 80, "queries")
        time.sleep(0.3)
        shown.progress(8, 80, "queries")
        time.sleep(0.3)
        os.write(1, b"what a library says")
    lines = screen.lines()
    assert any(
        re.search(r"ingest +1 of 16 +\d s .*/1,000 tasks +[\d,.]+ tasks/s +\d.* left", each) for each in lines
    ), lines
    assert any(re.search(r"8/80 queries +[\d,.]+ queries/s +\d+ s left", each) for each in lines), lines
    assert max(map(len, lines)) <= 100
    assert "library" in (tmp_path / "log").read_text()


def test_a_line_is_folded_to_the_terminal_between_reasons_and_indented(tmp_path: Path) -> None:
    screen = Screen(60)
    reasons = ", ".join(f"query_too_short (pair.min_words) {each}".replace(" ", SPACE) for each in range(4))
    Terminal(screen.out).line(f"pair        9 positives: {reasons}")
    first, *others = screen.lines()
    assert first == "pair        9 positives: query_too_short (pair.min_words) 0,"
    assert others == [" " * 12 + f"query_too_short (pair.min_words) {each}" + "," * (each < 3) for each in (1, 2, 3)]


def test_where_the_output_is_no_terminal_a_long_stage_says_so_in_plain_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PLAIN_SECONDS", 0.2)
    out, tasks = io.StringIO(), iter(range(1, 1000))
    shown = Terminal(out)
    with shown.stage("guard", tmp_path / "log", lambda: (next(tasks), 1000), "4 of 16"):
        time.sleep(0.7)
    shown.line("guard       done")
    *moving, last = out.getvalue().splitlines()
    assert 2 <= len(moving) <= 4
    assert all(
        re.fullmatch(r"guard       \.\.\. 4 of 16, \d+/1,000 tasks, .* tasks/s, .* left", each) for each in moving
    )
    assert last == "guard       done"


def test_counting_that_breaks_breaks_nothing(tmp_path: Path) -> None:
    def count():
        raise ConnectionError("the JVM is gone")

    with Terminal(io.StringIO()).stage("mine", tmp_path / "log", count):
        time.sleep(0.1)


def test_whoever_stops_reading_stops_no_build() -> None:
    read, write = os.pipe()
    os.close(read)
    Terminal(os.fdopen(write, "w", buffering=1)).line("x" * 10)


def test_another_unit_or_a_new_start_is_another_count() -> None:
    pace = Pace()
    pace.update(5, 10, "tasks")
    pace.update(1, 10, "tasks")
    assert pace.describe() == ["1/10 tasks"]
    pace.update(0, 1, "starting vLLM")
    assert pace.describe() == ["starting vLLM"]
