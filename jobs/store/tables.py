"""Where stage outputs live: fingerprinted directories that exist for readers once their manifest does.

    <workspace>/tables/<stage>/<fingerprint>/<table or artefact>/...
    <workspace>/tables/<stage>/<fingerprint>/_manifest.json      written last, by rename

A stage that breaks half-way leaves a directory without a manifest: no reader sees it, the next run clears it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from jobs.store.files import describe_files, file_sha256, list_files, write_json
from jobs.store.layout import MANIFEST, PUSHING, output_folder
from jobs.store.manifest import parse_manifest, read_small
from schemas.errors import EngineError, ShardError


class Backing(Protocol):
    """What stands behind a workspace whose home is elsewhere; the workspace's folder mirrors it."""

    @property
    def uri(self) -> str:
        """The workspace's URI."""
        ...

    def hold(self, command: str) -> AbstractContextManager[None]:
        """Hold the lease of the workspace: the folder is brought up to date before, and the other side after."""
        ...

    def look(self) -> None:
        """Bring the folder up to date for a reader."""
        ...

    def push_output(self, home: Path) -> None:
        """Write a stage output that is complete here."""
        ...

    def pull_output(self, home: Path, name: str) -> None:
        """Read the files of one complete output."""
        ...

    def pull_version(self, home: Path) -> None:
        """Read the files of a published version."""
        ...

    def pull_caches(self) -> None:
        """Read what the caches have there and not here."""
        ...

    def push_reviews(self) -> None:
        """Write the answers of reviewers that are here alone; needs no lease."""
        ...

    def delete(self, home: Path) -> None:
        """Delete a directory there."""
        ...

    def orphans(self) -> list[Path]:
        """Return the directories that a killed command left there."""
        ...

    def measure(self, home: Path) -> tuple[int, int]:
        """Return files and bytes of a directory there."""
        ...

    def list_sizes(self, home: Path) -> dict[str, int]:
        """Return the bytes of every file of a directory there, by names relative to it."""
        ...


class Store:
    """The tables of one workspace, on a local or mounted file system; with a mirror, that of a remote one."""

    def __init__(self, workspace: Path, mirror: Backing | None = None) -> None:
        """Open (and if need be make) the workspace."""
        self.workspace, self.mirror = workspace, mirror
        self._verified: set[Path] = set()

    def home(self, stage: str, fingerprint: str) -> Path:
        """Return the directory of one stage output."""
        return output_folder(self.workspace, stage, fingerprint)

    def manifest(self, stage: str, fingerprint: str) -> dict[str, Any] | None:
        """Return the manifest, or None when the output is not complete.

        Raises: ShardError when the manifest cannot be read, or names what is no part of the output.
        """
        path = self.home(stage, fingerprint) / MANIFEST
        try:
            content = read_small(path)
        except OSError as error:
            raise ShardError(f"{path} is damaged ({error}); try deleting that directory and building again") from error
        return None if content is None else parse_manifest(content, path)

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
        """Return the directory of an output, its files on this machine: a remote workspace's come when asked for.

        Raises: ShardError when the directory of a complete output holds a file that is no part of it.
        """
        home, manifest = self.home(stage, fingerprint), self.manifest(stage, fingerprint)
        if manifest and name in manifest["outputs"]:
            if self.mirror:
                self.mirror.pull_output(home, name)
            refuse_foreign(home / name, manifest["outputs"][name]["files"])
        return home / name

    def open(self, stage: str, fingerprint: str, name: str) -> Path:
        """Return the directory of one complete output, its files checked against the manifest once per process.

        Raises: ShardError when it is missing, incomplete or damaged, or holds a file that is no part of it.
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


def refuse_foreign(home: Path, files: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a directory that holds what its manifest does not name: readers open whatever lies there.

    Raises: ShardError that names the file.
    """
    named = {file["path"] for file in files}
    for found in list_files(home):
        if found.relative_to(home).as_posix() not in named:
            raise ShardError(
                f"{home} must hold the files that {MANIFEST} names and no others, got {found.relative_to(home)}; "
                "try moving that file elsewhere"
            )
