"""The daemon that Spark's Python workers come from: the installed package is used, and what was imported is frozen."""

import gc
import os
import subprocess
import sys
import zipfile
from importlib.metadata import version

import pyarrow as pa
import pytest

from jobs.spark.daemon import without_archive


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
    from jobs.spark.daemon import serve
    serve()
else:
    daemon.manager()
"""


def test_a_worker_keeps_the_memory_that_its_arrays_free():
    def faults(whose: str) -> int:
        ran = subprocess.run([sys.executable, "-c", FAULTS, whose], capture_output=True, text=True, check=True)
        return int(ran.stdout)

    assert faults("ours") * 4 < faults("Spark's")
