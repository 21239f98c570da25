"""The reader of Parquet files, a row group at a time; memory holds one batch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.locations import parquet_place
from pipeline.readers.config import FIELDS, ReaderConfig
from pipeline.readers.fields import names_of, read_row
from pipeline.readers.format import Format, Part
from pipeline.readers.records import (
    EMPTY_FILE,
    MISSING_FIELD,
    UNREADABLE,
    WRONG_ENCODING,
    Record,
    reject,
    too_large,
)
from pipeline.readers.unit import SourceFile, Unit

_BATCH = 256


def cut_row_groups(file: SourceFile) -> Iterator[Part]:
    """Yield the row groups of a file; one part of what is no Parquet: its reader says so in a reject."""
    try:
        metadata = pq.read_metadata(parquet_place(file.location))
    except Exception:  # noqa: BLE001 -- whatever is wrong with it
        yield Part(0, 0, 1, file.size)
        return
    line = 1
    for group in range(metadata.num_row_groups):
        yield Part(group, group + 1, line, metadata.row_group(group).total_byte_size)
        line += metadata.row_group(group).num_rows
    if metadata.num_row_groups == 0:
        yield Part(0, 0, 1, file.size)


def read_parquet(unit: Unit, source: ReaderConfig) -> Iterator[Record]:
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


def _checked_row(row: dict[str, Any] | UnicodeDecodeError, source: ReaderConfig, path: str, line: int) -> Record:
    if isinstance(row, UnicodeDecodeError):
        return reject(path, line, WRONG_ENCODING, f"not utf-8: {row.reason} at byte {row.start}", row.object)
    size = max((len(value) for value in row.values() if isinstance(value, str | bytes)), default=0)
    if size > source.max_bytes:
        return too_large(path, line, source, b"")
    raw = json.dumps(row, default=str, ensure_ascii=False).encode("utf-8", "replace")
    return read_row(row, source, path, line, raw)


FORMATS = (
    Format("parquet", read_parquet, suffixes=(".parquet",), cut=cut_row_groups, may_be_packed=False, says_domain=True),
)
