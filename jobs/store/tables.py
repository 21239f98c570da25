"""Where stage outputs live: fingerprinted directories that exist for readers once their manifest does.

    <workspace>/tables/<stage>/<fingerprint>/<table or artefact>/...
    <workspace>/tables/<stage>/<fingerprint>/_manifest.json      written last, by rename

A stage that breaks half-way leaves a directory without a manifest: no reader sees it, the next run clears it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
import pyarrow.dataset as ds

from schemas.errors import EngineError, ShardError

if TYPE_CHECKING:
    from jobs.store.mirror import Mirror

MANIFEST, PUSHING = "_manifest.json", "_pushing.json"
_CHUNK = 1 << 20


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
    files = [(file.relative_to(path).as_posix(), file_sha256(file)) for file in _files(path)]
    return digest_of(files)


def directory_stamp(path: Path) -> tuple[tuple[str, int, int, int], ...]:
    """Return names, sizes and times of the files below a directory: a quick sign that one of them was replaced.

    A copy may bring its time of writing along; the time at which its entry changed it cannot.
    """
    found = ((file, file.stat()) for file in _files(path))
    return tuple(
        (file.relative_to(path).as_posix(), facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
        for file, facts in found
    )


def write_json(path: Path, value: object) -> None:
    """Write JSON so that a reader sees the old file or the whole new one."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with partial.open("w", encoding="utf-8") as handle:
        json.dump(value, handle, indent=1, sort_keys=True, ensure_ascii=False)
        handle.write("\n")
        handle.flush()
        os.fsync(handle.fileno())
    partial.replace(path)


def _files(path: Path) -> Iterator[Path]:
    """Yield the data files below a directory, in order; Spark's markers and checksum twins are no data."""
    for file in sorted(path.rglob("*")):
        if file.is_file() and not file.name.startswith((".", "_SUCCESS")) and file.name != MANIFEST:
            yield file


def describe_files(home: Path) -> list[dict[str, Any]]:
    """Return path, bytes and SHA-256 of the data files below a directory."""
    return [
        {"path": file.relative_to(home).as_posix(), "bytes": file.stat().st_size, "sha256": file_sha256(file)}
        for file in _files(home)
    ]


class Store:
    """The tables of one workspace, on a local or mounted file system; with a mirror, that of a remote one."""

    def __init__(self, workspace: Path, mirror: Mirror | None = None) -> None:
        """Open (and if need be make) the workspace."""
        self.workspace, self.mirror = workspace, mirror
        self._verified: set[Path] = set()

    def home(self, stage: str, fingerprint: str) -> Path:
        """Return the directory of one stage output."""
        return self.workspace / "tables" / stage / fingerprint

    def manifest(self, stage: str, fingerprint: str) -> dict[str, Any] | None:
        """Return the manifest, or None when the output is not complete.

        Raises: ShardError when the manifest cannot be read.
        """
        path = self.home(stage, fingerprint) / MANIFEST
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise ShardError(f"{path} is damaged ({error}); try deleting that directory and building again") from error
        return found

    def begin(self, stage: str, fingerprint: str) -> Path:
        """Return an empty directory for the outputs; what a broken run left there is cleared."""
        home = self.home(stage, fingerprint)
        try:
            if home.exists():
                shutil.rmtree(home)
            home.mkdir(parents=True)
        except OSError as error:
            raise EngineError(f"cannot write to {self.workspace}: {error.strerror}; try another --workspace") from error
        return home

    def abandon(self, stage: str, fingerprint: str) -> None:
        """Clear what an unfinished stage wrote; a finished one stays, also when it could not be pushed."""
        home = self.home(stage, fingerprint)
        if home.exists() and not any((home / name).exists() for name in (MANIFEST, PUSHING)):
            shutil.rmtree(home, ignore_errors=True)

    def commit(
        self, stage: str, fingerprint: str, outputs: Mapping[str, Mapping[str, Any]], about: Mapping[str, Any]
    ) -> None:
        """Write the manifest: from here on the outputs exist.

        ``outputs`` has an entry per table or artefact; files, bytes and checksums are added here.
        """
        home = self.home(stage, fingerprint)
        described = {name: {**facts, "files": describe_files(home / name)} for name, facts in outputs.items()}
        manifest = {"stage": stage, "fingerprint": fingerprint, "outputs": described, **about}
        write_json(home / (PUSHING if self.mirror else MANIFEST), manifest)
        self._push(home)

    def resume(self, stage: str, fingerprint: str) -> bool:
        """Push an output that was complete when its pushing broke off; return whether there was one."""
        home = self.home(stage, fingerprint)
        found = (home / PUSHING).is_file()
        if found:
            self._push(home)
        return found

    def _push(self, home: Path) -> None:
        if self.mirror:
            self.mirror.push_output(home)
            (home / PUSHING).replace(home / MANIFEST)

    def fetch(self, stage: str, fingerprint: str, name: str) -> Path:
        """Return the directory of an output, its files on this machine: a remote workspace's come when asked for."""
        home = self.home(stage, fingerprint)
        if self.mirror and (home / MANIFEST).is_file():
            self.mirror.pull_output(home, name)
        return home / name

    def open(self, stage: str, fingerprint: str, name: str) -> Path:
        """Return the directory of one complete output, its files checked against the manifest once per process.

        Raises: ShardError when it is missing, incomplete or damaged.
        """
        manifest = self.manifest(stage, fingerprint)
        home = self.home(stage, fingerprint) / name
        if manifest is None or name not in manifest["outputs"]:
            raise ShardError(f"{name} of stage {stage} is not built; try: pairwright build")
        if home not in self._verified:
            self.fetch(stage, fingerprint, name)
            for file in manifest["outputs"][name]["files"]:
                path = home / file["path"]
                if not path.is_file() or path.stat().st_size != file["bytes"] or file_sha256(path) != file["sha256"]:
                    raise ShardError(f"{path} is damaged or missing; try deleting {home.parent} and building again")
            self._verified.add(home)
        return home


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
