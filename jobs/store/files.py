"""Files: one way to write one whole, one digest, and what a directory of them holds."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import pyarrow.compute as pc
import pyarrow.dataset as ds

from jobs.store.layout import MANIFEST

_CHUNK = 1 << 20


@contextmanager
def open_atomic(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing of which a reader sees nothing, or what was there before, until all is on the disk."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    with suppress(OSError):  # some mounted file systems sync no directory
        sync(path.parent)


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write a file so that a reader sees the old one or the whole new one; text is UTF-8."""
    with open_atomic(path) as handle:
        handle.write(content.encode() if isinstance(content, str) else content)


def write_json(path: Path, value: object) -> None:
    """Write JSON so that a reader sees the old file or the whole new one."""
    write_atomic(path, json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def sync(path: Path) -> None:
    """Bring a file or a directory onto the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def digest_of(value: object) -> str:
    """Return a 32-digit hash of plain JSON data."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, read in chunks."""
    found = hashlib.sha256()
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()


def directory_digest(path: Path) -> str:
    """Return a hash over names and contents of every file below a directory: the identity of a model.

    A process reads the files once, for as long as none is replaced.
    """
    return _directory_digest(path, directory_stamp(path))


@functools.lru_cache(maxsize=32)
def _directory_digest(path: Path, _: object) -> str:
    files = [(file.relative_to(path).as_posix(), file_sha256(file)) for file in list_files(path)]
    return digest_of(files)


def directory_stamp(path: Path) -> tuple[tuple[str, int, int, int], ...]:
    """Return names, sizes and times of the files below a directory: a quick sign that one of them was replaced.

    A copy may bring its time of writing along; the time at which its entry changed it cannot.
    """
    found = ((file, file.stat()) for file in list_files(path))
    return tuple(
        (file.relative_to(path).as_posix(), facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
        for file, facts in found
    )


def list_files(path: Path) -> Iterator[Path]:
    """Yield the data files below a directory, in order; Spark's markers and checksum twins are no data."""
    for file in sorted(path.rglob("*")):
        if file.is_file() and not file.name.startswith((".", "_SUCCESS")) and file.name != MANIFEST:
            yield file


def describe_files(home: Path) -> list[dict[str, Any]]:
    """Return path, bytes and SHA-256 of the data files below a directory."""
    return [
        {"path": file.relative_to(home).as_posix(), "bytes": file.stat().st_size, "sha256": file_sha256(file)}
        for file in list_files(home)
    ]


def count_rows(path: Path, with_reasons: bool) -> dict[str, Any]:
    """Return the rows of a Parquet directory, and for tables with a drop_reason the count of each ("kept" = null)."""
    found = ds.dataset(path, format="parquet")
    if not with_reasons:
        return {"rows": found.count_rows()}
    reasons: dict[str, int] = {}
    for batch in found.to_batches(columns=["drop_reason"]):
        for pair in pc.value_counts(batch.column(0)).to_pylist():
            name = pair["values"] or "kept"
            reasons[name] = reasons.get(name, 0) + int(pair["counts"])
    return {"rows": sum(reasons.values()), "reasons": dict(sorted(reasons.items()))}
