"""What was published of a dataset, in which order, from which stage outputs, and what was withdrawn again.

    <workspace>/datasets/<name>/CURRENT         the version that readers take
    <workspace>/datasets/<name>/history.json    every version that CURRENT has named and that is still there

The history lies beside the versions, not in them: a version's bytes hold no clock and no path, a fingerprint depends on
both. A version that was rolled back is *withdrawn*: only a build asked for by hand makes it current again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jobs.store.files import write_json
from jobs.store.layout import CURRENT, HISTORY
from schemas.errors import ShardError


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
