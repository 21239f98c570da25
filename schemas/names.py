"""What may become a file or a folder: names of recipes and sets, and paths that a manifest or a store tells."""

from __future__ import annotations

import unicodedata

NAME_BYTES = 200  # file systems take 255; a name gets a digest, a process id or a suffix besides
PLAIN_NAME = f"a plain file name: at most {NAME_BYTES} bytes, no slash, colon or control character, no dot at its start"
PATH_BYTES, PART_BYTES = 1024, 255


def is_plain_name(name: str) -> bool:
    """Return whether a name can be one folder or file, and the same one, wherever a workspace lies."""
    return (
        not _holds(name, "Cc", "Cf", "Cs", "Zl", "Zp")
        and not name.startswith(".")
        and name == name.strip()
        and 0 < len(name.encode("utf-8")) <= NAME_BYTES
        and not any(mark in name for mark in "/\\:")
    )


def is_plain_path(path: object) -> bool:
    """Return whether a path told by others leads to a place below the folder that it is relative to.

    No end of a path leads up or out: no ``..``, no root, no drive, no backslash, no control character, nothing that is
    empty or longer than a file system takes.
    """
    return (
        isinstance(path, str)
        and not _holds(path, "Cc", "Cs")
        and len(path.encode("utf-8")) <= PATH_BYTES
        and "\\" not in path
        and path[1:2] != ":"
        and all(part not in ("", ".", "..") and len(part.encode("utf-8")) <= PART_BYTES for part in path.split("/"))
    )


def _holds(text: str, *categories: str) -> bool:
    """Return whether a character is of one of these categories: a control, invisible, half of a surrogate pair."""
    return any(unicodedata.category(mark) in categories for mark in text)
