"""Spark's daemon, from which its Python workers are forked, with three habits changed that cost more than tasks do.

A worker that is kept between tasks collects garbage after each, and walks over every object of every module that it
ever imported: a tenth of a second and more, in which the next task waits. So what is there once the imports are done is
frozen: the collector passes it over. And Spark puts an archive of its own sources before the installed package, from
which each worker compiles what it imports; the package, of the same version, is compiled already. And what arrays free
goes back to the system at once, to be asked for again, page by page, with the next array; after one large block the C
library keeps some megabytes (see mallopt(3), "dynamic mmap threshold").

Source: SPARK-22959, which made the daemon's module a setting; ``gc.freeze`` of CPython, made for processes like these.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

IMPORTS = "PAIRWRIGHT_WORKER_IMPORTS"  # modules that the daemon imports first, separated by spaces
_ARCHIVE = "pyspark.zip"
_KEPT = 31 << 20  # bytes; glibc learns from blocks of up to 32 MB


def serve() -> None:
    """Run Spark's daemon in this process until Spark closes its input."""
    sys.path[:] = without_archive(sys.path)
    import_now(os.environ.get(IMPORTS, "").split())
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


def import_now(modules: Sequence[str]) -> None:
    """Import those of the modules that are there, and freeze what is imported."""
    for module in modules:
        with suppress(ImportError):  # the task that needs it says so
            importlib.import_module(module)
    gc.collect()
    gc.freeze()  # the collector passes it over, and pages stay shared


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
