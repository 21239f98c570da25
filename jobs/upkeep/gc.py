"""What no current build and no kept version needs is removed, and what that frees is said.

Kept are: the stage outputs of the latest build of every recipe in the workspace (``runs/<recipe>/stages.json``), those
that the given recipes would use as they stand now, the latest versions of each given recipe's dataset, every version of
any other dataset, and the stage outputs that made those versions. The caller holds the workspace's lease, so whatever
is unfinished is dead.

The caches then forget the texts that no stage output holds any more (``jobs/upkeep/prune_caches.py``): with
``--keep 1`` nothing of an erased document is left.

A stage output loses its manifest before its files, a version is renamed before it is deleted: no reader sees a part.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs.release.history import current_version, read_history, write_history
from jobs.release.versions import check_version, find_version
from jobs.runtime.workspace import Workspace
from jobs.store.layout import (
    DATASET,
    JOURNALS,
    LEFT_BY_PUBLISH,
    MANIFEST,
    SCORES,
    SHOTS,
    TEACHERS,
    TRAINING,
    VECTORS,
    VERSION_MANIFEST,
    cache_folder,
    dataset_folder,
    datasets_folder,
    list_builds,
    list_datasets,
    list_outputs,
    list_versions,
    output_folder,
    runs_folder,
    scratch_folder,
)
from jobs.store.manifest import read_names
from jobs.store.tables import Backing
from jobs.upkeep.prune_caches import prune_caches
from schemas.errors import EngineError, RecipeError, ShardError, rule

KEEP = 7
VERSION, OUTPUT, LEFTOVER = "versions", "stage outputs", "leftovers"


@dataclass(frozen=True)
class Garbage:
    """A file or a directory that nothing needs."""

    kind: str
    path: Path
    files: int
    bytes: int


def find_garbage(workspaces: Sequence[Workspace], keep: int = KEEP) -> list[Garbage]:
    """Return what can go from the workspace that the recipes share; ``keep`` versions a recipe stay, and CURRENT.

    Raises: RecipeError when ``keep`` is below 1.
    """
    if keep < 1:
        raise RecipeError(rule("--keep", "at least 1", keep))
    root, mirror = workspaces[0].path, workspaces[0].store.mirror
    builds: list[Mapping[str, str]] = [
        *map(read_names, list_builds(root)),
        *(place.fingerprints("evaluate") for place in workspaces),
    ]
    artefacts = [output_folder(root, "publish", build.get("publish", "none")) / DATASET for build in builds]
    needed = {version for artefact in artefacts if (version := find_version(root, artefact))}
    old: set[Path] = set()
    for place in workspaces:
        old |= set(_find_old_versions(dataset_folder(root, place.recipe.name), keep, mirror)[0]) - needed
    for home in list_datasets(root):
        builds += [entry.stages for entry in read_history(home) if home / entry.version not in old]
    kept = {(stage, fingerprint) for build in builds for stage, fingerprint in build.items()}
    unfinished = [] if mirror is None else [path for path in mirror.orphans() if not path.exists()]
    return [
        _measure(kind, path, mirror)
        for kind, path in [
            *((VERSION, path) for path in sorted(old)),
            *((OUTPUT, path) for path in list_outputs(root) if (path.parent.name, path.name) not in kept),
            *((LEFTOVER, path) for path in [*_find_leftovers(root, kept), *unfinished]),
        ]
    ]


def remove_garbage(found: Iterable[Garbage], mirror: Backing | None = None) -> None:
    """Delete it. Raises: EngineError when the file system refuses; what is left is found again the next time."""
    for each in found:
        try:
            if mirror is not None:
                mirror.delete(each.path)
            _remove(each)
        except OSError as error:
            raise EngineError(f"cannot delete {each.path}: {error.strerror}; try again as its owner") from error


def describe_garbage(found: Sequence[Garbage], root: Path, dry: bool) -> list[str]:
    """Return the lines for the terminal: one for each thing, then the sum."""
    lines = [
        f"{each.kind:<14} {each.path.relative_to(root)}  {size_text(each.bytes)}, {each.files} files" for each in found
    ]
    kinds = [
        f"{kind} {count}" for kind in (VERSION, OUTPUT, LEFTOVER) if (count := sum(each.kind == kind for each in found))
    ]
    what = f" ({', '.join(kinds)}; {sum(each.files for each in found):,} files)" if kinds else ""
    return [*lines, f"{'would free' if dry else 'freed'} {size_text(sum(each.bytes for each in found))}{what}"]


def size_text(size: float) -> str:
    """Return a number of bytes for a person."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


def _find_old_versions(home: Path, keep: int, mirror: Backing | None) -> tuple[list[Path], list[str]]:
    """Return the versions beyond the ``keep`` latest, never CURRENT, and what is wrong with those that stay.

    One of no history is older than those in it. A version that is damaged stays, and does not count: what could take
    its place must not go meanwhile.
    """
    order = [entry.version for entry in read_history(home)]
    there = [path for path in list_versions(home) if (path / VERSION_MANIFEST).is_file()]
    current = current_version(home)
    latest_first = sorted(
        there,
        key=lambda path: (path.name == current, order.index(path.name) if path.name in order else -1, path.name),
        reverse=True,
    )
    whole, old, faults = 0, [], []
    for path in latest_first:
        if whole >= keep and path.name != current:
            old.append(path)
            continue
        try:
            check_version(path, deep=False, mirror=mirror)
            whole += 1
        except ShardError as error:
            faults.append(f"{error}; it does not count among the {keep} to keep")
    return old, faults


def _find_leftovers(root: Path, kept: set[tuple[str, str]]) -> list[Path]:
    """Return what unfinished work left: of stages, of publishing, of training, of files that were being replaced."""
    fingerprints = {fingerprint for _, fingerprint in kept}
    return sorted(
        [
            *(
                path
                for path in list_outputs(root)
                if (path.parent.name, path.name) in kept and not (path / MANIFEST).is_file()
            ),
            *scratch_folder(root).glob("*"),
            *(
                path
                for kind in (VECTORS, SCORES, JOURNALS, TEACHERS, SHOTS)
                for pattern in (".*", "*/.*")
                for path in cache_folder(root, kind).glob(pattern)
            ),
            *(path for name in LEFT_BY_PUBLISH for path in datasets_folder(root).glob(f"*/{name}")),
            *(path for path in cache_folder(root, TRAINING).glob("*") if path.name not in fingerprints),
            *(path for name in (".*.json.*", "*/.*.json.*") for path in runs_folder(root).glob(name)),
        ]
    )


def _measure(kind: str, path: Path, mirror: Backing | None) -> Garbage:
    there = (0, 0) if mirror is None else mirror.measure(path)
    if there[0]:
        return Garbage(kind, path, *there)
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    return Garbage(kind, path, len(files), sum(file.lstat().st_size for file in files))


def _remove(each: Garbage) -> None:
    path = each.path
    if each.kind == VERSION and path.exists():
        home, version = path.parent, path.name
        path = path.replace(home / f".removed-{version}")
        write_history(home, [entry for entry in read_history(home) if entry.version != version])
    if not path.exists() and not path.is_symlink():
        return  # it was on the remote alone
    if path.is_dir() and not path.is_symlink():
        (path / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(path)
    else:
        path.unlink()


def run_gc(workspaces: Sequence[Workspace], keep: int, dry: bool) -> list[str]:
    """Do what the command line asks for and return the lines to print."""
    found, root = find_garbage(workspaces, keep), workspaces[0].path
    if not dry:
        remove_garbage(found, workspaces[0].store.mirror)
    homes = [dataset_folder(root, place.recipe.name) for place in workspaces]
    return [
        *(fault for home in homes for fault in _find_old_versions(home, keep, workspaces[0].store.mirror)[1]),
        *_prune(workspaces, {each.path for each in found}, dry),
        *describe_garbage(found, root, dry),
    ]


def _prune(workspaces: Sequence[Workspace], gone: set[Path], dry: bool) -> list[str]:
    """Prune the caches, unless a build that may go on has filled them for tables that are still to come."""
    store, root = workspaces[0].store, workspaces[0].path
    if store.mirror:
        store.mirror.pull_caches()
    if not any(cache_folder(root, kind).is_dir() for kind in (VECTORS, SCORES, JOURNALS)):
        return []
    open_builds = [place.recipe.name for place in workspaces if place.manifest("publish") is None]
    if open_builds:
        return [f"the caches are left as they are: {', '.join(open_builds)} is not built as the recipe stands now"]
    return prune_caches(workspaces[0].spark(), store, gone, dry)
