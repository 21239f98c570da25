"""The files that a URI names: one file, all below a folder, or what fits a glob."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.locations import name_trouble, open_file_system
from schemas.errors import EngineError

_MAGIC = frozenset("*?[")
# What stores call the checksum of a file, and the time of its last change; the first that there is counts.
_CHECKSUMS = ("ETag", "etag", "md5Hash", "content_md5", "crc32c", "checksum")
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "modified", "created")


@dataclass(frozen=True)
class RemoteFile:
    """A file on a remote; ``path`` is relative to the folder asked for, or to what a glob's hits have in common."""

    path: str
    location: str
    size: int
    identity: str


def list_remote(uri: str) -> tuple[list[RemoteFile], bool]:
    """Return the files in order of their paths, and whether the URI names a folder; none where there is nothing.

    Cost: one listing, no file is read.
    Raises: EngineError when the place cannot be reached, RecipeError for a URI that no package understands.
    """
    system, path = open_file_system(uri.rstrip("/"))
    is_folder = False
    with name_trouble(uri, "read"):
        system.invalidate_cache()
        try:
            if _MAGIC & set(path):
                found = system.glob(path, detail=True)
            else:
                facts = system.info(path)
                is_folder = facts["type"] == "directory"
                found = system.find(path, detail=True) if is_folder else {path: facts}
        except FileNotFoundError:
            found = {}
    files = {name: facts for name, facts in found.items() if facts["type"] != "directory" and not name.endswith("/")}
    base = path if is_folder else posixpath.commonpath([posixpath.dirname(name) for name in files]) if files else ""
    listed = [_file(system, name, facts, posixpath.relpath(name, base or ".")) for name, facts in sorted(files.items())]
    return listed, is_folder


def _file(system: Any, name: str, facts: Mapping[str, Any], path: str) -> RemoteFile:
    location = str(system.unstrip_protocol(name))
    if facts.get("size") is None:
        raise EngineError(f"{location} does not tell its size; try fetching it first")
    said = next((facts[key] for key in (*_CHECKSUMS, *_TIMES) if facts.get(key)), None)
    if said is None:
        raise EngineError(f"{location} tells neither a checksum nor when it changed; try fetching it first")
    return RemoteFile(path, location, int(facts["size"]), f"{said} {facts['size']}")
