"""What takes too long is ended, in this process and in one of its own, and what follows goes on."""

import os
import re
import time

import pytest

from pipeline.ingest.config import make_source
from pipeline.ingest.tables import read_unit
from pipeline.ingest.units import plan_units
from pipeline.readers.isolated import BrokenWorkError, Isolated, TooSlowError
from pipeline.readers.watch import Watch


def test_a_step_that_takes_too_long_is_ended_and_the_next_one_runs():
    with Watch(0.2) as watch:
        started = time.monotonic()
        with pytest.raises(TooSlowError):
            watch.step(lambda: re.match(r"(a+)+$", "a" * 40 + "b"))
        assert time.monotonic() - started < 5
        assert watch.step(lambda: 7) == 7
    time.sleep(0.1)


def test_waiting_between_steps_is_none_of_them():
    with Watch(0.1) as watch:
        assert [(item, time.sleep(0.25)) for item in watch.steps(iter([1, 2]))] == [(1, None), (2, None)]


def test_a_record_too_slow_to_clean_is_a_reject_and_the_others_are_rows(tmp_path, monkeypatch):
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n{"text": "slow"}\n{"text": "three"}\n')
    source = make_source(name="s", format="jsonl", path=str(tmp_path), max_seconds=0.2)
    import pipeline.ingest.tables as tables

    clean = tables.clean_record
    monkeypatch.setattr(tables, "clean_record", lambda r, s: time.sleep(9) if r.text == "slow" else clean(r, s))
    [unit] = plan_units([source])

    assert [(row["line"], row["reason"]) for row in read_unit(unit, source)] == [(1, None), (2, "too_slow"), (3, None)]


def work(data):
    if data == b"slow":
        time.sleep(60)
    if data == b"die":
        os._exit(3)
    if data == b"memory":
        bytearray(8 << 30)
    if data == b"raise":
        raise ValueError("no such page")
    yield data[:2]
    yield b"x" * (3 << 20)


def test_work_in_its_own_process_is_ended_and_started_anew():
    isolated = Isolated(work, lambda: None)

    assert isolated.run(b"abc" * (1 << 20), 5) == [b"ab", b"x" * (3 << 20)]
    with pytest.raises(TooSlowError):
        isolated.run(b"slow", 0.2)
    with pytest.raises(BrokenWorkError, match="broke down"):
        isolated.run(b"die", 5)
    with pytest.raises(BrokenWorkError, match="ValueError: no such page"):
        isolated.run(b"raise", 5)
    with pytest.raises(BrokenWorkError, match="MemoryError"):
        isolated.run(b"memory", 5)
    assert isolated.run(b"ok", 5)[0] == b"ok"
