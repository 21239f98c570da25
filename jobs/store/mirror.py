"""A workspace whose home is an object store: a folder of this machine mirrors it, and stages work in the folder.

Under the lease, which stands on the remote, the folder is brought up to date: what is no more on the remote goes, the
small files (manifests, histories, pointers) are read; tables, versions and caches come when a stage asks for them, each
file checked against its manifest. What a stage has made is written as soon as it is complete: files first, then the
manifest; of a version its files, its manifest, the history, and ``CURRENT`` last. So whoever reads the remote sees a
table or a version whole or not at all, and every other mirror starts from the same bytes.

Caches are files that are only added and, when they are compacted or pruned, replaced; a list beside them
(``synced.json``) tells a file that is new here from one that was deleted there, so that a mirror that slept does not
bring back the dead. Answers of reviewers are files that are only added, under the hash of what they hold: both sides
get the union, without the lease, since no two writers can mean different things by one name. Logs go along; what is
unfinished (scratch, training checkpoints) stays on this machine.

Known weakness: stores differ in what they guarantee for the lease. Amazon S3, Google and Azure create a file only where
there is none; others may let two processes in, and a holder that is dead is replaced by overwriting. So the lease is
read again a moment after it was taken, and before everything that is written; a process that has lost it writes
nothing more. What is left is a window of one request.
"""

from __future__ import annotations

import fcntl
import json
import re
import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from jobs.store.files import write_atomic, write_json
from jobs.store.layout import (
    CACHE_FILE,
    CARD,
    CROISSANT,
    MANIFEST,
    MIRROR_LOCK,
    OUTPUT,
    PUBLICATIONS,
    PUSHING,
    RELEASE,
    REVIEW,
    RUN,
    SMALL,
    SYNCED,
    VERSION_MANIFEST,
    cache_folder,
    list_caches,
    list_datasets,
    list_outputs,
    list_small_files,
    list_versions,
    reviews_folder,
    runs_folder,
)
from jobs.store.lease import REMOTE_BEAT, REMOTE_EXPIRES, Lease
from jobs.store.manifest import SMALL_BYTES, parse_manifest, parse_version_manifest, resolve_below
from jobs.store.object_store import Remote
from jobs.store.remote_lease import RemoteSlot
from schemas.errors import EngineError, ShardError
from schemas.names import is_plain_name


class Mirror:
    """The folder that stands for a remote workspace, and what goes to and fro."""

    def __init__(self, remote: Remote, path: Path) -> None:
        """Nothing is read until the workspace is held, or looked at."""
        self.remote, self.path = remote, path
        self._there: dict[str, int] = {}  # what the remote holds, as far as we know: nobody else writes
        self._said: dict[str, bytes] = {}  # the small files as they stand there
        self._lease: Lease | None = None
        self._since = 0.0

    @property
    def uri(self) -> str:
        """The workspace's URI."""
        return self.remote.uri

    @contextmanager
    def hold(self, command: str) -> Iterator[None]:
        """Hold the remote's lease: the folder is brought up to date before, and the remote after.

        What failed pushes no version and moves no pointer; what was computed for the caches is kept all the same.
        """
        with Lease(RemoteSlot(self.remote), command, REMOTE_BEAT, REMOTE_EXPIRES) as lease, self._lock(fcntl.LOCK_EX):
            self._lease, self._since = lease, time.time()
            self.refresh()
            try:
                yield
                self.push()
            except BaseException:
                with suppress(EngineError):
                    self._push_caches()
                raise
            finally:
                with suppress(EngineError):
                    self._push_logs()
                self._lease = None

    def look(self) -> None:
        """Bring the folder up to date for a reader; while a command on this machine holds it, it is so already."""
        try:
            with self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB):
                self.refresh()
        except BlockingIOError:
            self._there = self.remote.list()
            self._pull_reviews()

    @contextmanager
    def _lock(self, how: int) -> Iterator[None]:
        with (self.path / MIRROR_LOCK).open("ab") as guard:
            fcntl.flock(guard, how)
            yield

    # --- from the remote --------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Make the folder a part of the remote: drop what is gone there, read the small files.

        Raises: EngineError when either side cannot be read or written; ShardError when the remote holds what is no
            part of a workspace.
        """
        try:
            self._refresh()
        except OSError as error:  # a name too long, a file where a folder should be
            raise EngineError(
                f"{self.path} cannot mirror {self.uri} ({error.strerror}: {error.filename}); try deleting that folder"
            ) from error

    def _refresh(self) -> None:
        self._there = self.remote.list()
        small = {name: size for name, size in self._there.items() if SMALL.fullmatch(name)}
        for name, size in small.items():
            if size > SMALL_BYTES:
                raise ShardError(
                    f"{self.uri}/{name} must be at most {SMALL_BYTES:,} bytes, got {size:,}; try deleting it"
                )
        self._said = self.remote.read(list(small))
        versions = [home for dataset in list_datasets(self.path) for home in sorted(dataset.glob("*/"))]
        for homes, name in ((list_outputs(self.path), MANIFEST), (versions, VERSION_MANIFEST)):
            for home in homes:
                known = self._said.get(f"{self._name(home)}/{name}")
                pushing = _bytes(home / PUSHING)
                if pushing is not None and known is None:
                    continue  # complete, and on its way when it stopped
                if pushing is not None and known == pushing:
                    (home / PUSHING).replace(home / name)  # it had arrived
                if known is None or _bytes(home / name) != known:
                    shutil.rmtree(home, ignore_errors=True)
        for path in list_small_files(self.path):
            if self._name(path) not in self._said:
                path.unlink()
        for name, content in self._said.items():
            if _bytes(self.path / name) != content:
                path = resolve_below(self.path, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(path, content)
        for folder in list_caches(self.path):
            self._forget(folder)
        self._pull_reviews()

    def _forget(self, folder: Path) -> None:
        """Drop the files of a cache that were deleted or replaced on the remote since both sides met."""
        known = _read_synced(folder)
        for name, size in list(known.items()):
            path = folder / name
            if self._there.get(self._name(path)) != size:
                del known[name]
                if path.is_file() and path.stat().st_size == size:
                    path.unlink()
        _note(folder, known)

    def pull_output(self, home: Path, name: str) -> None:
        """Read the files of one complete output. Raises: EngineError when one is damaged or gone."""
        manifest = parse_manifest((home / MANIFEST).read_bytes(), f"{self.uri}/{self._name(home)}/{MANIFEST}")
        self._pull(home / name, manifest["outputs"].get(name, {"files": []})["files"])

    def pull_version(self, home: Path) -> None:
        """Read the files of a published version. Raises: EngineError when one is damaged or gone."""
        prefix = self._name(home)
        manifest = parse_version_manifest(
            (home / VERSION_MANIFEST).read_bytes(), f"{self.uri}/{prefix}/{VERSION_MANIFEST}"
        )
        self._pull(home, manifest["files"])
        others = [f"{prefix}/{name}" for name in (CARD, CROISSANT)]  # its manifest follows from the files alone
        wanted = [name for name in others if name in self._there and not (self.path / name).is_file()]
        self.remote.get(dict.fromkeys(wanted), self.path)

    def _pull(self, home: Path, files: Collection[Mapping[str, Any]]) -> None:
        wanted = {
            file["path"]: file["sha256"]
            for file in files
            if not (path := home / file["path"]).is_file() or path.stat().st_size != file["bytes"]
        }
        self.remote.get({f"{self._name(home)}/{name}": digest for name, digest in wanted.items()}, self.path)

    def pull_caches(self) -> None:
        """Read what the caches have there and not here; a file that was deleted here stays so."""
        folders: dict[Path, list[str]] = {}
        for name in self._there:
            if CACHE_FILE.fullmatch(name):
                folders.setdefault((self.path / name).parent, []).append(name)
        for folder, names in folders.items():
            known = _read_synced(folder)
            wanted = [
                name for name in names if not (self.path / name).is_file() and name.rpartition("/")[2] not in known
            ]
            self.remote.get(dict.fromkeys(wanted), self.path)
            _note(folder, known | {name.rpartition("/")[2]: self._there[name] for name in wanted})

    def _pull_reviews(self) -> None:
        """Read the answers that are there and not here; their reader holds each against its name."""
        wanted = [name for name in self._there if REVIEW.fullmatch(name) and not (self.path / name).is_file()]
        self.remote.get(dict.fromkeys(wanted), self.path)

    # --- to the remote ----------------------------------------------------------------------------------------------

    def push(self) -> None:
        """Write what is new or gone in caches, runs and versions; ``CURRENT`` is the last."""
        self.push_reviews()
        self._push_caches()
        self._push_small(RUN)
        for home in [home for dataset in list_datasets(self.path) for home in list_versions(dataset)]:
            self._push_version(home)
        self._push_small(PUBLICATIONS)

    def push_reviews(self) -> None:
        """Write the answers that are here alone: each under a name that means it, so without the lease."""
        here = {self._name(path): path for path in sorted(reviews_folder(self.path).glob("*"))}
        for name, path in here.items():
            if REVIEW.fullmatch(name) and name not in self._there:
                self.remote.write(name, path.read_bytes())
                self._there[name] = path.stat().st_size

    def push_output(self, home: Path) -> None:
        """Write a stage output that is complete here, its manifest last; before it what it stands on."""
        self.push()
        manifest = parse_manifest((home / PUSHING).read_bytes(), home / PUSHING)
        files = {
            f"{self._name(home / output)}/{file['path']}": home / output / file["path"]
            for output, facts in manifest["outputs"].items()
            for file in facts["files"]
        }
        self.delete(home)  # of an attempt that was killed, or of an output that is built again
        self._put(files)
        self._say(f"{self._name(home)}/{MANIFEST}", (home / PUSHING).read_bytes())

    def delete(self, home: Path) -> None:
        """Delete a directory on the remote; it loses its manifest before its files."""
        names = [name for name in self._there if name.startswith(f"{self._name(home)}/")]
        if names:
            self._check()
            self.remote.delete(
                sorted(names, key=lambda name: not name.endswith((f"/{MANIFEST}", f"/{VERSION_MANIFEST}")))
            )
            for name in names:
                del self._there[name]
                self._said.pop(name, None)

    def orphans(self) -> list[Path]:
        """Return the directories that a killed command left on the remote: outputs and versions without a manifest."""
        found = {
            match.group() + (MANIFEST if pattern is OUTPUT else VERSION_MANIFEST)
            for pattern in (OUTPUT, RELEASE)
            for name in self._there
            if (match := pattern.match(name))
        }
        return sorted((self.path / name).parent for name in found if name not in self._there)

    def measure(self, home: Path) -> tuple[int, int]:
        """Return files and bytes of a directory on the remote."""
        sizes = self.list_sizes(home)
        return len(sizes), sum(sizes.values())

    def list_sizes(self, home: Path) -> dict[str, int]:
        """Return the bytes of every file of a directory on the remote, by names relative to it."""
        prefix = f"{self._name(home)}/"
        return {name.removeprefix(prefix): size for name, size in self._there.items() if name.startswith(prefix)}

    def _push_version(self, home: Path) -> None:
        """Write a version that is not there, or not as its manifest says; the manifest last."""
        content = _bytes(home / VERSION_MANIFEST)
        if content is None:
            return
        prefix, listed = self._name(home), parse_version_manifest(content, home / VERSION_MANIFEST)["files"]
        is_whole = all(self._there.get(f"{prefix}/{file['path']}") == file["bytes"] for file in listed)
        is_here = all((home / file["path"]).is_file() for file in listed)  # of most versions only the manifest is
        if not is_here or (self._said.get(f"{prefix}/{VERSION_MANIFEST}") == content and is_whole):
            return
        files = {self._name(path): path for path in sorted(home.rglob("*")) if path.is_file()}
        self._put({name: path for name, path in files.items() if name != f"{prefix}/{VERSION_MANIFEST}"})
        self._say(f"{prefix}/{VERSION_MANIFEST}", content)

    def _push_small(self, which: re.Pattern[str]) -> None:
        """Write the small files of one kind that have changed, and delete those that are gone; CURRENT after all."""
        found = {name: path for path in list_small_files(self.path) if which.fullmatch(name := self._name(path))}
        for name in sorted(found, key=lambda name: (name.endswith("/CURRENT"), name)):
            content = found[name].read_bytes()
            if self._said.get(name) != content:
                self._say(name, content)
        gone = [name for name in self._said if which.fullmatch(name) and name not in found]
        if gone:
            self._check()
            self.remote.delete(gone)
            for name in gone:
                del self._there[name], self._said[name]

    def _push_caches(self) -> None:
        """Write the files that are new or replaced here, then delete those that were compacted or pruned away."""
        here = [
            path for path in sorted(cache_folder(self.path).glob("*/*/*")) if CACHE_FILE.fullmatch(self._name(path))
        ]
        self._put({self._name(path): path for path in here if not self._is_there(path)})
        for folder in sorted({*(path.parent for path in here), *list_caches(self.path)}):
            gone = [
                name
                for each in _read_synced(folder)
                if not (folder / each).is_file() and (name := self._name(folder / each)) in self._there
            ]
            if gone:
                self._check()
                self.remote.delete(gone)
                for name in gone:
                    del self._there[name]
            _note(folder, {path.name: path.stat().st_size for path in here if path.parent == folder})

    def _push_logs(self) -> None:
        logs = [
            path
            for path in sorted(runs_folder(self.path).glob("*/**/*"))
            if path.is_file() and (path.stat().st_mtime >= self._since or not self._is_there(path))
        ]
        self._put(
            {
                name: path
                for path in logs
                if not RUN.fullmatch(name := self._name(path)) and not path.name.startswith(".")
            }
        )

    def _put(self, files: Mapping[str, Path]) -> None:
        if files:
            self._check()
            self.remote.put(files)
            self._there |= {name: path.stat().st_size for name, path in files.items()}

    def _say(self, name: str, content: bytes) -> None:
        self._check()
        self.remote.write(name, content)
        self._there[name], self._said[name] = len(content), content

    def _check(self) -> None:
        """Refuse to write without the lease. Raises: EngineError when another process has taken it."""
        if self._lease is None:
            raise EngineError(f"{self.uri} must be held to be written to; try the same command again")
        self._lease.check()

    def _name(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix()

    def _is_there(self, path: Path) -> bool:
        return path.is_file() and self._there.get(self._name(path)) == path.stat().st_size


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _read_synced(folder: Path) -> dict[str, int]:
    """Return the sizes of the files that both sides had, when they last met; nothing where the list is torn."""
    try:
        found = json.loads((folder / SYNCED).read_bytes())
    except (OSError, ValueError):
        return {}
    told = found.items() if isinstance(found, dict) else ()
    return {name: size for name, size in told if is_plain_name(name) and type(size) is int}


def _note(folder: Path, sizes: Mapping[str, int]) -> None:
    """Note which files of a cache both sides have."""
    if sizes != _read_synced(folder):
        write_json(folder / SYNCED, sizes)
