"""Where Spark's Python workers come from: Spark's own daemon, with two habits changed that cost more than small tasks.

A worker that is kept between tasks collects garbage after each, and walks over every object of every module that it
ever imported: a tenth of a second and more, in which the next task waits. So what is there once the imports are done is
frozen: the collector passes it over. And Spark puts an archive of its own sources before the installed package, from
which each worker compiles what it imports; the package, of the same version, is compiled already.

``spark-conf`` names this module as ``spark.python.daemon.module``. Source: SPARK-22959, which made that a setting;
``gc.freeze`` of CPython, made for processes like these.
"""

from __future__ import annotations

import gc
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_ARCHIVE = "pyspark.zip"


def without_archive(path: list[str]) -> list[str]:
    """Return a search path without Spark's archive of itself, where the installed package is of the same version."""
    archives = [entry for entry in path if Path(entry).name == _ARCHIVE and Path(entry).is_file()]
    return [entry for entry in path if entry not in archives or not _is_installed(entry)]


def _is_installed(archive: str) -> bool:
    try:
        with zipfile.ZipFile(archive) as sources:
            return repr(version("pyspark")) in sources.read("pyspark/version.py").decode()
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, PackageNotFoundError):
        return False


def serve() -> None:
    """Run Spark's daemon until Spark closes its input."""
    sys.path[:] = without_archive(sys.path)
    from pyspark import daemon

    run_task, frozen = daemon.worker, 0

    def run_and_freeze(sock: Any, authenticated: bool) -> int:
        nonlocal frozen
        code: int = run_task(sock, authenticated)
        if len(sys.modules) != frozen:  # a task imported something
            frozen = len(sys.modules)
            gc.collect()  # what is frozen stays
            gc.freeze()
        return code

    daemon.worker = run_and_freeze
    daemon.manager()


if __name__ == "__main__":
    serve()
