"""Where Spark's Python workers come from: Spark's own daemon, with three habits changed that cost more than tasks do.

A worker that is kept between tasks collects garbage after each, and walks over every object of every module that it
ever imported: a tenth of a second and more, in which the next task waits. So what is there once the imports are done is
frozen: the collector passes it over. And Spark puts an archive of its own sources before the installed package, from
which each worker compiles what it imports; the package, of the same version, is compiled already. And where a model is
opened, every worker would import its libraries for itself, five seconds each; asked by :func:`import_ahead`, the daemon
imports them once, and the workers, which are forked from it, have them, and their memory in common; asked before by
:func:`import_beside` it does so while the stage is at something else.

``spark-conf`` names this module as ``spark.python.daemon.module``. Source: SPARK-22959, which made that a setting;
``gc.freeze`` of CPython, made for processes like these.
"""

from __future__ import annotations

import gc
import importlib
import os
import shutil
import sys
import threading
import zipfile
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_ARCHIVE = "pyspark.zip"
_IMPORTS = "PAIRWRIGHT_WORKER_IMPORTS"


def import_ahead(session: Any, *modules: str) -> None:
    """Have workers that run what is planned from now on come with these modules imported.

    Not where there is a GPU: what has once looked at it must not be forked.
    """
    if not _has_gpu():
        session.sparkContext.environment[_IMPORTS] = " ".join(modules)  # another environment: another daemon


def import_beside(session: Any, *modules: str) -> threading.Thread | None:
    """Start the daemon that :func:`import_ahead` will ask for, and do not wait. Not on a cluster: it takes a task.

    Until that daemon has imported them, no task gets a worker of any other: Spark starts one at a time.
    """
    context = session.sparkContext
    if not context.master.startswith("local") or _has_gpu():
        return None
    before = dict(context.environment)
    try:
        import_ahead(session, *modules)
        asked = session.range(1, numPartitions=1).mapInArrow(lambda batches: batches, "id long")
    finally:
        context.environment = before

    def ask() -> None:
        with suppress(Exception):  # nobody waits for it, and the session may stop meanwhile
            asked.collect()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    return thread


def _has_gpu() -> bool:
    return shutil.which("nvidia-smi") is not None


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
    for module in os.environ.get(_IMPORTS, "").split():
        with suppress(ImportError):  # the task that needs it says so
            importlib.import_module(module)
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
