"""Where Spark's Python workers come from: Spark's own daemon, with four habits changed that cost more than tasks do.

A worker that is kept between tasks collects garbage after each, and walks over every object of every module that it
ever imported: a tenth of a second and more, in which the next task waits. So what is there once the imports are done is
frozen: the collector passes it over. And Spark puts an archive of its own sources before the installed package, from
which each worker compiles what it imports; the package, of the same version, is compiled already. And where a model is
opened, every worker would import its libraries for itself, five seconds each; asked by :func:`import_ahead`, the daemon
imports them once, and the workers, which are forked from it, have them, and their memory in common. On this machine the
daemon itself is forked from one that has imported them before, if that was asked by :func:`import_beside`: see
``nursery``. And what arrays free goes back to the system at once, to be asked for again, page by page, with the next
array; after one large block the C library keeps some megabytes (see mallopt(3), "dynamic mmap threshold").
And a session's first stage would wait for a worker, and for Java to load what moves rows there and back and what reads
and writes tables; on this machine all that begins beside the session's first plans: :func:`wake_beside`.

``spark-conf`` names this module as ``spark.python.daemon.module``. Source: SPARK-22959, which made that a setting;
``gc.freeze`` of CPython, made for processes like these.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from jobs.spark.nursery import import_now, import_soon, serve_from_nursery

_ARCHIVE = "pyspark.zip"
_IMPORTS = "PAIRWRIGHT_WORKER_IMPORTS"
_WAKING = "pairwright-wake"
_ROW = "name string, numbers array<long>"
_KEPT = 31 << 20  # bytes; glibc learns from blocks of up to 32 MB


def import_ahead(session: Any, *modules: str) -> None:
    """Have workers that run what is planned from now on come with these modules imported.

    Not where there is a GPU: what has once looked at it must not be forked.
    """
    if not has_gpu():
        session.sparkContext.environment[_IMPORTS] = " ".join(modules)  # another environment: another daemon


def import_beside(*modules: str) -> None:
    """Have what :func:`import_ahead` will ask for imported now, beside whatever else is at work; do not wait.

    Only where the nursery is, and no GPU.
    """
    if not has_gpu():
        import_soon(*modules)


def wake_beside(session: Any) -> None:
    """Have a row go the way of every stage now, beside whatever the session is asked for; do not wait.

    It goes through a Python worker to Parquet and, read and joined, to nowhere; then the session's start-up is over.
    Only on this machine, where plans leave a core idle. A session that stops meanwhile ends it, and nobody minds.
    """
    if session.sparkContext.master.startswith("local"):
        threading.Thread(target=_wake, args=(session,), name=_WAKING, daemon=True).start()


def wait_for_wake() -> None:
    """Wait until what :func:`wake_beside` began is over: for clocks that leave a session's start-up out."""
    for thread in threading.enumerate():
        if thread.name == _WAKING:
            thread.join()


def _wake(session: Any) -> None:
    with suppress(Exception):
        row = session.range(1, numPartitions=1).selectExpr("string(id) AS name", "array(id) AS numbers")
        place = session._jvm.org.apache.spark.util.Utils.createTempDir().toURI().toString() + "row"  # goes with Java
        row.mapInArrow(_hand_on, _ROW).write.parquet(place)
        read = session.read.schema(_ROW).parquet(place)
        read.join(read.select("name"), "name", "left").write.format("noop").mode("overwrite").save()


def _hand_on(batches: Iterator[Any]) -> Iterator[Any]:
    yield from batches


def has_gpu() -> bool:
    """Return whether this machine has a GPU."""
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
    """Run Spark's daemon until Spark closes its input: a child of the nursery where there is one."""
    if not serve_from_nursery():
        serve_here()


def serve_here() -> None:
    """Run Spark's daemon in this process."""
    sys.path[:] = without_archive(sys.path)
    import_now(os.environ.get(_IMPORTS, "").split())
    bytes(_KEPT)  # allocated and freed again: glibc keeps free memory up to twice the largest block that it saw freed
    from pyspark import daemon

    run_task, frozen = daemon.worker, len(sys.modules)

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
