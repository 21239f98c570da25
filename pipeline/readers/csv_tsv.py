"""The readers of CSV and TSV files.

``csv`` follows RFC 4180: quoted cells may hold delimiters, doubled quotes and line breaks. Of a row that breaks these
rules the first line alone is rejected, and reading goes on with the next one: an opening quote that is never closed
costs one line. ``tsv`` has one row a line and no quotes, so that large files can be cut into spans.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from typing import IO

from pipeline.readers.compression import PackError, open_unit
from pipeline.readers.config import ReaderConfig
from pipeline.readers.fields import names_of, read_row
from pipeline.readers.format import Format
from pipeline.readers.lines import HeaderError, Parser, cut_lines, read_lines, split_lines
from pipeline.readers.records import (
    EMPTY_FILE,
    MISSING_FIELD,
    NOT_CSV,
    NUL_BYTES,
    WRONG_COLUMNS,
    WRONG_ENCODING,
    Record,
    reject,
    too_large,
    unreadable,
)
from pipeline.readers.unit import Unit

_SHOWN = 20


def read_tsv(unit: Unit, source: ReaderConfig) -> Iterator[Record]:
    """Yield the documents of a span of lines."""
    return read_lines(unit, source, open_rows)


def open_rows(unit: Unit, source: ReaderConfig, columns: tuple[str, ...] = ()) -> Parser:
    """Return what turns a line of tab-separated cells into a document; every span knows the header.

    Raises: HeaderError when the header is of no use; OSError, PackError when it cannot be read.
    """
    given = columns or source.columns
    names = given or _header(unit, source)
    check_header(names, source)

    def parse(text: str, line: bytes, path: str, number: int, source: ReaderConfig) -> Record | None:
        cells = text.rstrip("\r\n").split("\t")
        return None if number == 1 and not given else row_record(names, cells, source, path, number, line)

    return parse


def _header(unit: Unit, source: ReaderConfig) -> tuple[str, ...]:
    """Return the cells of the file's first line, wherever the unit begins."""
    with open_unit(unit, source) as handle:
        if unit.start:
            handle.seek(0)
        line = handle.readline(source.max_bytes)
    try:
        return tuple(line.decode(source.encoding).removeprefix("\ufeff").rstrip("\r\n").split("\t"))
    except UnicodeDecodeError as error:
        raise HeaderError(WRONG_ENCODING, f"the header is not {source.encoding}: {error.reason}") from error


def check_header(names: tuple[str, ...], source: ReaderConfig) -> None:
    """Refuse a header without the column of the text, or with a name twice.

    Raises: HeaderError.
    """
    has = ", ".join(names[:_SHOWN])
    where = f"sources.{source.name}"
    if not set(names) & set(names_of(source, "text")):
        raise HeaderError(
            MISSING_FIELD,
            f"no column {names_of(source, 'text')[0]!r}; the header has: {has}; "
            f"try {where}.fields.text, or {where}.columns for a file without a header",
        )
    if len(set(names)) < len(names):
        raise HeaderError(WRONG_COLUMNS, f"the header must name every column once, got {has}; try {where}.columns")


def row_record(
    names: tuple[str, ...],
    cells: list[str],
    source: ReaderConfig,
    path: str,
    line: int,
    raw: bytes,
) -> Record:
    """Return the document of a row, or the reject that says what is wrong with it."""
    if len(cells) != len(names):
        detail = f"the row must have {len(names)} columns ({', '.join(names[:_SHOWN])}), got {len(cells)}"
        return reject(path, line, WRONG_COLUMNS, detail, raw)
    return read_row(dict(zip(names, cells, strict=True)), source, path, line, raw)


def read_csv(unit: Unit, source: ReaderConfig) -> Iterator[Record]:
    """Yield the records of a CSV file; a row has the number of its first line."""
    if unit.size == 0:
        yield reject(unit.path, 0, EMPTY_FILE, "the file is empty")
        return
    lines = None
    try:
        with open_unit(unit, source) as handle:
            lines = _Lines(handle, unit, source)
            names: tuple[str, ...] = source.columns
            for cells, number, raw in _rows(lines, unit.path, source):
                if isinstance(cells, Record):
                    yield cells
                    if not names:
                        return
                elif names:
                    yield _csv_record(names, cells, source, unit.path, number, raw)
                else:
                    names = tuple(cells)
                    check_header(names, source)
            if not lines.last:
                yield reject(unit.path, 0, EMPTY_FILE, "the packed file is empty")
    except HeaderError as error:
        yield reject(unit.path, 0, error.reason, str(error))
    except PackError as error:
        read = lines.last if lines else 0
        yield reject(unit.path, read + 1, error.reason, f"{error}; {read} lines were read before the break")
    except OSError as error:
        yield unreadable(unit.path, lines.last + 1 if lines else 0, error)


def _csv_record(
    names: tuple[str, ...],
    cells: list[str],
    source: ReaderConfig,
    path: str,
    number: int,
    raw: bytes,
) -> Record:
    if b"\0" in raw:
        return reject(path, number, NUL_BYTES, "the row holds NUL bytes; is it text?", raw)
    try:
        raw.decode(source.encoding)
    except UnicodeDecodeError as error:
        detail = f"not {source.encoding}: {error.reason}; try sources.{source.name}.encoding"
        return reject(path, number, WRONG_ENCODING, detail, raw)
    return row_record(names, cells, source, path, number, raw)


class _TooLargeError(Exception):
    """A row beyond the limit, most likely because a quote is never closed."""


class _Lines:
    """Decoded lines for csv.reader, which remembers those of the row under way and takes them back."""

    def __init__(self, handle: IO[bytes], unit: Unit, source: ReaderConfig) -> None:
        self._fresh = split_lines(handle, unit, source.max_bytes, None)
        self._back: deque[tuple[int, bytes, int]] = deque()
        self._row: list[tuple[int, bytes, int]] = []
        self._bytes = 0
        self._encoding, self._limit = source.encoding, source.max_bytes
        self.last = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else next(self._fresh)
        self._row.append(line)
        self._bytes += line[2]
        self.last = max(self.last, line[0])
        if self._bytes > self._limit:
            raise _TooLargeError
        text = line[1].decode(self._encoding, "surrogateescape")
        return text.removeprefix("\ufeff") if line[0] == 1 else text

    def take(self) -> tuple[int, bytes]:
        """Return number and bytes of the row that was read."""
        number, raw = self._row[0][0], b"".join(line for _, line, _ in self._row)
        self._row, self._bytes = [], 0
        return number, raw

    def take_first(self) -> tuple[int, bytes, bool]:
        """Return number and bytes of the row's first line, and whether it is too large; the others are read again."""
        (number, raw, size), *others = self._row
        self._back.extendleft(reversed(others))
        self._row, self._bytes = [], 0
        return number, raw, size > self._limit


def _rows(lines: _Lines, path: str, source: ReaderConfig) -> Iterator[tuple[list[str] | Record, int, bytes]]:
    """Yield cells, line and bytes of each row; a reject in place of the cells where a line had to be given up."""
    csv.field_size_limit(source.max_bytes)  # of the process; Python's own default is 128 KiB
    while True:
        reader = csv.reader(lines, strict=True, delimiter=source.delimiter)
        try:
            for cells in reader:
                number, raw = lines.take()
                if any(cells):
                    yield cells, number, raw
            return
        except (csv.Error, _TooLargeError) as error:
            number, raw, is_large = lines.take_first()
            if is_large:
                yield too_large(path, number, source, raw), number, raw
            else:
                what = "a quote is opened and not closed" if isinstance(error, _TooLargeError) else str(error)
                detail = f"{what}; quotes in a quoted cell must be doubled"
                yield reject(path, number, NOT_CSV, detail, raw), number, raw


FORMATS = (
    Format("csv", read_csv, suffixes=(".csv",), says_domain=True),
    Format("tsv", read_tsv, suffixes=(".tsv", ".tab"), cut=cut_lines, says_domain=True),
)
