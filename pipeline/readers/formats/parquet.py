"""The reader of Parquet files, a row group at a time.

Kilobytes may stand for gigabytes there: a page unpacks to anything, 256 rows name one value of a dictionary, a value
repeats the one before it. So the footer says what a row group unpacks to before any of it is read, texts stay in their
dictionary, and a row is made only when the lengths of its cells are known. Memory holds the row group's pages under
way and some megabytes of rows.
Known weakness: a footer that lies about a page's size is believed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.locations import parquet_place
from pipeline.readers.compression import RATIO
from pipeline.readers.config import FIELDS, FieldsConfig, ReaderConfig
from pipeline.readers.fields import names_of, read_row
from pipeline.readers.format import Format, Part
from pipeline.readers.records import (
    BOMB,
    EMPTY_FILE,
    MISSING_FIELD,
    TOO_LARGE,
    UNREADABLE,
    WRONG_ENCODING,
    WRONG_TYPE,
    Record,
    reject,
    too_large,
)
from pipeline.readers.unit import SourceFile, Unit

_BATCH = 256
_MADE = 64 << 20  # bytes of cells that become Python objects at a time
_ELEMENT = 8  # bytes that an element counts, besides its text
_ROW = 64
Costs = npt.NDArray[np.int64]


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


def read_parquet(unit: Unit, source: FieldsConfig) -> Iterator[Record]:
    """Yield the records of one row group; rows are counted through the file, from 1."""
    line = unit.line
    try:
        file = pq.ParquetFile(parquet_place(unit.location))
        wanted = {name for field in FIELDS for name in names_of(source, field)}
        columns = [name for name in file.schema_arrow.names if name in wanted]
        if not set(columns) & set(names_of(source, "text")):
            has = ", ".join(file.schema_arrow.names)[:1000]
            yield reject(unit.path, 0, MISSING_FIELD, f"no column {names_of(source, 'text')[0]!r}; the file has: {has}")
            return
        if file.metadata.num_rows == 0:
            yield reject(unit.path, 0, EMPTY_FILE, "the file has no rows")
            return
        for place in range(unit.start, unit.end):
            group = file.metadata.row_group(place)
            chunks = _chunks(group, columns)
            size, packed = _unpacked(chunks, group.num_rows), sum(each.total_compressed_size for each in chunks)
            most = max(source.max_unpacked, RATIO * packed)
            if size > most:
                yield reject(unit.path, line, BOMB, _bomb(group.num_rows, packed, size, source))
                continue
            kept = [each.path_in_schema for each in chunks if _has(each, "DICTIONARY")]
            repeated = [each.total_uncompressed_size for each in chunks if _has(each, "DELTA_BYTE_ARRAY")]
            batch_rows = max(1, min(_BATCH, _MADE // max([1, *repeated])))
            made = 0
            with pq.ParquetFile(parquet_place(unit.location), read_dictionary=kept) as reader:
                for batch in reader.iter_batches(batch_rows, row_groups=[place], columns=columns):
                    costs = [_costs(column) for column in batch.columns]
                    made += int(sum(each[each <= source.max_bytes].sum() for each in costs))
                    if made > most:
                        yield reject(unit.path, line, BOMB, _bomb(group.num_rows, packed, made, source))
                        break
                    for row in _rows_of(batch, costs, source.max_bytes):
                        yield _checked_row(row, source, unit.path, line)
                        line += 1
    except (pa.ArrowException, OSError, ValueError, TypeError, ArithmeticError, MemoryError) as error:
        where = 0 if line == 1 else line
        told = (str(error).splitlines() or [type(error).__name__])[0][:200]
        yield reject(unit.path, where, UNREADABLE, f"not a whole Parquet file: {told}")


def _chunks(group: Any, columns: list[str]) -> list[Any]:
    """Return what the footer says of the columns, and of what is nested in them."""
    chunks = [group.column(place) for place in range(group.num_columns)]
    return [each for each in chunks if {each.path_in_schema, each.path_in_schema.partition(".")[0]} & set(columns)]


def _unpacked(chunks: list[Any], rows: int) -> int:
    """Return the bytes that pages take in memory; a null, or a place in a list, may take less than a bit in a file."""
    levels = sum(int(each.num_values) * (_ELEMENT if each.num_values > rows else 1) for each in chunks)
    return _ROW * rows + levels + sum(max(int(each.total_uncompressed_size), 0) for each in chunks)


def _bomb(rows: int, packed: int, size: int, source: ReaderConfig) -> str:
    return (
        f"{rows} rows in {packed} bytes unpack to {size} or more, above {RATIO} times as much; if they are sound, "
        f"try sources.{source.name}.max_unpacked"
    )


def _has(chunk: Any, encoding: str) -> bool:
    return chunk.physical_type == "BYTE_ARRAY" and any(encoding in each for each in chunk.encodings)


class _BadCell(NamedTuple):
    """What is wrong with a row that cannot be made."""

    reason: str
    detail: str
    raw: bytes = b""


def _rows_of(batch: pa.RecordBatch, by_column: list[Costs], limit: int) -> Iterator[dict[str, Any] | _BadCell]:
    """Yield the rows, each made when its size is known; in place of one that cannot be, what is wrong with it."""
    costs, largest = np.sum(by_column, axis=0), np.max(by_column, axis=0)
    start = 0
    while start < batch.num_rows:
        if largest[start] > limit:
            yield _BadCell(TOO_LARGE, "")
            start += 1
            continue
        end = start + 1
        total = costs[start]
        while end < batch.num_rows and largest[end] <= limit and total + costs[end] <= _MADE:
            total += costs[end]
            end += 1
        yield from _made(batch.slice(start, end - start))
        start = end


def _made(rows: pa.RecordBatch) -> Iterator[dict[str, Any] | _BadCell]:
    """Yield rows as Python objects; Parquet holds more than Python can, and does not look at what is text."""
    try:
        yield from rows.to_pylist()
    except Exception:  # noqa: BLE001 -- OverflowError, ValueError, UnicodeDecodeError, ArrowException
        for place in range(rows.num_rows):
            yield _made_row(rows.slice(place, 1))


def _made_row(rows: pa.RecordBatch) -> dict[str, Any] | _BadCell:
    made: dict[str, Any] = {}
    for name, column in zip(rows.schema.names, rows.columns, strict=True):
        try:
            made[name] = column[0].as_py()
        except UnicodeDecodeError as error:
            return _BadCell(WRONG_ENCODING, f"not utf-8: {error.reason} at byte {error.start}", error.object)
        except Exception as error:  # noqa: BLE001
            told = (str(error).splitlines() or [""])[0][:200]
            return _BadCell(
                WRONG_TYPE, f"field {name!r} cannot be read as {column.type}: {told or type(error).__name__}"
            )
    return made


def _checked_row(row: dict[str, Any] | _BadCell, source: FieldsConfig, path: str, line: int) -> Record:
    if isinstance(row, _BadCell):
        if row.reason == TOO_LARGE:
            return too_large(path, line, source, b"")
        return reject(path, line, row.reason, row.detail, row.raw)
    raw = json.dumps(row, default=str, ensure_ascii=False).encode("utf-8", "replace")
    return read_row(row, source, path, line, raw)


def _costs(array: pa.Array) -> Costs:
    """Return what each cell takes in memory, in bytes, roughly: the text in it, and something for each element."""
    kind, types = array.type, pa.types
    if isinstance(array, pa.ExtensionArray):
        return _costs(array.storage)
    if types.is_dictionary(kind):
        places = array.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
        found: Costs = np.append(_costs(array.dictionary), 0)[places]
        return found
    if any(is_it(kind) for is_it in (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)):
        return _numbers(pc.binary_length(array).fill_null(0))
    if types.is_list(kind) or types.is_large_list(kind):
        return _sums(_costs(array.values), _numbers(array.offsets))
    if types.is_map(kind):
        return _sums(_costs(array.keys) + _costs(array.items), _numbers(array.offsets))
    if types.is_struct(kind):
        of_row = np.zeros(len(array), np.int64)
        for place in range(kind.num_fields):
            of_row += _costs(array.field(place))
        return of_row
    if types.is_primitive(kind) or types.is_decimal(kind) or types.is_null(kind):
        return np.full(len(array), _ELEMENT, np.int64)
    return np.full(len(array), array.nbytes // max(1, len(array)) + _ELEMENT, np.int64)  # of one size each


def _sums(of_element: Costs, ends: Costs) -> Costs:
    """Return the sums of the elements between the ends, something added for each."""
    total = np.concatenate([np.zeros(1, np.int64), np.cumsum(of_element + _ELEMENT)])
    found: Costs = total[ends[1:]] - total[ends[:-1]]
    return found


def _numbers(array: pa.Array) -> Costs:
    found: Costs = array.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return found


FORMATS = (
    Format(
        "parquet",
        read_parquet,
        FieldsConfig,
        suffixes=(".parquet",),
        cut=cut_row_groups,
        may_be_packed=False,
        says_domain=True,
    ),
)
