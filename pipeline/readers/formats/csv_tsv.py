"""The readers of CSV and TSV files.

``csv`` follows RFC 4180: quoted cells may hold delimiters, doubled quotes and line breaks. Of a row that breaks these
rules the first line alone is rejected, and reading goes on with the next one: an opening quote that is never closed
costs one line. Lines end with a newline, a carriage return or both. What parts the columns is found in the first rows
where the recipe does not say: a comma where it fits. ``tsv`` has one row a line and no quotes, so that large files can
be cut into spans.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from typing import IO, Any

from pipeline.readers.compression import PackError, open_unit
from pipeline.readers.config import RowsConfig
from pipeline.readers.fields import names_of, read_row
from pipeline.readers.format import Format
from pipeline.readers.lines import (
    ENDS_WITH_RETURN,
    IS_UTF_16,
    HeaderError,
    Parser,
    begins_as_utf16,
    cut_lines,
    first_line,
    read_lines,
)
from pipeline.readers.records import (
    EMPTY_FILE,
    MISSING_FIELD,
    NOT_CSV,
    NUL_BYTES,
    RAW_LIMIT,
    WRONG_COLUMNS,
    WRONG_ENCODING,
    Record,
    reject,
    too_large,
    unreadable,
)
from pipeline.readers.unit import Unit
from schemas.config import setting
from schemas.errors import rule

_SHOWN = 20
_LOOKED_AT = 50
_ENOUGH = 1 << 20
CSV = "csv"
DELIMITERS = (",", ";", "\t", "|")


class TableConfig(RowsConfig):
    """Rows of cells."""

    columns: tuple[str, ...] = setting((), "names of the columns, for files without a header row")

    def faults_of_columns(self) -> list[str]:
        """Require columns that can be told apart."""
        if len(set(self.columns)) == len(self.columns):
            return []
        return [f"columns must have names of their own, got {', '.join(self.columns)}"]


class CsvConfig(TableConfig):
    """Rows of cells that may be quoted."""

    delimiter: str | None = setting(None, "what parts the columns; null = found: comma, semicolon, tab or pipe")

    def faults_of_delimiter(self) -> list[str]:
        """Require one character that no quoted cell can begin with."""
        found = self.delimiter
        if found is None or (len(found) == 1 and found.isascii() and found not in '"\r\n\0'):
            return []
        return [rule("delimiter", "one ASCII character but no quote", self.delimiter, '";", "|", or "\\t" for a tab')]


def read_tsv(unit: Unit, source: TableConfig) -> Iterator[Record]:
    """Yield the documents of a span of lines."""
    return read_lines(unit, source, lambda unit, source: open_rows(unit, source, source.columns))


def open_rows(unit: Unit, source: RowsConfig, columns: tuple[str, ...]) -> Parser:
    """Return what turns a line of tab-separated cells into a document; every span knows the header.

    Raises: HeaderError when the header is of no use; OSError, PackError when it cannot be read.
    """
    names = columns or _header(unit, source)
    check_header(names, source)

    def parse(text: str, line: bytes, path: str, number: int, source: RowsConfig) -> Record | None:
        cells = text.rstrip("\r\n").split("\t")
        return None if number == 1 and not columns else row_record(names, cells, source, path, number, line)

    return parse


def _header(unit: Unit, source: RowsConfig) -> tuple[str, ...]:
    line = first_line(unit, source).rstrip("\r\n")
    if "\r" in line:
        raise HeaderError(NOT_CSV, ENDS_WITH_RETURN)
    return tuple(line.split("\t"))


def check_header(names: tuple[str, ...], source: RowsConfig) -> None:
    """Refuse a header without the column of the text, or with a name twice.

    Raises: HeaderError.
    """
    has = ", ".join(names[:_SHOWN])
    where = f"sources.{source.name}"
    if not set(names) & set(names_of(source, "text")):
        raise HeaderError(
            MISSING_FIELD,
            f"no column {names_of(source, 'text')[0]!r}; the header has: {has}; "
            f"try {where}.fields.text, {where}.delimiter, or {where}.columns for a file without a header",
        )
    if len(set(names)) < len(names):
        raise HeaderError(WRONG_COLUMNS, f"the header must name every column once, got {has}; try {where}.columns")


def row_record(
    names: tuple[str, ...],
    cells: list[str],
    source: RowsConfig,
    path: str,
    line: int,
    raw: bytes,
) -> Record:
    """Return the document of a row, or the reject that says what is wrong with it."""
    if len(cells) != len(names):
        detail = f"the row must have {len(names)} columns ({', '.join(names[:_SHOWN])}), got {len(cells)}"
        return reject(path, line, WRONG_COLUMNS, detail, raw)
    return read_row(dict(zip(names, cells, strict=True)), source, path, line, raw)


def read_csv(unit: Unit, source: CsvConfig) -> Iterator[Record]:
    """Yield the records of a CSV file; a row has the number of its first line."""
    if unit.size == 0:
        yield reject(unit.path, 0, EMPTY_FILE, "the file is empty")
        return
    lines = None
    try:
        if begins_as_utf16(unit, source):
            raise HeaderError(WRONG_ENCODING, IS_UTF_16)
        delimiter = source.delimiter or find_delimiter(unit, source)  # it opens the file for itself
        with open_unit(unit, source) as handle:
            lines = CsvLines(handle, source)
            names: tuple[str, ...] = source.columns
            for cells, number, raw in split_cells(lines, unit.path, source, delimiter):
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
    source: RowsConfig,
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


def find_delimiter(unit: Unit, source: CsvConfig) -> str:
    """Return what parts the columns of a CSV file: a comma where that gives the column of the text, else what does.

    Where nothing does, it is what parts most of the first rows into as many cells as the header.
    Raises: OSError, PackError when the file cannot be read.
    """
    held: list[str] = []
    with open_unit(unit, source) as handle:
        for number, line, size in _split_rows(handle, source.max_bytes):
            held.append(line.decode(source.encoding, "replace").removeprefix("\ufeff" if number == 1 else ""))
            if number >= _LOOKED_AT or size > source.max_bytes or sum(map(len, held)) > _ENOUGH:
                break
    texts = set(names_of(source, "text"))

    def rank(delimiter: str) -> tuple[bool, float, int]:
        try:
            rows = [cells for cells in csv.reader(held, delimiter=delimiter) if any(cells)]
        except csv.Error:
            return False, 0.0, 0
        width = len(source.columns or rows[0]) if rows else 0
        fits = len(rows[0]) == width if source.columns and rows else bool(rows) and bool(texts & set(rows[0]))
        return fits, sum(len(cells) == width for cells in rows[1:]) / len(rows) if width > 1 else 0.0, 0

    csv.field_size_limit(source.max_bytes)
    ranks = {delimiter: rank(delimiter) for delimiter in DELIMITERS}
    return "," if ranks[","][0] else max(DELIMITERS, key=lambda each: ranks[each])  # of equals the first


def told_delimiter(unit: Unit, source: CsvConfig) -> str | None:
    """Return what parts the columns of a CSV file, None of one that cannot be read: its reader says why."""
    try:
        return find_delimiter(unit, source)
    except (OSError, PackError):
        return None


def _split_rows(handle: IO[bytes], limit: int) -> Iterator[tuple[int, bytes, int]]:
    """Yield number, bytes and size of each line, however it ends; of a line over the limit the beginning."""
    number, held, size, carry = 1, b"", 0, b""
    while block := _read_some(handle):
        data, carry = carry + block, b""
        if data.endswith(b"\r"):  # a newline may follow
            data, carry = data[:-1], b"\r"
        for piece in data.splitlines(keepends=True):
            held += piece[: limit + 1 - len(held)]
            size += len(piece)
            if piece.endswith((b"\n", b"\r")):
                yield number, held if size <= limit else held[:RAW_LIMIT], size
                number, held, size = number + 1, b"", 0
    if held or carry:
        yield number, held + carry if size <= limit else held[:RAW_LIMIT], size + len(carry)


def _read_some(handle: Any) -> bytes:
    data: bytes = handle.read1(1 << 16)  # read() would lose what comes before a break
    return data


class _TooLargeError(Exception):
    """A row beyond the limit, most likely because a quote is never closed."""


class CsvLines:
    """Decoded lines for csv.reader, which remembers those of the row under way and takes them back."""

    def __init__(self, handle: IO[bytes], source: RowsConfig) -> None:
        self._fresh = _split_rows(handle, source.max_bytes)
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


def split_cells(
    lines: CsvLines, path: str, source: RowsConfig, delimiter: str
) -> Iterator[tuple[list[str] | Record, int, bytes]]:
    """Yield cells, line and bytes of each row; a reject in place of the cells where a line had to be given up."""
    csv.field_size_limit(source.max_bytes)  # of the process; Python's own default is 128 KiB
    while True:
        reader = csv.reader(lines, strict=True, delimiter=delimiter)
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
    Format(CSV, read_csv, CsvConfig, suffixes=(".csv",), says_domain=True),
    Format("tsv", read_tsv, TableConfig, suffixes=(".tsv", ".tab"), cut=cut_lines, says_domain=True),
)
