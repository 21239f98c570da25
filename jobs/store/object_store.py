"""A folder on an object store, or on any file system that fsspec knows, by its URI: its files, to and fro.

Object stores write a file at once or not at all; elsewhere a small file is written under another name and moved, so
that no reader sees half of it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from jobs.store.files import file_sha256
from jobs.store.manifest import resolve_below
from pipeline.locations import name_trouble, open_file_system
from schemas.errors import EngineError
from schemas.names import is_plain_path

MIRRORS = "PAIRWRIGHT_MIRRORS"
_WHOLE = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "memory"})  # a write is seen whole or not at all


class Remote:
    """The files below a URI, by their names relative to it."""

    def __init__(self, uri: str) -> None:
        """Open the file system; nothing is read yet. Raises: RecipeError, EngineError."""
        self.uri = uri.rstrip("/")
        self._fs, root = open_file_system(self.uri)
        self._root = root.rstrip("/")
        names = {self._fs.protocol} if isinstance(self._fs.protocol, str) else set(self._fs.protocol)
        self._whole = bool(names & _WHOLE)

    def list(self) -> dict[str, int]:
        """Return the bytes of every file that has a plain path below the URI; others are not looked at."""
        with self._tell("read"):
            self._fs.invalidate_cache()
            try:
                found: Mapping[str, Any] = self._fs.find(self._root, detail=True)
            except FileNotFoundError:
                return {}
            # An object store may hold a marker for a folder: a name that ends in a slash, or the root itself.
            named = {path[len(self._root) :].removeprefix("/"): facts for path, facts in found.items()}
            return {name: int(facts["size"] or 0) for name, facts in named.items() if is_plain_path(name)}

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        """Return the content of small files."""
        if not names:
            return {}
        with self._tell("read"):
            paths = [self._at(name) for name in names]
            found = self._fs.cat(paths)
            return {name: found[path] for name, path in zip(names, paths, strict=True)}

    def look(self, name: str, most: int) -> bytes | None:
        """Return the content of one file as it is now, None where there is none; at most the first ``most`` bytes."""
        with self._tell("read"):
            self._fs.invalidate_cache(self._at(name))
            try:
                with self._fs.open(self._at(name), "rb") as handle:
                    return bytes(handle.read(most))
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes) -> None:
        """Write a small file that a reader sees whole."""
        path = self._at(name)
        with self._tell("written"):
            if self._whole:
                self._fs.pipe_file(path, content)
                return
            parent, _, last = path.rpartition("/")
            partial = f"{parent}/.{last}.{os.getpid()}"
            self._fs.makedirs(parent, exist_ok=True)
            self._fs.pipe_file(partial, content)
            self._fs.mv(partial, path)

    def create(self, name: str, content: bytes) -> bool:
        """Write a small file where there is none; return whether that was so, as far as the backend can tell."""
        with self._tell("written"):
            try:
                if not self._whole:
                    self._fs.makedirs(self._at(name).rpartition("/")[0], exist_ok=True)
                self._fs.pipe_file(self._at(name), content, mode="create")
            except FileExistsError:
                return False
            return True

    def put(self, files: Mapping[str, Path]) -> None:
        """Write files, many at a time; whoever reads while that goes on may see half of one."""
        if files:
            with self._tell("written"):
                self._fs.put([str(path) for path in files.values()], [self._at(name) for name in files])

    def get(self, files: Mapping[str, str | None], folder: Path) -> None:
        """Read files into a folder, each whole or not at all; ``files`` are SHA-256 by name where that is known.

        Raises: EngineError where a file is not what it should be; ShardError where a name leads out of the folder.
        """
        partial = {name: _partial(resolve_below(folder, name)) for name in files}
        try:
            if files:
                for path in partial.values():
                    path.parent.mkdir(parents=True, exist_ok=True)
                with self._tell("read"):
                    self._fs.get([self._at(name) for name in files], [str(path) for path in partial.values()])
            for name, digest in files.items():
                if digest is not None and file_sha256(partial[name]) != digest:
                    raise EngineError(
                        f"{self.uri}/{name} is damaged: its SHA-256 is not {digest}; try deleting the "
                        "folder that its manifest describes, and building again"
                    )
                partial[name].replace(folder / name)
        finally:
            for path in partial.values():
                path.unlink(missing_ok=True)

    def delete(self, names: Sequence[str]) -> None:
        """Delete files; one that is gone already is no error."""
        if names:
            with self._tell("written"):
                for name in names:
                    try:
                        self._fs.rm_file(self._at(name))
                    except FileNotFoundError:
                        continue

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _tell(self, what: str) -> AbstractContextManager[None]:
        return name_trouble(self.uri, what)


def mirror_folder(uri: str) -> Path:
    """Return the folder of this machine that stands for a URI: below $PAIRWRIGHT_MIRRORS, or the user's cache."""
    home = Path(os.environ.get(MIRRORS) or user_cache_path("pairwright") / "mirrors")
    return home / f"{uri.rstrip('/').rpartition('/')[2]}-{hashlib.sha256(uri.rstrip('/').encode()).hexdigest()[:12]}"


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")
