"""The daemon that Spark's Python workers come from: the installed package is used, and what was imported is frozen."""

import gc
import os
import subprocess
import sys
import threading
import time
import zipfile
from importlib.metadata import version
from types import SimpleNamespace

import pyarrow as pa
import pytest

from jobs.spark.workers import import_ahead, import_beside, wait_for_wake, wake_beside, without_archive


def archive(path, said: str) -> str:
    with zipfile.ZipFile(path / "pyspark.zip", "w") as sources:
        sources.writestr("pyspark/version.py", said)
    return str(path / "pyspark.zip")


@pytest.mark.parametrize(
    ("said", "goes"),
    [(f"__version__: str = '{version('pyspark')}'", True), ("__version__: str = '1.2.3'", False), ("", False)],
)
def test_an_archive_of_the_installed_version_is_left_out(tmp_path, said, goes):
    path = ["/first", archive(tmp_path, said), "/last"]
    assert without_archive(path) == (["/first", "/last"] if goes else path)


def test_what_is_no_archive_stays(tmp_path):
    (tmp_path / "pyspark.zip").write_text("no archive")
    path = [str(tmp_path / "pyspark.zip"), str(tmp_path / "gone" / "pyspark.zip")]
    assert without_archive(path) == path


def test_a_kept_worker_has_frozen_what_it_imported_and_the_package_is_the_installed_one(spark):
    def look(batches):
        import pyspark

        for _ in batches:
            yield pa.RecordBatch.from_pylist(
                [{"pid": os.getpid(), "frozen": gc.get_freeze_count(), "home": pyspark.__file__}]
            )

    def ask() -> dict[int, tuple[int, str]]:
        found = spark.range(4).repartition(2).mapInArrow(look, "pid long, frozen long, home string").collect()
        return {row.pid: (row.frozen, row.home) for row in found}

    ask()
    second = ask()
    assert any(frozen > 10_000 for frozen, _ in second.values())
    assert all("pyspark.zip" not in home for _, home in second.values())


def jobs_of(spark) -> int:
    return len(spark.sparkContext.statusTracker().getJobIdsForGroup())


def test_a_local_session_wakes_what_stages_need_and_does_not_wait_for_it(spark):
    wait_for_wake()  # the one that came with the session
    before, asked = jobs_of(spark), time.monotonic()
    wake_beside(spark)
    assert time.monotonic() - asked < 0.5
    wait_for_wake()
    assert jobs_of(spark) == before + 3  # the row is written, read to be joined, and joined


def test_no_worker_is_woken_on_a_cluster_and_a_session_that_stops_meanwhile_says_nothing(monkeypatch):
    said = []
    monkeypatch.setattr(threading, "excepthook", said.append)

    class Session:
        asked = 0

        def __init__(self, master: str) -> None:
            self.sparkContext = SimpleNamespace(master=master)

        def range(self, *_, **__) -> None:
            self.asked += 1
            raise RuntimeError("stopped")

    there, here = Session("spark://there:7077"), Session("local[2]")
    wake_beside(there)
    wake_beside(here)
    wait_for_wake()
    assert (there.asked, here.asked, said) == (0, 1, [])


FAULTS = """
import resource, sys
from pyspark import daemon

def measure():
    def use():
        held = [bytes(range(256)) * (1 << 14) for _ in range(4)]  # 4 MB each, written

    use()
    first = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        use()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - first)

daemon.manager = measure
if sys.argv[1] == "ours":
    from jobs.spark.workers import serve_here
    serve_here()
else:
    daemon.manager()
"""


def test_a_worker_keeps_the_memory_that_its_arrays_free():
    def faults(whose: str) -> int:
        ran = subprocess.run([sys.executable, "-c", FAULTS, whose], capture_output=True, text=True, check=True)
        return int(ran.stdout)

    assert faults("ours") * 4 < faults("Spark's")


def test_workers_asked_for_ahead_come_with_their_imports_and_others_without(spark, monkeypatch):
    def look(batches):
        for _ in batches:
            yield pa.RecordBatch.from_pylist([{"there": "wave" in sys.modules}])

    def ask() -> set[bool]:
        return {row.there for row in spark.range(4).repartition(2).mapInArrow(look, "there boolean").collect()}

    monkeypatch.setattr(spark.sparkContext, "environment", dict(spark.sparkContext.environment))
    monkeypatch.setattr("jobs.spark.workers.shutil.which", lambda _: None)
    assert ask() == {False}
    import_ahead(spark, "wave", "no_such_module")
    assert ask() == {True}


def test_on_a_gpu_nothing_is_imported_ahead(spark, monkeypatch):
    asked = []
    monkeypatch.setattr("jobs.spark.workers.import_soon", lambda *modules: asked.append(modules))
    import_beside("wave")
    assert asked == [("wave",)]
    monkeypatch.setattr("jobs.spark.workers.shutil.which", lambda _: "/usr/bin/nvidia-smi")
    import_beside("wave")
    assert asked == [("wave",)]
    before = dict(spark.sparkContext.environment)
    import_ahead(spark, "wave")
    assert spark.sparkContext.environment == before
