"""The readers of files of lines (JSON lines, BEIR, TSV, MS MARCO) and Parquet: a unit in, records out, no exception.

Whatever cannot be read becomes a reject and the reader goes on with the next row; memory holds one row (Parquet:
one batch), however large the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.ingest.config import FIELDS, MSMARCO, PACKED, TSV, SourceConfig
from pipeline.ingest.units import Unit
from pipeline.locations import parquet_place
from pipeline.readers.compression import PackError, open_unit
from pipeline.readers.csv_tsv import HeaderError, pair_query, row_parser, trec_line
from pipeline.readers.fields import names_of, read_row
from pipeline.readers.lines import Parser, split_lines
from pipeline.readers.records import (
    EMPTY_FILE,
    MISSING_FIELD,
    NOT_A_QREL,
    NOT_AN_OBJECT,
    NOT_JSON,
    NUL_BYTES,
    QREL,
    QUERY,
    UNREADABLE,
    WRONG_ENCODING,
    Record,
    reject,
)
from pipeline.readers.rejects import too_large, unreadable, wrong_encoding

_BATCH = 256


def read_lines(unit: Unit, source: SourceConfig) -> Iterator[Record]:
    """Yield the records of a span of lines: documents, queries or qrels."""
    if unit.size == 0:
        yield reject(unit.path, 0, EMPTY_FILE, "the file is empty")
        return
    number = unit.line - 1
    try:
        parse = _parser(unit, source)
        with open_unit(unit, source) as handle:
            packed = unit.path.lower().endswith(PACKED)
            for number, line, size in split_lines(handle, unit, source.max_bytes, None if packed else unit.end):
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


def _parser(unit: Unit, source: SourceConfig) -> Parser:
    """Return what turns a line of the unit into a record.

    Raises: HeaderError when the header of a TSV file is of no use.
    """
    if source.format == TSV:
        return row_parser(unit, source)
    if source.format == MSMARCO:
        documents = row_parser(unit, source, ("id", "text"))
        return {"documents": documents, "queries": pair_query, "qrels": trec_line}[unit.role]
    return {"documents": _document_line, "queries": _query_line, "qrels": _qrel_line}[unit.role]


def _decoded(parse: Parser, line: bytes, path: str, number: int, source: SourceConfig) -> Iterator[Record]:
    try:
        text = line.decode(source.encoding)
    except UnicodeDecodeError as error:
        yield wrong_encoding(path, number, source, error, line)
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
        file = pq.ParquetFile(parquet_place(unit.location))
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
            for row in _rows_of(batch):
                yield _checked_row(row, source, unit.path, line)
                line += 1
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        where = 0 if line == 1 else line
        yield reject(unit.path, where, UNREADABLE, f"not a whole Parquet file: {str(error).splitlines()[0]}")


def _rows_of(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | UnicodeDecodeError]:
    """Yield the rows; for one whose text is no UTF-8, what is wrong with it: Parquet does not look."""
    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError as error:
        if batch.num_rows == 1:
            yield error
        else:
            for place in range(batch.num_rows):
                yield from _rows_of(batch.slice(place, 1))


def _checked_row(row: dict[str, Any] | UnicodeDecodeError, source: SourceConfig, path: str, line: int) -> Record:
    if isinstance(row, UnicodeDecodeError):
        return reject(path, line, WRONG_ENCODING, f"not utf-8: {row.reason} at byte {row.start}", row.object)
    size = max((len(value) for value in row.values() if isinstance(value, str | bytes)), default=0)
    if size > source.max_bytes:
        return too_large(path, line, source, b"")
    raw = json.dumps(row, default=str, ensure_ascii=False).encode("utf-8", "replace")
    return read_row(row, source, path, line, raw)
