"""Spark's Python daemons are forked from one process that has their imports; without it they serve as ever."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from jobs.spark.nursery import _DAEMON, PLACE, _ask, import_soon, serve_from_nursery, start_nursery

STARTED = """
import os, signal, time
from jobs.spark.nursery import PLACE, start_nursery
start_nursery({"spark.master": "local[2]"})
print(os.environ[PLACE], flush=True)
time.sleep(60)
"""


def nursery_of(process: psutil.Process) -> psutil.Process:
    (found,) = [child for child in process.children() if "jobs.spark.nursery" in child.cmdline()]
    return found


@pytest.fixture
def ask(spark, monkeypatch):
    """Ask two workers of a daemon of its own for its parent, a module, and what ``read`` says."""

    def ask(mark: str, module: str = "sndhdr") -> list[tuple[int, bool]]:
        def look(batches):
            for _ in batches:
                yield pa.RecordBatch.from_pylist(
                    [
                        {
                            "from": psutil.Process(os.getppid()).ppid(),
                            "there": module in sys.modules,
                            "mark": os.environ["PAIRWRIGHT_MARK"],
                        }
                    ]
                )

        context = spark.sparkContext
        monkeypatch.setattr(context, "environment", {**context.environment, "PAIRWRIGHT_MARK": mark})
        found = spark.range(2, numPartitions=2).mapInArrow(look, "from long, there boolean, mark string").collect()
        assert {row.mark for row in found} == {mark}  # the environment is that of the session, not of the nursery
        return [(row["from"], row.there) for row in found]

    return ask


def test_daemons_come_from_the_nursery_with_what_was_imported_before(ask):
    nursery = nursery_of(psutil.Process())

    assert ask("first", "sndhdr") == [(nursery.pid, False)] * 2
    assert ask("first", "pyspark.worker") == [(nursery.pid, True)] * 2
    import_soon("sndhdr", "no_such_module")
    assert ask("second", "sndhdr") == [(nursery.pid, True)] * 2


def test_a_daemon_of_another_environment_serves_itself(spark):
    same = dict(nursery_of(psutil.Process()).environ())
    for changed in ({"OMP_NUM_THREADS": "7"}, {"PYTHONHASHSEED": "7"}, {"LD_PRELOAD": "none"}):
        with _ask(os.environ[PLACE], _DAEMON, {"environ": same | changed}, (0, 1, 2)) as asked:
            assert asked.recv(1) == b"n"


def test_what_is_no_question_is_survived(ask):
    for kind, message in ((b"?", {}), (_DAEMON, {}), (b"i", {})):
        with _ask(os.environ[PLACE], kind, message) as asked:
            assert asked.recv(1) == b""
    assert all(pid == nursery_of(psutil.Process()).pid for pid, _ in ask("after"))


def test_without_a_nursery_the_daemon_serves_itself(tmp_path, monkeypatch):
    monkeypatch.setenv(PLACE, str(tmp_path / "gone"))
    assert not serve_from_nursery()
    import_soon("sndhdr")  # nobody hears it
    monkeypatch.delenv(PLACE)
    assert not serve_from_nursery()


def test_a_cluster_has_none_and_neither_has_a_folder_too_deep_for_a_socket(monkeypatch, tmp_path):
    monkeypatch.delenv(PLACE, raising=False)
    monkeypatch.setattr("jobs.spark.nursery._running", running := [])
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("deep" * 30)))
    (tmp_path / ("deep" * 30)).mkdir()
    for master in ("spark://host:7077", "local[2]"):
        start_nursery({"spark.master": master})
        assert PLACE not in os.environ
    assert not running
    assert not list((tmp_path / ("deep" * 30)).iterdir())


def test_one_that_waits_no_more_serves_itself_and_no_second_one_does(spark):
    """The pipes stand for Spark's: what reaches them would be taken for a daemon's port."""
    environment = dict(nursery_of(psutil.Process()).environ())
    reader, writer = os.pipe()
    mine = {"environ": environment, "path": sys.path, "cwd": str(Path.cwd()), "argv": ["daemon"]}
    with _ask(os.environ[PLACE], _DAEMON, mine, (reader, writer, writer)) as asked:
        assert asked.recv(1) == b"y"
    os.close(writer)
    with os.fdopen(reader, "rb") as said:
        assert said.read() == b""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_it_ends_with_its_driver_however_that_ends(how, tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", STARTED],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as driver:
        assert driver.stdout is not None
        driver.stdout.readline()
        nursery = nursery_of(psutil.Process(driver.pid))
        driver.send_signal(how)
    _, alive = psutil.wait_procs([nursery], timeout=20)

    assert not alive
    assert not list(tmp_path.iterdir())
