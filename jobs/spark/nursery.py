"""A process from which Spark's Python daemons are forked, so that what their workers import is imported once a driver.

Spark starts a daemon for each session and each set of environment variables, and no other worker while it waits for
one; then every worker imports Arrow, SciPy and our own modules for itself. Here all of that is done beside the start
of the JVM, and what the engines need while other stages run. A daemon that Spark starts hands its pipes over and lives
on as a child of the nursery; its own process waits for the end. One of another environment (hash seed, threads,
libraries), or that finds no nursery, serves as ever. On this machine only: a cluster's executors have none.

The nursery ends with its driver, whatever ends that: its standard input closes. A fork has no thread but the one that
forks, so what is imported here is imported with the thread counts of a worker, and computes nothing.
Source: the zygote of Android and of Chromium, which start processes so.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

PLACE = "PAIRWRIGHT_NURSERY"
_FIRST = ("pyspark.worker", "pyspark.daemon", "pipeline.similarity.one_task", "scipy.sparse.csgraph")
_DAEMON, _IMPORT = b"d", b"i"
_YES, _NO, _GO = b"y", b"n", b"g"
_PIPES = (0, 1, 2)
_SECONDS = 60.0  # that a question may take: the nursery may be at its imports
# Read by the workers' Python code as it runs, or by nobody; all others decide how a process comes up.
_FREE = ("SPARK_", "PYSPARK_", "PAIRWRIGHT_", "PYTHON", "_", "SHLVL", "PWD", "OLDPWD")
_EXECUTOR = "spark.executorEnv."
_running: list[subprocess.Popen[bytes]] = []  # this driver's, at most one: its pipe is open as long as we live


def start_nursery(settings: Mapping[str, str]) -> None:
    """Start this driver's nursery, once, for the daemons of a local session with these settings; do not wait."""
    if _running or not settings.get("spark.master", "").startswith("local"):
        return
    home = tempfile.mkdtemp(prefix="pairwright-")
    place = str(Path(home) / "nursery")
    given = {key.removeprefix(_EXECUTOR): value for key, value in settings.items() if key.startswith(_EXECUTOR)}
    as_workers = {
        "OMP_NUM_THREADS": settings.get("spark.task.cpus", "1"),
        "PYTHONHASHSEED": os.environ.get("PYTHONHASHSEED", "0"),
    }
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(place)
        except OSError:  # a path too long for a socket
            shutil.rmtree(home)
            return
        listener.listen()
        _running.append(
            subprocess.Popen(
                [sys.executable, "-m", "jobs.spark.nursery", str(listener.fileno()), home],
                stdin=subprocess.PIPE,
                env={**as_workers, **os.environ, **given},
                pass_fds=[listener.fileno()],
                start_new_session=True,
            )
        )
    os.environ[PLACE] = place


def import_soon(*modules: str) -> None:
    """Have the nursery, if there is one, import these modules: the daemons that it forks from then on have them."""
    place = os.environ.get(PLACE)
    if place is not None:
        with suppress(OSError), _ask(place, _IMPORT, {"modules": modules}):
            pass


def serve_from_nursery() -> bool:
    """Hand this process's pipes and environment over and wait for the daemon that has them; False: serve here."""
    place = os.environ.get(PLACE)
    if place is None:
        return False
    # Spark ends a daemon by the signal, and by closing its pipe: only the second reaches the one that serves.
    mine = {"environ": dict(os.environ), "path": sys.path, "cwd": str(Path.cwd()), "argv": sys.argv}
    with suppress(OSError), _ask(place, _DAEMON, mine, _PIPES) as asked:
        if asked.recv(1) == _YES:
            asked.sendall(_GO)  # unless we wait no more, and serve ourselves
            asked.settimeout(None)
            asked.recv(1)  # nothing, at its end
            return True
    return False


def _ask(place: str, kind: bytes, message: Mapping[str, Any], pipes: Sequence[int] = ()) -> socket.socket:
    """Return a connection over which a question is on its way. Raises: OSError when nobody listens."""
    asked = socket.socket(socket.AF_UNIX)
    try:
        asked.settimeout(_SECONDS)
        asked.connect(place)
        socket.send_fds(asked, [kind], pipes)
        asked.sendall(json.dumps(message).encode() + b"\n")
    except OSError:
        asked.close()
        raise
    return asked


def run_nursery(listener: socket.socket) -> None:
    """Import, and answer questions until standard input closes."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # daemons that end are not waited for
    came_with = dict(os.environ)  # imports add to it
    import_now(_FIRST)
    poller = select.poll()
    poller.register(0, select.POLLIN)
    poller.register(listener, select.POLLIN)
    while 0 not in (ready := [number for number, _ in poller.poll()]):
        if ready:
            connection, _ = listener.accept()
            with suppress(OSError, ValueError, KeyError, TypeError), connection:
                connection.settimeout(_SECONDS)
                _answer(connection, listener, came_with)


def _answer(connection: socket.socket, listener: socket.socket, came_with: Mapping[str, str]) -> None:
    kind, pipes, _, _ = socket.recv_fds(connection, 1, len(_PIPES))
    try:
        with connection.makefile("rb") as lines:
            asked = json.loads(lines.readline())
        if kind == _IMPORT:
            import_now(asked["modules"])
        elif kind == _DAEMON and len(pipes) == len(_PIPES):
            is_alike = _fixed(asked["environ"]) == _fixed(came_with)
            connection.sendall(_YES if is_alike else _NO)
            if is_alike and not os.fork():
                listener.close()
                _become(asked, pipes, connection, came_with)
    finally:
        for pipe in pipes:
            os.close(pipe)


def _become(
    asked: Mapping[str, Any],
    pipes: Sequence[int],
    connection: socket.socket,
    came_with: Mapping[str, str],
) -> None:
    """Be the daemon that asked, once it says go, and never return; the connection ends with this process."""
    status = 1
    try:
        if connection.recv(1) == _GO:
            from jobs.spark.workers import serve_here

            for number, pipe in zip(_PIPES, pipes, strict=True):
                os.dup2(pipe, number)
            for name in came_with:
                os.environ.pop(name, None)
            os.environ.update(asked["environ"])
            os.chdir(asked["cwd"])
            sys.path[:], sys.argv[:] = asked["path"], asked["argv"]
            importlib.invalidate_caches()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            serve_here()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    finally:
        if sys.exc_info()[0] is not None:
            traceback.print_exc()
        os._exit(status)


def import_now(modules: Sequence[str]) -> None:
    """Import those of the modules that are there, and freeze what is imported."""
    for module in modules:
        with suppress(ImportError):  # the task that needs it says so
            importlib.import_module(module)
    gc.collect()
    gc.freeze()  # the collector passes it over, and pages stay shared


def _fixed(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that have done their work when a process is up."""
    return {key: value for key, value in environ.items() if key == "PYTHONHASHSEED" or not key.startswith(_FREE)}


if __name__ == "__main__":
    try:
        with socket.socket(fileno=int(sys.argv[1])) as inherited:
            run_nursery(inherited)
    finally:
        shutil.rmtree(sys.argv[2], ignore_errors=True)
