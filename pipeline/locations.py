"""Where files are: paths of this machine, and URIs of any file system that fsspec knows (S3, GCS, Azure, HDFS, HTTP).

Errors of every backend become one line of ours. A file that cannot be read for lack of a network or of credentials is
a failure, not a reject: the documents in it are not bad.
Settings and credentials are the backend's own (for S3 ``AWS_PROFILE``, ``AWS_ACCESS_KEY_ID``), or fsspec's
(``FSSPEC_S3_ENDPOINT_URL``); none of them stands in a recipe.
"""

from __future__ import annotations

import io
import os
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import quote_from_bytes, unquote_to_bytes

from schemas.errors import EngineError, PairwrightError, RecipeError, rule

_BUFFER = 1 << 20
_LONGEST_PART = 255  # bytes of a file's name on all common file systems
_LONGEST_NAME = 200  # so that our own endings fit behind it
_NO_NAME = frozenset(
    '/\\:*?"<>|[]{}=%#^'
)  # a file system, or Hadoop's globs, URIs and partitions, take them for theirs
_JOINERS = "\u200c\u200d"  # letters of Persian and of Indic scripts look otherwise without them
_PACKAGES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "az": "adlfs",
}
_BYTES = "bytes:"  # before the location of a file whose name is no UTF-8; other locations begin with / or a scheme
_DENIED = ("credential", "denied", "forbidden", "unauthorized", "signature", "401", "403")


def faults_of_name(field: str, name: str) -> list[str]:
    """Return why a name cannot be that of one folder, here and in every file system and store that Spark writes to."""
    must_be = "one folder's name: letters, digits, spaces and - _ . inside"
    if not name.strip():
        return [rule(field, must_be, name)]
    if len(name.encode("utf-8", "surrogatepass")) > _LONGEST_NAME:
        return [rule(field, f"at most {_LONGEST_NAME} bytes of UTF-8, for it names a folder", name)]
    if name[0] in "._ " or name[-1] in ". " or any(sign in _NO_NAME or _is_invisible(sign) for sign in name):
        plain = "".join("-" if sign in _NO_NAME or _is_invisible(sign) else sign for sign in name).strip("-._ ")
        return [rule(field, must_be, name, plain or "another name")]
    return []


def name_folder(text: str) -> str:
    """Return a name that can be a folder's, the text itself where it can."""
    if text and not faults_of_name("", text):
        return text
    plain = "".join("-" if sign in _NO_NAME or _is_invisible(sign) else sign for sign in text)
    return plain.encode("utf-8", "ignore")[:_LONGEST_NAME].decode("utf-8", "ignore").strip("-._ ") or "unnamed"


def faults_of_domain(field: str, domain: str) -> list[str]:
    """Return why a domain cannot be one: levels parted by slashes, each of them a name to read."""
    levels = domain.split("/")
    is_sound = all(level.strip() and level.strip() not in (".", "..") for level in levels)
    if len(domain.encode("utf-8", "surrogatepass")) > _LONGEST_NAME:
        return [rule(field, f"at most {_LONGEST_NAME} bytes of UTF-8, for it names a folder", domain)]
    if is_sound and not any(map(_is_invisible, domain)):
        return []
    return [rule(field, "levels parted by /, none of them empty, . or ..", domain)]


def faults_of_path(field: str, path: str) -> list[str]:
    """Return why a path, or a URI, can name nothing."""
    if "\0" in path:
        return [rule(field, "a path without NUL characters", path)]
    if not is_uri(path) and any(len(os.fsencode(part)) > _LONGEST_PART for part in path.split("/") if _encodes(part)):
        return [rule(field, f"a path whose parts have at most {_LONGEST_PART} bytes", path)]
    if path.startswith("~"):
        try:
            Path(path).expanduser()
        except RuntimeError:
            return [rule(field, "a path, and ~NAME a user of this machine", path, "the whole path")]
    return [] if _encodes(path) else [rule(field, "a path in characters that can be written", path)]


def _encodes(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


def _is_invisible(sign: str) -> bool:
    return unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") and sign not in _JOINERS


def is_uri(place: str) -> bool:
    """Return whether a place is named by a URI."""
    return "://" in place


def location_of(path: Path) -> str:
    """Return the location of a local file, as text that tables can hold whatever bytes are in its name."""
    name = str(path.resolve())
    return name if _is_utf8(name) else _BYTES + quote_from_bytes(os.fsencode(name))


def local_path(location: str) -> str:
    """Return what the system opens of the location of a local file."""
    if location.startswith(_BYTES):
        return os.fsdecode(unquote_to_bytes(location.removeprefix(_BYTES)))
    return location


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def open_file_system(uri: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URI and the path in it. Raises: RecipeError, EngineError."""
    import fsspec  # here, so that local files do not wait for it
    from fsspec.registry import known_implementations

    kind = uri.partition("://")[0]
    try:
        system, path = fsspec.core.url_to_fs(uri)
    except ImportError as error:
        need = known_implementations.get(kind, {}).get("err", str(error))
        way_out = f"; try: pip install {_PACKAGES[kind]}" if kind in _PACKAGES else ""
        raise EngineError(f"{uri} cannot be opened: {need}{way_out}") from error
    except ValueError as error:
        raise RecipeError(rule("place", "a path, or s3://, gs://, abfs://, hdfs://", uri)) from error
    except Exception as error:
        raise remote_trouble(uri, "opened", error) from error
    return system, str(path)


@contextmanager
def name_trouble(place: str, what: str) -> Iterator[None]:
    """Turn whatever a backend raises into one line that names the place and the way out."""
    try:
        yield
    except PairwrightError:
        raise
    except Exception as error:
        raise remote_trouble(place, what, error) from error


def remote_trouble(place: str, what: str, error: Exception) -> EngineError:
    """Return the error of a place that cannot be reached, or not with these credentials."""
    said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    if isinstance(error, PermissionError) or any(word in said.lower() for word in _DENIED):
        way_out = (
            "try its credentials: for s3 AWS_PROFILE or AWS_ACCESS_KEY_ID, and FSSPEC_S3_ENDPOINT_URL for "
            "another endpoint"
        )
    else:
        way_out = "try again when it can be reached"
    return EngineError(f"{place} cannot be {what} ({said}); {way_out}")


def open_location(location: str) -> IO[bytes]:
    """Open a file for reading, wherever it is; memory holds a few megabytes of it.

    Raises: OSError for a local file, EngineError for a remote one; so does what is read from it.
    """
    if is_uri(location):
        return cast("IO[bytes]", io.BufferedReader(_RemoteFile(location), _BUFFER))
    return open(local_path(location), "rb")  # noqa: PTH123 -- Path.open costs as much as reading a small file


def parquet_place(location: str) -> str | IO[bytes]:
    """Return what pyarrow opens: a local path as it is, which it reads by itself."""
    return open_location(location) if is_uri(location) or location.startswith(_BYTES) else location


class _RemoteFile(io.RawIOBase):
    """A file of an fsspec file system, whose troubles are ours."""

    def __init__(self, location: str) -> None:
        self._location = location
        system, path = open_file_system(location)
        with name_trouble(location, "read"):
            self._file = system.open(path, "rb")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        with name_trouble(self._location, "read"):
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
