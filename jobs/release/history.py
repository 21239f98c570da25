"""What was published of a dataset, in which order, from which stage outputs, and what was withdrawn again.

    <workspace>/datasets/<name>/CURRENT         the version that readers take
    <workspace>/datasets/<name>/history.json    every version that CURRENT has named and that is still there

The history lies beside the versions, not in them: a version's bytes hold no clock and no path, a fingerprint depends on
both. A version that was rolled back is *withdrawn*: only a build asked for by hand makes it current again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jobs.store.tables import write_json
from schemas.errors import RecipeError, ShardError

CURRENT, HISTORY = "CURRENT", "history.json"


@dataclass(frozen=True)
class Publication:
    """A version as the history has it; ``stages`` are the fingerprints that made it, ``at`` is for people alone."""

    version: str
    stages: Mapping[str, str]
    at: str
    withdrawn: bool = False


def current_version(home: Path) -> str | None:
    """Return the version that ``CURRENT`` names, None before the first."""
    try:
        return (home / CURRENT).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None


def read_history(home: Path) -> list[Publication]:
    """Return the publications, oldest first. Raises: ShardError when the file is damaged."""
    try:
        found: list[dict[str, Any]] = json.loads((home / HISTORY).read_text(encoding="utf-8"))
    except FileNotFoundError:
        found = []
    except (OSError, ValueError) as error:
        raise ShardError(f"{home / HISTORY} is damaged ({error}); try deleting it, it forgets old versions") from error
    here = current_version(home)
    if here and here not in [entry["version"] for entry in found]:  # published before there was a history
        found.append({"version": here, "stages": {}, "at": ""})
    return [Publication(**entry) for entry in found]


def write_history(home: Path, entries: Sequence[Publication]) -> None:
    """Replace the history."""
    write_json(home / HISTORY, [asdict(entry) for entry in entries])


def is_withdrawn(home: Path, version: str) -> bool:
    """Return whether a version was rolled back and not published by hand since."""
    return any(entry.version == version and entry.withdrawn for entry in read_history(home))


def make_current(home: Path, version: str, stages: Mapping[str, str]) -> None:
    """Point ``CURRENT`` at a version and note it as the latest; nothing is written when it is so already."""
    before = read_history(home)
    entry = Publication(version, dict(stages), datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    if current_version(home) == version and replace(before[-1], at=entry.at) == entry:
        return
    write_history(home, [*(each for each in before if each.version != version), entry])
    swap(home, version)


def roll_back(home: Path, to: str | None = None) -> tuple[str, str]:
    """Point ``CURRENT`` at the version published before, or at ``to``; what came after it is withdrawn.

    Out:  the version that was current, and the one that is.
    Raises: RecipeError when there is no such version.
    """
    here = current_version(home)
    there = [entry for entry in read_history(home) if (home / entry.version / "manifest.json").is_file()]
    names = [entry.version for entry in there]
    if here is None or here not in names:
        raise RecipeError(f"{home} must have a current version, got {here}; try: pairwright build RECIPE")
    earlier = [entry.version for entry in there[: names.index(here)] if not entry.withdrawn]
    if to is None and not earlier:
        raise RecipeError(f"{home} must have a version published before {here}, got none; try --to VERSION")
    target = to or earlier[-1]
    if target not in names:
        raise RecipeError(f"--to must be one of {', '.join(names)}, got {target!r}")
    place = names.index(target)
    # The history first: a crash before the swap leaves a rollback to be repeated, not one that a nightly undoes.
    write_history(
        home,
        [replace(entry, withdrawn=at > place or (entry.withdrawn and at < place)) for at, entry in enumerate(there)],
    )
    swap(home, target)
    return here, target


def swap(home: Path, version: str) -> None:
    """Replace ``CURRENT`` so that a reader sees the old version or the new one."""
    pointer = home / f".{CURRENT}.{os.getpid()}"
    pointer.write_text(f"{version}\n", encoding="utf-8")
    sync(pointer)
    pointer.replace(home / CURRENT)
    sync(home)


def sync(path: Path) -> None:
    """Bring a file or a directory onto the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
