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
from jobs.store.manifest import POINTER_BYTES, read_small
from schemas.errors import ShardError
from schemas.names import is_plain_name


@dataclass(frozen=True)
class Publication:
    """A version as the history has it; ``stages`` are the fingerprints that made it, ``at`` is for people alone."""

    version: str
    stages: Mapping[str, str]
    at: str
    withdrawn: bool = False


def current_version(home: Path) -> str | None:
    """Return the version that ``CURRENT`` names, None before the first. Raises: ShardError when it names none."""
    found = read_small(home / CURRENT, POINTER_BYTES)
    version = None if found is None else found.decode("utf-8", "replace").strip()
    if version is not None and not is_plain_name(version):
        raise ShardError(
            f"{home / CURRENT} must name a version, got {version[:80]!r}; try deleting it, then pairwright build RECIPE"
        )
    return version


def read_history(home: Path) -> list[Publication]:
    """Return the publications, oldest first. Raises: ShardError when the file is damaged."""
    try:
        content = read_small(home / HISTORY)
        found = [] if content is None else [_parse_publication(entry) for entry in json.loads(content)]
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ShardError(f"{home / HISTORY} is damaged ({error}); try deleting it, it forgets old versions") from error
    here = current_version(home)
    if here and here not in [entry.version for entry in found]:  # published before there was a history
        found.append(Publication(here, {}, ""))
    return found


def _parse_publication(entry: Mapping[str, Any]) -> Publication:
    """Return an entry of the history; what it names becomes folders. Raises: ValueError, TypeError, KeyError."""
    if not isinstance(entry, dict) or not isinstance(entry["stages"], dict):
        raise TypeError("an entry is a JSON object with its stages by name")
    found = Publication(entry["version"], dict(entry["stages"]), entry["at"], entry.get("withdrawn", False))
    for name in (found.version, *found.stages.keys(), *found.stages.values()):
        if not isinstance(name, str) or not is_plain_name(name):
            raise ValueError(f"{name!r} is no name of a version or of a stage output")
    if not isinstance(found.at, str) or not isinstance(found.withdrawn, bool):
        raise TypeError("at must be a text and withdrawn true or false")
    return found


def write_history(home: Path, entries: Sequence[Publication]) -> None:
    """Replace the history."""
    write_json(home / HISTORY, [asdict(entry) for entry in entries])


def is_withdrawn(home: Path, version: str) -> bool:
    """Return whether a version was rolled back and not published by hand since."""
    return any(entry.version == version and entry.withdrawn for entry in read_history(home))
