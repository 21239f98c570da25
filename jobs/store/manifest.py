"""What is read from a workspace that others may write to: manifests and pointers, believed only in their own form.

Whoever may write to a folder or a bucket may put any text there. So a file is not read beyond what such a file may
hold, names in it are plain paths below the place that it describes, and whatever else it says is an error in one line
that names the file and the way out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas.errors import ShardError
from schemas.names import is_plain_name, is_plain_path

SMALL_BYTES = 1 << 28  # a manifest has some 200 bytes a file
POINTER_BYTES = 1 << 16  # a lease, CURRENT, a pointer


def read_small(path: Path, most: int = SMALL_BYTES) -> bytes | None:
    """Return the content of a small file, None where there is none.

    Raises: ShardError when it is larger than such a file can be; OSError.
    """
    try:
        with path.open("rb") as handle:
            found = handle.read(most + 1)
    except FileNotFoundError:
        return None
    if len(found) > most:
        raise ShardError(f"{path} must be at most {most:,} bytes, got more; try deleting it")
    return found


def parse_object(content: bytes, where: object) -> dict[str, Any]:
    """Return the JSON object of a file. Raises: ShardError that names it."""
    try:
        found = json.loads(content)
        if not isinstance(found, dict):
            raise TypeError(f"a JSON object is wanted, got {type(found).__name__}")
    except (ValueError, TypeError, RecursionError) as error:
        raise ShardError(
            f"{where} is damaged ({str(error)[:200]}); try deleting that directory and building again"
        ) from error
    return found


def parse_manifest(content: bytes, where: object) -> dict[str, Any]:
    """Return the manifest of a stage output: ``outputs`` by name, each with its ``files``. Raises: ShardError."""
    found = parse_object(content, where)
    outputs = found.get("outputs")
    if not isinstance(outputs, dict) or not all(isinstance(facts, dict) for facts in outputs.values()):
        raise _refusal(where, "outputs by name", outputs)
    for name, facts in outputs.items():
        if not is_plain_path(name):
            raise _refusal(where, "outputs by plain names", name)
        check_files(facts.get("files"), where)
    return found


def parse_version_manifest(content: bytes, where: object) -> dict[str, Any]:
    """Return the manifest of a published version, with its ``files``. Raises: ShardError."""
    found = parse_object(content, where)
    check_files(found.get("files"), where)
    return found


def parse_names(content: bytes, where: object) -> dict[str, str]:
    """Return a JSON object of plain names alone: fingerprints by stage, a pointer. Raises: ShardError."""
    found = parse_object(content, where)
    for pair in found.items():
        if not all(isinstance(each, str) and is_plain_name(each) for each in pair):
            raise _refusal(where, "plain names alone", dict([pair]))
    return found


def read_names(path: Path) -> dict[str, str]:
    """Return what a small file of plain names holds, as :func:`parse_names`. Raises: ShardError."""
    try:
        content = read_small(path)
    except OSError as error:
        raise ShardError(f"{path} cannot be read ({error.strerror}); try building again") from error
    return parse_names(b"" if content is None else content, path)


def check_files(files: object, where: object) -> None:
    """Look whether a list of files names plain paths below its folder, with bytes and SHA-256. Raises: ShardError."""
    if not isinstance(files, list):
        raise _refusal(where, "a list of files", files)
    for file in files:
        if not isinstance(file, Mapping) or not is_plain_path(file.get("path")):
            raise _refusal(
                where, "files by plain paths below its folder", file.get("path") if isinstance(file, Mapping) else file
            )
        if type(file.get("bytes")) is not int or not isinstance(file.get("sha256"), str):
            raise _refusal(where, "bytes and sha256 of every file", file)


def resolve_below(folder: Path, name: str) -> Path:
    """Return where a file told by others lies below a folder.

    Raises: ShardError when that is no plain path, or a symbolic link leads out of the folder.
    """
    path = folder / name
    if not is_plain_path(name):
        raise _refusal(folder, "files by plain paths", name)
    if not path.parent.resolve().is_relative_to(folder.resolve()) or path.is_symlink():
        raise ShardError(f"{path} must lie below {folder}, got a symbolic link on the way; try deleting that link")
    return path


def _refusal(where: object, rule: str, got: object) -> ShardError:
    shown = repr(got)
    return ShardError(
        f"{where} must name {rule}, got {shown[:120]}; try deleting the folder that it describes, and building again"
    )
