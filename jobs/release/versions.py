"""Versions of a dataset: put in place, made current, found again.

Files are written to a hidden sibling of the versions, audited, synced and renamed; only then ``CURRENT`` is replaced,
atomically. Whatever fails on the way leaves ``CURRENT`` and every version as they were.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from jobs.release.history import Publication, current_version, is_withdrawn, read_history, write_history
from jobs.runtime.stage import Run
from jobs.runtime.workspace import Workspace
from jobs.store.files import file_sha256, sync, write_atomic
from jobs.store.layout import CARD, CROISSANT, CURRENT, DATASET, POINTER, VERSION_MANIFEST, dataset_folder
from schemas.errors import EngineError, ShardError


def publish_version(partial: Path, home: Path, version: str, stages: Mapping[str, str]) -> Path:
    """Move complete files to their version and point ``CURRENT`` at it; a version that is there already stays.

    A version that was rolled back does not become current by itself.

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
        if not is_withdrawn(home, version):
            make_current(home, version, stages)
    except OSError as error:
        way_out = "try freeing space, then build again"
        raise EngineError(f"cannot publish to {target}: {error.strerror}; {way_out}") from error
    return target


def is_sound(version: Path) -> bool:
    """Return whether every file of a published version is as its manifest says."""
    try:
        files = json.loads((version / VERSION_MANIFEST).read_text(encoding="utf-8"))["files"]
        described = all((version / name).is_file() for name in (CARD, CROISSANT))
        return described and all(file_sha256(version / file["path"]) == file["sha256"] for file in files)
    except (OSError, ValueError, KeyError):
        return False


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
    """Return the directory of the dataset version that the run's input stage ``publish`` made.

    Raises: ShardError when it has been deleted.
    """
    return run.fetch_version(_version_at(run.workspace_dir, run.source_of(DATASET)))


def find_published(workspace: Workspace) -> Path:
    """Return the directory of the version that this build published. Raises: ShardError when it has been deleted."""
    return _version_at(workspace.path, workspace.open_output("publish", DATASET))


def point_current(workspace: Workspace) -> Path:
    """Point ``CURRENT`` at the version that this build published, withdrawn or not, and return its directory."""
    version = find_published(workspace)
    make_current(version.parent, version.name, workspace.fingerprints("publish"))
    return version


def _version_at(workspace: Path, artefact: Path) -> Path:
    pointer = json.loads((artefact / POINTER).read_text(encoding="utf-8"))
    version = dataset_folder(workspace, str(pointer["name"])) / str(pointer["version"])
    if not (version / VERSION_MANIFEST).is_file():
        raise ShardError(f"{version} is missing; try deleting {artefact.parent} and building again")
    return version
