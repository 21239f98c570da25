"""Packed files as streams of bytes: gzip, bzip2 and zstd, told by the file's name.

Memory holds a megabyte, whatever a file unpacks to. A file that unpacks to more than 100 times its size, and to more
than the source allows (``max_unpacked``), is a bomb: reading stops there. Text that is worth training on packs ten
times, seldom twenty.
"""

from __future__ import annotations

import bz2
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa

from pipeline.locations import open_location
from pipeline.readers.config import ReaderConfig
from pipeline.readers.records import BOMB, BROKEN_BZIP2, BROKEN_GZIP, BROKEN_ZSTD
from pipeline.readers.unit import Unit

PACKED = (".gz", ".bz2", ".zst")
RATIO = 100
_BUFFER = 1 << 18
_PIECE = 1 << 16
_BROKEN = {".gz": BROKEN_GZIP, ".bz2": BROKEN_BZIP2, ".zst": BROKEN_ZSTD}
_OPEN: dict[str, Callable[[IO[bytes]], Any]] = {
    ".gz": lambda plain: gzip.GzipFile(fileobj=plain),
    ".bz2": bz2.BZ2File,
    ".zst": lambda plain: pa.CompressedInputStream(plain, "zstd"),
}


class PackError(Exception):
    """A packed file that is damaged or a bomb; ``reason`` is the code of the reject."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@contextmanager
def open_unit(unit: Unit, source: ReaderConfig) -> Iterator[IO[bytes]]:
    """Open a unit's file at its start, unpacked.

    Raises: OSError when the file cannot be read; reading raises PackError when it cannot be unpacked.
    """
    suffix = Path(unit.path).suffix.lower()
    with open_location(unit.location) as plain:
        plain.seek(unit.start)
        if suffix in _BROKEN:
            guarded = _Unpacked(plain, suffix, unit.size, source)
            yield cast("IO[bytes]", io.BufferedReader(guarded, _BUFFER))
        else:
            yield plain


class _Unpacked(io.RawIOBase):
    """The unpacked bytes of a file, as far as it is whole and no bomb."""

    def __init__(self, plain: IO[bytes], suffix: str, size: int, source: ReaderConfig) -> None:
        self._stream: Any = _OPEN[suffix](plain)
        self._broken = _BROKEN[suffix]
        self._most = max(source.max_unpacked, RATIO * size)
        self._bomb = (
            f"more than {RATIO} times its {size} bytes and more than {source.max_unpacked} bytes unpacked; "
            f"if it is sound, try sources.{source.name}.max_unpacked"
        )
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            # What is unpacked within one call is lost when the call meets a break: so read1(), and little at a time.
            data = self._stream.read1(min(len(buffer), _PIECE))
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise PackError(self._broken, str(error)) from error
        except OSError as error:
            if error.errno is not None:
                raise
            raise PackError(self._broken, str(error)) from error  # the way of bz2 and Arrow to say: damaged
        self._read += len(data)
        if self._read > self._most:
            raise PackError(BOMB, self._bomb)
        buffer[: len(data)] = data
        return len(data)
