"""One writer a workspace: a lease that its holder renews, and that expires when the holder is dead.

    <workspace>/lease.json      who holds it (host, pid, command), since when, and a beat that counts up while it lives

No two clocks are ever compared. A holder on this machine is dead when its process is gone; any other is dead when the
file stays as it is for ``EXPIRES`` seconds of the watcher's own monotonic clock. So a wall clock that jumps, here or
there, neither frees a workspace nor blocks it.
Known weakness: renewing and taking over are guarded by ``flock``; on a mounted file system without it, two processes
that wait for the same dead holder may both believe they got the lease until the next beat, when one of them stops.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from jobs.store.files import write_json
from jobs.store.layout import LEASE, LEASE_GUARD
from schemas.errors import EngineError

BEAT, EXPIRES = 5.0, 60.0  # seconds, of a workspace on a file system
REMOTE_BEAT, REMOTE_EXPIRES = 15.0, 90.0  # of one on an object store, where every beat is a request that is paid for
LEASE_BYTES = 1 << 16  # what is longer is no lease of ours
_POLL = 0.2
_STOP = signal.SIGUSR1  # not SIGINT: a shell has the jobs that a script starts with ``&`` ignore that one


class Lease:
    """The right to write to a workspace; a context manager."""

    def __init__(self, workspace: Path | Slot, command: str, beat: float = BEAT, expires: float = EXPIRES) -> None:
        """Prepare a lease of the workspace; it is taken when the context is entered. ``command`` says what for."""
        self._slot: Slot = _Folder(workspace) if isinstance(workspace, Path) else workspace
        self._beat, self._expires = beat, expires
        self._token = secrets.token_hex(8)
        self._facts = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "command": command,
            "since": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
            "token": self._token,
            "machine": machine(),
            "started": process_start(os.getpid()),
        }
        self._done = threading.Event()
        self._thief: str | None = None
        self._main = threading.main_thread().ident or threading.get_ident()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def __enter__(self) -> Self:
        """Take the lease. Raises: EngineError that says who holds it, since when."""
        try:
            watched = self._take(None)
            if watched is not None:
                self._wait(watched)
        except OSError as error:
            raise EngineError(
                f"cannot write to {self._slot}: {error.strerror or error}; try another --workspace"
            ) from error
        if threading.get_ident() == self._main:
            signal.signal(_STOP, signal.default_int_handler)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back. Raises: EngineError when another process had taken it meanwhile."""
        self._done.set()
        self._thread.join()
        with suppress(OSError, EngineError), self._slot.guard():
            if _token_of(self._slot.read()) == self._token:
                self._slot.remove()
        if self._thief is not None:
            raise self._lost() from value

    def check(self) -> None:
        """Look whether the lease is still held. Raises: EngineError when another process has taken it."""
        found = self._slot.read()
        if _token_of(found) != self._token:
            self._thief = _thief_of(found)
            raise self._lost()

    def _take(self, watched: bytes | None) -> bytes | None:
        """Take the lease if it is free, if its holder's process is gone, or if it still is what was ``watched``.

        Out:  None when it is taken, otherwise what a holder elsewhere wrote, to be watched.
        Raises: EngineError when a process on this machine holds it.
        """
        with self._slot.guard():
            found = self._slot.read()
            if found is not None and found != watched:
                holder = _facts_of(found)
                if holder.get("machine") != self._facts["machine"] or None in (holder.get("pid"), holder["machine"]):
                    return found
                if process_start(int(holder["pid"])) == holder.get("started"):
                    raise self._refusal(holder)
            if self._slot.take({**self._facts, "beat": 0}, found):
                return None
            return self._slot.read() or b""  # another was quicker

    def _wait(self, watched: bytes) -> None:
        """Watch a holder on another machine: refuse when it shows a sign of life, take over when it shows none."""
        holder = _describe(_facts_of(watched))
        sys.stderr.write(f"pairwright: {self._slot} is held by {holder}; waiting for a sign of life\n")
        until = time.monotonic() + self._expires
        while time.monotonic() < until:
            time.sleep(self._slot.poll)
            found = self._slot.read()
            if found is None:  # given back
                break
            if found != watched:
                raise self._refusal(_facts_of(found))
        lost = self._take(watched)
        if lost is not None:
            raise self._refusal(_facts_of(lost))

    def _renew(self) -> None:
        """Count up the beat until the lease is given back; stop the main thread when another took it."""
        beat = 0
        while not self._done.wait(self._beat):
            beat += 1
            with suppress(OSError, EngineError):  # a full disk or network must not end a build: it beats again
                with self._slot.guard():
                    found = self._slot.read()
                    if _token_of(found) == self._token:
                        self._slot.write({**self._facts, "beat": beat})
                        continue
                self._thief = _thief_of(found)
                signal.pthread_kill(self._main, _STOP)
                return

    def _refusal(self, holder: dict[str, Any]) -> EngineError:
        return EngineError(
            f"workspace {self._slot} must be free, got one held by {_describe(holder)}; try again when it has ended"
        )

    def _lost(self) -> EngineError:
        return EngineError(f"the lease of {self._slot} was lost: {self._thief}; try again when that has ended")


class Slot(Protocol):
    """Where a lease stands; ``str()`` of it names the workspace. Methods that fail raise OSError or EngineError."""

    poll: float  # seconds between two looks at it

    def read(self) -> bytes | None:
        """Return what stands there, None for nothing."""
        ...

    def take(self, facts: Mapping[str, Any], found: bytes | None) -> bool:
        """Write the lease where ``found`` was read; return whether it is ours now."""
        ...

    def write(self, facts: Mapping[str, Any]) -> None:
        """Write our own lease again."""
        ...

    def remove(self) -> None:
        """Delete our own lease."""
        ...

    def guard(self) -> AbstractContextManager[None]:
        """Make reading and writing one step, where that is known."""
        ...


class _Folder:
    """The slot of a workspace on a local or mounted file system."""

    poll = _POLL

    def __init__(self, workspace: Path) -> None:
        self._workspace, self._path = workspace, workspace / LEASE

    def __str__(self) -> str:
        return str(self._workspace)

    def read(self) -> bytes | None:
        try:
            with self._path.open("rb") as handle:
                return handle.read(LEASE_BYTES)
        except FileNotFoundError:
            return None

    def take(self, facts: Mapping[str, Any], found: bytes | None) -> bool:  # noqa: ARG002 -- the guard is enough
        self.write(facts)
        return True

    def write(self, facts: Mapping[str, Any]) -> None:
        write_json(self._path, facts)

    def remove(self) -> None:
        self._path.unlink()

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Make reading and writing the lease one step, where the file system knows ``flock``."""
        with (self._workspace / LEASE_GUARD).open("ab") as guard:
            with suppress(OSError):
                fcntl.flock(guard, fcntl.LOCK_EX)
            yield


def machine() -> str | None:
    """Return what tells this machine, since its last start, from every other; None where it cannot be told.

    Containers count their processes on their own, so the process namespace is part of it.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{socket.gethostname()} {boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return None


def process_start(pid: int) -> str | None:
    """Return when a process of this machine started, in ticks since boot; None when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def _facts_of(found: bytes) -> dict[str, Any]:
    """Return what a lease says; nothing where a crash of the machine, or a stranger, left it unreadable."""
    try:
        facts = json.loads(found)
    except (ValueError, RecursionError):
        facts = None
    told = {name: value for name, value in facts.items() if type(value) in (str, int)} if type(facts) is dict else {}
    if type(told.get("pid")) is not int:
        told.pop("pid", None)
    return {"machine": None, **told}


def _token_of(found: bytes | None) -> str | None:
    return None if found is None else _facts_of(found).get("token")


def _thief_of(found: bytes | None) -> str:
    return "it was deleted" if found is None else f"taken by {_describe(_facts_of(found))}"


def _describe(holder: dict[str, Any]) -> str:
    names = ("host", "pid", "command", "since")
    facts = {name: "".join(filter(str.isprintable, str(holder.get(name, "unknown"))))[:80] for name in names}
    return f"{facts['host']}, process {facts['pid']} ({facts['command']}), since {facts['since']}"
