"""The readers of JSON lines, Parquet, text files and BEIR folders: a unit in, records out, never an exception.

Whatever cannot be read becomes a reject and the reader goes on with the next row; memory holds one row (Parquet:
one batch), however large the file.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.ingest.fields import names_of, read_row
from pipeline.ingest.records import (
    BROKEN_GZIP,
    DOCUMENT,
    EMPTY_FILE,
    MISSING_FIELD,
    NOT_A_QREL,
    NOT_AN_OBJECT,
    NOT_JSON,
    NUL_BYTES,
    QREL,
    QUERY,
    RAW_LIMIT,
    TOO_LARGE,
    UNREADABLE,
    WRONG_ENCODING,
    Record,
    reject,
)
from pipeline.ingest.sources import FIELDS, SourceConfig
from pipeline.ingest.units import Unit

_TITLE_CHARS = 200
_BATCH = 256
Reader = Callable[[Unit, SourceConfig], Iterator[Record]]


def read_lines(unit: Unit, source: SourceConfig) -> Iterator[Record]:
    """Yield the records of a span of JSON lines, of queries or of qrels."""
    parse = {"documents": _document_line, "queries": _query_line, "qrels": _qrel_line}[unit.role]
    if unit.size == 0:
        yield reject(unit.path, 0, EMPTY_FILE, "the file is empty")
        return
    number = unit.line - 1
    try:
        with Path(unit.location).open("rb") as plain:
            plain.seek(unit.start)
            packed = unit.path.endswith(".gz")
            handle = cast("IO[bytes]", gzip.GzipFile(fileobj=plain) if packed else plain)
            for number, line, size in _lines(handle, unit, source.max_bytes, None if packed else unit.end):
                if size > source.max_bytes:
                    yield _too_large(unit.path, number, source, line)
                elif b"\0" in line:
                    yield reject(unit.path, number, NUL_BYTES, "the line holds NUL bytes; is it text?", line)
                elif line.strip():
                    yield from _decoded(parse, line, unit.path, number, source)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        yield reject(unit.path, number + 1, BROKEN_GZIP, f"{error}; {number} lines were read before the break")
    except OSError as error:
        yield reject(unit.path, number + 1, UNREADABLE, error.strerror or str(error))


def _lines(handle: IO[bytes], unit: Unit, limit: int, end: int | None) -> Iterator[tuple[int, bytes, int]]:
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


def _decoded(
    parse: Callable[[str, bytes, str, int, SourceConfig], Record | None],
    line: bytes, path: str, number: int, source: SourceConfig,
) -> Iterator[Record]:
    try:
        text = line.decode(source.encoding)
    except UnicodeDecodeError as error:
        yield _wrong_encoding(path, number, source, error, line)
        return
    record = parse(text.removeprefix("\ufeff") if number == 1 else text, line, path, number, source)
    if record is not None:
        yield record


def _json_object(text: str, line: bytes, path: str, number: int) -> dict[str, Any] | Record:
    try:
        row = json.loads(text, strict=False)
    except (ValueError, RecursionError) as error:
        return reject(path, number, NOT_JSON, str(error) or type(error).__name__, line)
    if not isinstance(row, dict):
        return reject(path, number, NOT_AN_OBJECT, f"the line must be a JSON object, got {type(row).__name__}", line)
    return row


def _document_line(text: str, line: bytes, path: str, number: int, source: SourceConfig) -> Record | None:
    row = _json_object(text, line, path, number)
    return row if isinstance(row, Record) else read_row(row, source, path, number, line)


def _query_line(text: str, line: bytes, path: str, number: int, _: SourceConfig) -> Record | None:
    """Return the query of a line; its fields are _id and text, whatever the documents call theirs."""
    row = _json_object(text, line, path, number)
    if isinstance(row, Record):
        return row
    native, query = row.get("_id"), row.get("text")
    if not isinstance(native, str | int) or not isinstance(query, str):
        return reject(path, number, MISSING_FIELD, "a query must have the fields '_id' and 'text'", line)
    return Record(QUERY, path, number, native_id=str(native), text=query)


def _qrel_line(text: str, line: bytes, path: str, number: int, _: SourceConfig) -> Record | None:
    """Return the judgement of a line: query id, document id and grade between tabs.

    Drops: the header; grades of 0 and below, which say "not relevant".
    """
    parts = text.rstrip("\r\n").split("\t")
    try:
        query, document, grade = parts[0], parts[1], float(parts[2])
    except (IndexError, ValueError):
        if number == 1:
            return None
        return reject(path, number, NOT_A_QREL, "the line must be query id, document id and grade between tabs", line)
    return Record(QREL, path, number, native_id=query, links=[document], grade=grade) if grade > 0 else None


def read_parquet(unit: Unit, source: SourceConfig) -> Iterator[Record]:
    """Yield the records of one row group; rows are counted through the file, from 1."""
    line = unit.line
    try:
        file = pq.ParquetFile(unit.location)
        wanted = {name for field in FIELDS for name in names_of(source, field)}
        columns = [name for name in file.schema_arrow.names if name in wanted]
        if not set(columns) & set(names_of(source, "text")):
            has = ", ".join(file.schema_arrow.names)
            yield reject(unit.path, 0, MISSING_FIELD, f"no column {names_of(source, 'text')[0]!r}; the file has: {has}")
            return
        if file.metadata.num_rows == 0:
            yield reject(unit.path, 0, EMPTY_FILE, "the file has no rows")
            return
        for batch in file.iter_batches(_BATCH, row_groups=range(unit.start, unit.end), columns=columns):
            for row in batch.to_pylist():
                yield _checked_row(row, source, unit.path, line)
                line += 1
    except (pa.ArrowException, OSError) as error:
        where = 0 if line == 1 else line
        yield reject(unit.path, where, UNREADABLE, f"not a whole Parquet file: {str(error).splitlines()[0]}")


def _checked_row(row: dict[str, Any], source: SourceConfig, path: str, line: int) -> Record:
    size = max((len(value) for value in row.values() if isinstance(value, str | bytes)), default=0)
    if size > source.max_bytes:
        return _too_large(path, line, source, b"")
    raw = json.dumps(row, default=str, ensure_ascii=False).encode("utf-8", "replace")
    return read_row(row, source, path, line, raw)


def read_text(unit: Unit, source: SourceConfig) -> Iterator[Record]:
    """Yield the document of a text file: its first line or heading is the title, the rest the text."""
    try:
        with Path(unit.location).open("rb") as handle:
            raw = handle.read(source.max_bytes + 1)
    except OSError as error:
        yield reject(unit.path, 0, UNREADABLE, error.strerror or str(error))
        return
    if not raw.strip():
        yield reject(unit.path, 0, EMPTY_FILE, "the file is empty")
    elif len(raw) > source.max_bytes:
        yield _too_large(unit.path, 0, source, raw)
    elif b"\0" in raw:
        yield reject(unit.path, 0, NUL_BYTES, "the file holds NUL bytes; is it text?", raw)
    else:
        try:
            title, text = split_title(raw.decode(source.encoding).removeprefix("\ufeff"))
        except UnicodeDecodeError as error:
            yield _wrong_encoding(unit.path, 0, source, error, raw)
            return
        yield Record(DOCUMENT, unit.path, 1, native_id=unit.path, title=title, text=text)


def split_title(text: str) -> tuple[str, str]:
    """Return the first line, without the marks of a heading, and the rest; a long first line is no title."""
    first, _, rest = text.strip().partition("\n")
    title = re.sub(r"^#{1,6}\s+|\s+#+\s*$", "", first.strip())
    rest = re.sub(r"^\s*[=\-~^*]{3,}[ \t]*(\n|$)", "", rest)  # the underline of the heading
    if len(title) > _TITLE_CHARS or not rest.strip():
        return "", text
    return title, rest


def _too_large(path: str, line: int, source: SourceConfig, raw: bytes) -> Record:
    detail = f"more than {source.max_bytes} bytes; try cutting it into passages, or sources.{source.name}.max_bytes"
    return reject(path, line, TOO_LARGE, detail, raw)


def _wrong_encoding(path: str, line: int, source: SourceConfig, error: UnicodeDecodeError, raw: bytes) -> Record:
    detail = f"not {source.encoding}: {error.reason} at byte {error.start}; try sources.{source.name}.encoding"
    return reject(path, line, WRONG_ENCODING, detail, raw)
