"""Versions of a dataset: put in place, made current, found again.

Files are written to a hidden sibling of the versions, audited, synced and renamed; only then ``CURRENT`` is replaced,
atomically. Whatever fails on the way leaves ``CURRENT`` and every version as they were.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jobs.release.history import Publication, current_version, is_withdrawn, read_history, write_history
from jobs.runtime.stage import Run
from jobs.runtime.workspace import Workspace
from jobs.store.files import digest_of, file_sha256, list_files, sync, write_atomic
from jobs.store.layout import CARD, CROISSANT, CURRENT, DATASET, POINTER, VERSION_MANIFEST, dataset_folder
from jobs.store.manifest import POINTER_BYTES, parse_names, parse_version_manifest, read_small
from jobs.store.tables import Backing
from schemas.errors import EngineError, ShardError

_VERSION_DIGITS = 16
_READ = ("stage", "eval/")  # folders in which readers open whatever is there
_WAY_OUT = "try another version, or pairwright build RECIPE, which publishes the latest again"


def publish_version(partial: Path, home: Path, version: str, stages: Mapping[str, str]) -> Path:
    """Put a version in place and point ``CURRENT`` at it; one that was rolled back does not become current by itself.

    Raises: EngineError when the file system refuses.
    """
    target = put_version(partial, home, version)
    if not is_withdrawn(home, version):
        make_current(home, version, stages)
    return target


def finish_publishing(run: Run) -> None:
    """Point ``CURRENT`` at the version that the stage ``publish`` put in place, unless it was rolled back.

    It comes after the stage's outputs exist: nothing that fails on the way there leaves ``CURRENT`` moved.
    """
    version = _version_at(run.workspace_dir, run.artefact(DATASET))
    if not is_withdrawn(version.parent, version.name):
        make_current(version.parent, version.name, run.fingerprints())


def put_version(partial: Path, home: Path, version: str) -> Path:
    """Move complete files to their version; one that is there already stays, unless it is damaged.

    Raises: EngineError when the file system refuses.
    """
    target = home / version
    try:
        for file in sorted(partial.rglob("*")):
            sync(file)
        if target.exists() and not is_sound(target):
            damaged = home / f".damaged-{version}"
            shutil.rmtree(damaged, ignore_errors=True)
            target.replace(damaged)
            shutil.rmtree(damaged, ignore_errors=True)
        if not target.exists():
            partial.replace(target)
            sync(home)
    except OSError as error:
        way_out = "try freeing space, then build again"
        raise EngineError(f"cannot publish to {target}: {error.strerror}; {way_out}") from error
    return target


def check_version(version: Path, deep: bool = True, mirror: Backing | None = None) -> None:
    """Hold a published version against its manifest: every file there, of its size and, with ``deep``, its SHA-256.

    Where shards and evaluation sets lie, a file that the manifest does not name is refused: readers open whatever is
    there. With a mirror the files may all be on the other side: there their sizes are looked at.
    Raises: ShardError that names the first file which is not as it should be.
    """
    manifest = read_manifest(version)
    there = _list_sizes(version) if mirror is None else mirror.list_sizes(version)
    wanted = {file["path"]: file["bytes"] for file in manifest["files"]}
    odd = [
        *(
            f"{name} of {there.get(name, 'no')} bytes, not {size}"
            for name, size in wanted.items()
            if there.get(name) != size
        ),
        *(f"{name}, which it does not name" for name in there if name not in wanted and name.startswith(_READ)),
    ]
    if deep and not odd:
        odd = [
            f"other bytes in {file['path']}"
            for file in manifest["files"]
            if (path := version / file["path"]).is_file() and file_sha256(path) != file["sha256"]
        ]
    if odd:
        raise ShardError(f"{version} must match its {VERSION_MANIFEST}, got {odd[0]}; {_WAY_OUT}")


def read_manifest(version: Path) -> dict[str, Any]:
    """Return the manifest of a published version. Raises: ShardError when it is not there, or not as it was written."""
    path = version / VERSION_MANIFEST
    try:
        content = read_small(path)
    except OSError as error:
        raise ShardError(f"{path} cannot be read ({error.strerror}); {_WAY_OUT}") from error
    if content is None:
        raise ShardError(f"{path} is missing; {_WAY_OUT}")
    manifest = parse_version_manifest(content, path)
    if "version" in manifest and not manifest["version"] == name_version(manifest) == version.name:
        raise ShardError(f"{path} must be as it was published: its digest is not {version.name}; {_WAY_OUT}")
    return manifest


def name_version(manifest: Mapping[str, Any]) -> str:
    """Return the name of a version: the digest of what its manifest says besides."""
    return digest_of({key: value for key, value in manifest.items() if key != "version"})[:_VERSION_DIGITS]


def _list_sizes(version: Path) -> dict[str, int]:
    return {path.relative_to(version).as_posix(): path.stat().st_size for path in list_files(version)}


def is_sound(version: Path) -> bool:
    """Return whether a published version has its descriptions and every file as its manifest says."""
    try:
        check_version(version)
    except (OSError, ShardError):
        return False
    return all((version / name).is_file() for name in (CARD, CROISSANT))


def make_current(home: Path, version: str, stages: Mapping[str, str]) -> None:
    """Point ``CURRENT`` at a version and note it as the latest; nothing is written when it is so already."""
    before = read_history(home)
    entry = Publication(version, dict(stages), datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    if current_version(home) == version and replace(before[-1], at=entry.at) == entry:
        return
    write_history(home, [*(each for each in before if each.version != version), entry])
    swap(home, version)


def swap(dataset: Path, version: str) -> None:
    """Replace ``CURRENT`` so that a reader sees the old version or the new one."""
    write_atomic(dataset / CURRENT, f"{version}\n")


def find_dataset(run: Run) -> Path:
    """Return the directory of the dataset version that the run's input stage ``publish`` made, every file as it was.

    Raises: ShardError when it has been deleted or is damaged.
    """
    version = run.fetch_version(_version_at(run.workspace_dir, run.source_of(DATASET)))
    check_version(version)
    return version


def find_published(workspace: Workspace) -> Path:
    """Return the directory of the version that this build published. Raises: ShardError when it has been deleted."""
    return _version_at(workspace.path, workspace.open_output("publish", DATASET))


def point_current(workspace: Workspace) -> Path:
    """Point ``CURRENT`` at the version that this build published, withdrawn or not, and return its directory.

    Raises: ShardError when CURRENT would move to a version that is damaged.
    """
    version = find_published(workspace)
    if current_version(version.parent) != version.name:
        check_version(version, mirror=workspace.store.mirror)
    make_current(version.parent, version.name, workspace.fingerprints("publish"))
    return version


def find_version(workspace: Path, artefact: Path) -> Path | None:
    """Return the directory of the version that an output of publish names, there or not; None where it names none.

    Raises: ShardError when it names no place below the datasets.
    """
    content = read_small(artefact / POINTER, POINTER_BYTES)
    if content is None:
        return None
    pointer = parse_names(content, artefact / POINTER)
    try:
        return dataset_folder(workspace, pointer["name"]) / pointer["version"]
    except KeyError as error:
        raise ShardError(f"{artefact / POINTER} must have {error}, got none; try deleting {artefact.parent}") from error


def _version_at(workspace: Path, artefact: Path) -> Path:
    version = find_version(workspace, artefact)
    if version is None or not (version / VERSION_MANIFEST).is_file():
        raise ShardError(
            f"{version or artefact / POINTER} is missing; try deleting {artefact.parent} and building again"
        )
    return version
