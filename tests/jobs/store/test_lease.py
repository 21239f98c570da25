"""One writer a workspace: who holds it is said, the dead hold nothing, and no clock decides."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobs.store.lease import Lease, machine, process_start
from schemas.errors import EngineError

QUICK = {"beat": 0.05, "expires": 1.0}
HOLD = """
import sys, time
from pathlib import Path
from jobs.store.lease import Lease
with Lease(Path(sys.argv[1]), "pairwright build nightly", beat=0.05):
    print("held", flush=True)
    time.sleep(60)
"""

LEFT = [
    b'{"machine": "far boot", "pid": 1, "token": "t", "beat": 3}',
    b"\0\0\0",
    b"[]",
    b'{"machine": ["far"], "pid": {"a": 1}, "token": [], "host": {}, "command": null}',
    b'{"machine": "%s", "pid": "one", "started": 7}' % str(machine()).encode(),
    b"[" * 100_000,
    b"x" * (1 << 20),
]


@contextmanager
def holder(workspace: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the workspace."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(workspace)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()


def test_the_second_is_told_who_holds_the_workspace_since_when(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        said = rf"process {process.pid} \(pairwright build nightly\), since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
        with pytest.raises(EngineError, match=said) as caught, Lease(tmp_path, "second"):
            pass
        assert "\n" not in str(caught.value)
        assert json.loads((tmp_path / "lease.json").read_text())["pid"] == process.pid


def test_a_killed_holder_on_this_machine_frees_it_at_once(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.kill()  # not waited for yet: even as a zombie it holds nothing
        until = time.monotonic() + 10
        while process_start(process.pid) is not None and time.monotonic() < until:
            time.sleep(0.01)
        with Lease(tmp_path, "second", expires=3600.0):
            assert json.loads((tmp_path / "lease.json").read_text())["command"] == "second"


def test_a_process_with_the_number_of_a_dead_holder_holds_nothing(tmp_path: Path) -> None:
    facts = {"machine": machine(), "pid": os.getpid(), "started": "1", "token": "t"}
    (tmp_path / "lease.json").write_text(json.dumps(facts))
    with Lease(tmp_path, "second", expires=3600.0):
        pass


@pytest.mark.parametrize("left", LEFT)
def test_a_holder_elsewhere_that_shows_no_sign_of_life_loses_it_after_the_lease_time(
    tmp_path: Path, left: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lease.json").write_bytes(left)
    monkeypatch.setattr(time, "time", lambda: 0.0)  # a wall clock that jumped decades back
    started = time.monotonic()
    with Lease(tmp_path, "second", **QUICK):
        assert time.monotonic() - started >= QUICK["expires"]


@pytest.mark.parametrize("hours", [-9, 9])
def test_a_clock_that_jumps_while_it_is_held_neither_frees_nor_loses_it(
    tmp_path: Path, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    with Lease(tmp_path, "first", beat=0.05, expires=0.2):
        monkeypatch.setattr(time, "time", lambda: real() + 3600 * hours)
        lease = tmp_path / "lease.json"
        os.utime(lease, (time.time(), time.time()))  # as a file that was written before the jump looks after it
        time.sleep(0.5)
        with pytest.raises(EngineError, match=r"held by .* \(first\)"), Lease(tmp_path, "second", **QUICK):
            pass
        assert json.loads(lease.read_text())["command"] == "first"
    with Lease(tmp_path, "second"):
        pass


def test_a_holder_elsewhere_that_renews_keeps_it_whatever_its_clock_says(tmp_path: Path) -> None:
    with Lease(tmp_path, "first", beat=0.1) as first:
        first._facts |= {"machine": "far boot", "host": "far", "since": "1970-01-01 00:00:00 UTC"}
        time.sleep(0.3)
        with pytest.raises(EngineError, match=r"held by far, process \d+ \(first\)"), Lease(tmp_path, "second"):
            pass


@pytest.mark.parametrize("ignored", [False, True], ids=["terminal", "background"])
def test_a_holder_that_was_given_up_for_dead_stops_and_leaves_the_next_one_alone(tmp_path: Path, ignored: bool) -> None:
    """Also where SIGINT is ignored, as it is for what a script starts with ``&``."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)
    started = time.monotonic()
    taken = json.dumps({"token": "other", "host": "far", "pid": 7, "command": "c", "since": "s", "machine": "far boot"})

    def work() -> None:
        with Lease(tmp_path, "first", beat=0.05):
            (tmp_path / "lease.json").write_text(taken)
            time.sleep(30)

    try:
        with pytest.raises(EngineError, match=r"was lost: taken by far, process 7"):
            work()
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - started < 20  # it did not sleep to the end
    assert (tmp_path / "lease.json").read_text() == taken


def test_it_is_given_back_when_the_work_fails(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="work"), Lease(tmp_path, "first"):
        raise ValueError("work")
    with Lease(tmp_path, "second"):
        pass


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "jobs.cli", "build", "--until", "ingest"],
        ["-m", "jobs.cli", "stage", "ingest"],
        ["jobs/ingest.py"],
    ],
)
def test_every_command_that_writes_asks_for_it(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "docs.jsonl").write_text(json.dumps({"title": "a", "text": "a text of some length"}) + "\n")
    recipe = tmp_path / "r.yaml"
    recipe.write_text("name: r\nsources:\n  - {name: s, format: jsonl, path: docs.jsonl}\n")
    place = tmp_path / "w"
    place.mkdir()
    root = Path(__file__).resolve().parents[3]
    with holder(place):
        done = subprocess.run(
            [sys.executable, *command, str(recipe), "--workspace", str(place)],
            cwd=root,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
    assert done.returncode == 1
    assert next(line for line in done.stderr.splitlines() if line).startswith(
        f"pairwright: workspace {place} must be free, got one held by"
    )
    assert not (place / "tables").exists()


def test_what_a_strangers_lease_says_reaches_the_terminal_printable_and_short(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = {"machine": "far", "host": "a\x1b[2Jb\nc", "pid": 1, "command": "y" * 5000}
    (tmp_path / "lease.json").write_text(json.dumps(facts))
    with Lease(tmp_path, "second", **QUICK):
        pass
    told = capsys.readouterr().err
    assert "\x1b" not in told
    assert told.count("\n") == 1
    assert len(told) < 400 + len(str(tmp_path))
