"""Numbered lines of bytes from a stream, none of them longer than a limit, and how a line becomes a record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO

from pipeline.ingest.config import SourceConfig
from pipeline.ingest.units import Unit
from pipeline.readers.records import RAW_LIMIT, Record

# text, bytes, path, number of the line, source
Parser = Callable[[str, bytes, str, int, SourceConfig], Record | None]


def split_lines(handle: IO[bytes], unit: Unit, limit: int, end: int | None) -> Iterator[tuple[int, bytes, int]]:
    """Yield number, bytes and size of each line up to the offset ``end``; of a line over the limit the beginning."""
    number, position = unit.line, unit.start
    while (end is None or position < end) and (line := handle.readline(limit + 1)):
        size = len(line)
        if size > limit:
            tail = line
            while not tail.endswith(b"\n") and (tail := handle.readline(1 << 20)):
                size += len(tail)
            line = line[:RAW_LIMIT]
        position += size
        yield number, line, size
        number += 1
