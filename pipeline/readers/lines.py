"""Files of lines: how a large one is cut into spans, its numbered lines, and how lines become records.

Memory holds one line, however large the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO, Any

from pipeline.locations import open_location
from pipeline.readers.compression import PACKED, PackError, open_unit
from pipeline.readers.config import EncodedConfig
from pipeline.readers.format import Part, whole_file
from pipeline.readers.records import (
    EMPTY_FILE,
    NUL_BYTES,
    RAW_LIMIT,
    REJECT,
    WRONG_ENCODING,
    Record,
    reject,
    too_large,
    unreadable,
    wrong_encoding,
)
from pipeline.readers.unit import SourceFile, Unit

SPAN = 16 << 20
_BLOCK = 1 << 20
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
IS_UTF_16 = "the file is in UTF-16, which does not extend ASCII; try saving it as UTF-8"
ENDS_WITH_RETURN = "lines must end with a newline, not with a carriage return alone; try converting the file"

# text, bytes, path, number of the line, source
Parser = Callable[[str, bytes, str, int, Any], Record | None]


class HeaderError(Exception):
    """A header row that cannot name the columns; ``reason`` is the code of the reject."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def cut_lines(file: SourceFile) -> Iterator[Part]:
    """Yield spans of a large file that is not packed; a row must be a line, always (a CSV row may be many)."""
    if file.size > SPAN and not file.path.lower().endswith(PACKED):
        yield from line_spans(file.location, file.size, SPAN)
    else:
        yield from whole_file(file)


def line_spans(location: str, size: int, span: int) -> Iterator[Part]:
    """Yield spans of whole lines, at least ``span`` bytes each but the last, with the number of their first line."""
    with open_location(location) as handle:
        start, line, position, lines = 0, 1, 0, 0
        while position < size:
            block = handle.read(_BLOCK)
            if not block:
                break
            wanted = start + span - position  # the first newline at or after this place ends the span
            cut = block.find(b"\n", max(0, wanted)) if wanted < len(block) else -1
            if cut >= 0:
                position += cut + 1
                handle.seek(position)
                lines += block.count(b"\n", 0, cut + 1)
                yield Part(start, position, line, position - start)
                start, line, lines = position, line + lines, 0
            else:
                position += len(block)
                lines += block.count(b"\n")
    if start < position:
        yield Part(start, position, line, position - start)


def read_lines(
    unit: Unit,
    source: EncodedConfig,
    open_parser: Callable[[Unit, Any], Parser],
) -> Iterator[Record]:
    """Yield the records of a span of lines.

    ``open_parser`` returns what turns a line of the unit into a record; it may raise HeaderError, PackError, OSError.
    """
    if unit.size == 0:
        yield reject(unit.path, 0, EMPTY_FILE, "the file is empty")
        return
    number = unit.line - 1
    try:
        parse = open_parser(unit, source)
        with open_unit(unit, source) as handle:
            packed = unit.path.lower().endswith(PACKED)
            for number, line, size in split_lines(handle, unit, source.max_bytes, None if packed else unit.end):
                if number == 1 and line[:2] in UTF_16_MARKS:
                    raise HeaderError(WRONG_ENCODING, IS_UTF_16)
                if size > source.max_bytes:
                    yield too_large(unit.path, number, source, line)
                elif b"\0" in line:
                    yield reject(unit.path, number, NUL_BYTES, "the line holds NUL bytes; is it text?", line)
                elif line.strip():
                    yield from _decoded(parse, line, unit.path, number, source)
        if number < unit.line:
            yield reject(unit.path, 0, EMPTY_FILE, "the packed file is empty")
    except HeaderError as error:
        if unit.line == 1:  # one reject a file, however many spans it has
            yield reject(unit.path, 0, error.reason, str(error))
    except PackError as error:
        yield reject(unit.path, number + 1, error.reason, f"{error}; {number} lines were read before the break")
    except OSError as error:
        yield unreadable(unit.path, number + 1, error)


def begins_as_utf16(unit: Unit, source: EncodedConfig) -> bool:
    """Return whether the unit's file begins with the mark of UTF-16. Raises: OSError, PackError."""
    with open_unit(unit, source) as handle:
        return handle.read(2) in UTF_16_MARKS


def first_line(unit: Unit, source: EncodedConfig) -> str:
    """Return the first line of the unit's file, wherever the unit begins.

    Raises: HeaderError when it is in another encoding; OSError, PackError when it cannot be read.
    """
    with open_unit(unit, source) as handle:
        if unit.start:
            handle.seek(0)
        line = handle.readline(source.max_bytes)
    try:
        return line.decode(source.encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        said = f"the first line is not {source.encoding}: {error.reason}"
        raise HeaderError(WRONG_ENCODING, IS_UTF_16 if line[:2] in UTF_16_MARKS else said) from error


def _decoded(parse: Parser, line: bytes, path: str, number: int, source: EncodedConfig) -> Iterator[Record]:
    try:
        text = line.decode(source.encoding)
    except UnicodeDecodeError as error:
        yield wrong_encoding(path, number, source, error, line)
        return
    record = parse(text.removeprefix("\ufeff") if number == 1 else text, line, path, number, source)
    if record is not None:
        if record.kind == REJECT and b"\r" in line.rstrip(b"\r\n"):
            record.detail = f"{record.detail}; {ENDS_WITH_RETURN}"
        yield record


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
