"""The rows of a training set's files: JSON lines, CSV, TSV (packed too) and Parquet, each with its line.

A row that cannot be read is yielded as such, with line and reason: none is passed over. Memory holds a row, of Parquet
some thousand.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.locations import location_of
from pipeline.readers.compression import PACKED, PackError, open_unit
from pipeline.readers.formats.csv_tsv import CsvConfig, CsvLines, find_delimiter, split_cells
from pipeline.readers.formats.jsonl import parse_object
from pipeline.readers.lines import split_lines
from pipeline.readers.records import Record
from pipeline.readers.unit import DOCUMENTS, Unit
from schemas.errors import RecipeError, rule

JSONL, CSV, TSV, PARQUET = "jsonl", "csv", "tsv", "parquet"
_SUFFIXES = {".jsonl": JSONL, ".ndjson": JSONL, ".json": JSONL, ".csv": CSV, ".tsv": TSV, ".parquet": PARQUET}
_ROWS = 2048
_MOST_BYTES = 64 << 20  # of a row: some hundred negatives of some pages
_MOST_UNPACKED = 1 << 40
_HEAD = 100  # rows that tell a layout
_ARRAY = "JSON lines, one object a line"


@dataclass(frozen=True)
class SetFile:
    """One file of a training set; ``delimiter`` and ``columns`` are those of CSV and TSV."""

    path: Path
    kind: str
    packed: str = ""
    delimiter: str = ""
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class RawRow:
    """A row as its file has it: the values by column, or why there are none. ``raw`` is empty for Parquet."""

    line: int
    values: dict[str, Any] = field(default_factory=dict)
    fault: str = ""
    raw: bytes = b""


def find_files(places: Sequence[str]) -> list[SetFile]:
    """Return the files that paths, folders and globs name, each once, in order of their names.

    Raises: RecipeError for a place with nothing in it, a file of another kind, a JSON array.
    """
    faults, found = [], dict[Path, SetFile]()
    for place in places:
        at = Path(place)
        if at.is_dir():
            paths = sorted(path for path in at.rglob("*") if path.is_file() and _kind_of(path))
        else:
            paths = [at] if at.exists() else sorted(Path(each) for each in glob.glob(place, recursive=True))  # noqa: PTH207
        if not paths:
            must_be = f"files that are there ({', '.join(_SUFFIXES)}, packed too)"
            faults.append(rule("FILE", must_be, place))
        for path in paths:
            kind = _kind_of(path)
            if kind is None:
                faults.append(rule("FILE", f"one of {', '.join(_SUFFIXES)}, or one of them packed", str(path)))
            else:
                found.setdefault(path, SetFile(path, kind, path.suffix.lower() if _is_packed(path) else ""))
    files = []
    for file in found.values():
        try:
            files.append(_look_at(file))
        except RecipeError as error:
            faults += error.faults
    if faults:
        raise RecipeError(faults)
    return files


def read_rows(file: SetFile) -> Iterator[RawRow]:
    """Yield every row of a file, those that cannot be read too."""
    if file.kind == PARQUET:
        yield from _read_parquet(file)
        return
    last = 0
    try:
        for row in _read_lines(file) if file.kind == JSONL else _read_cells(file):
            last = row.line
            yield row
    except PackError as error:
        yield RawRow(last + 1, fault=f"{error}; what follows cannot be read")
    except OSError as error:
        yield RawRow(last + 1, fault=f"cannot be read: {error.strerror or error}")


def read_head(file: SetFile) -> list[dict[str, Any]]:
    """Return the first rows that can be read."""
    return [row.values for row in islice(read_rows(file), _HEAD) if not row.fault]


def _kind_of(path: Path) -> str | None:
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    if suffixes and suffixes[-1] in PACKED:
        kind = _SUFFIXES.get(suffixes[0]) if len(suffixes) == 2 else None
        return None if kind == PARQUET else kind
    return _SUFFIXES.get(suffixes[-1]) if suffixes else None


def _is_packed(path: Path) -> bool:
    return path.suffix.lower() in PACKED


def _unit(file: SetFile) -> Unit:
    size = file.path.stat().st_size
    return Unit("lint", DOCUMENTS, str(file.path), location_of(file.path), None, 0, size, 1, size)


def _config(file: SetFile) -> CsvConfig:
    return CsvConfig(
        name="lint", format=CSV, max_bytes=_MOST_BYTES, max_unpacked=_MOST_UNPACKED, delimiter=file.delimiter or None
    )


def _look_at(file: SetFile) -> SetFile:
    """Return the file with what its first bytes say. Raises: RecipeError."""
    try:
        if file.kind == PARQUET:
            return SetFile(file.path, file.kind, columns=tuple(pq.read_schema(file.path).names))
        if file.path.stat().st_size == 0:
            raise RecipeError(rule("FILE", "a file with rows", str(file.path), "another file: this one is empty"))
        with open_unit(_unit(file), _config(file)) as handle:
            head = handle.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
        if file.kind == JSONL:
            if head.startswith(b"["):
                way_out = f"jq -c '.[]' {file.path.name} > {file.path.stem}.jsonl"
                raise RecipeError(rule("FILE", _ARRAY, f"{file.path}, an array", way_out))
            return file
        delimiter = "\t" if file.kind == TSV else find_delimiter(_unit(file), _config(file))
        named = SetFile(file.path, file.kind, file.packed, delimiter)
        first = next(_cells(named), None)
        names = tuple(first[0]) if first and not isinstance(first[0], Record) else ()
        if not names or len(set(names)) < len(names):
            raise RecipeError(rule("FILE", "a table whose first row names every column once", str(file.path)))
        return SetFile(file.path, file.kind, file.packed, delimiter, names)
    except PackError as error:
        raise RecipeError(rule("FILE", f"a file that can be unpacked ({error})", str(file.path))) from error
    except (OSError, pa.ArrowException) as error:
        said = (str(getattr(error, "strerror", "") or error).splitlines() or [""])[0][:160]
        raise RecipeError(rule("FILE", f"a file that can be read ({said})", str(file.path))) from error


def _read_lines(file: SetFile) -> Iterator[RawRow]:
    unit, config = _unit(file), _config(file)
    with open_unit(unit, config) as handle:
        for number, line, size in split_lines(handle, unit, config.max_bytes, None):
            if size > config.max_bytes:
                yield RawRow(number, fault=f"the line has {size:,} bytes, more than {config.max_bytes:,}", raw=line)
                continue
            if not line.strip():
                continue
            try:
                text = line.decode("utf-8").removeprefix("\ufeff" if number == 1 else "")
            except UnicodeDecodeError as error:
                yield RawRow(number, fault=f"not UTF-8: {error.reason} at byte {error.start}", raw=line)
                continue
            found = parse_object(text, line, str(file.path), number)
            if isinstance(found, Record):
                yield RawRow(number, fault=f"no JSON object: {found.detail}", raw=line)
            else:
                yield RawRow(number, found, "", line)


def _cells(file: SetFile) -> Iterator[tuple[list[str] | Record, int, bytes]]:
    """Yield cells, line and bytes of each row, the header's too."""
    unit, config = _unit(file), _config(file)
    with open_unit(unit, config) as handle:
        if file.kind == CSV:
            yield from split_cells(CsvLines(handle, config), str(file.path), config, file.delimiter)
            return
        for number, line, _ in split_lines(handle, unit, config.max_bytes, None):
            if line.strip():
                text = line.decode("utf-8", "surrogateescape").removeprefix("\ufeff" if number == 1 else "")
                yield text.rstrip("\r\n").split("\t"), number, line


def _read_cells(file: SetFile) -> Iterator[RawRow]:
    for cells, number, raw in islice(_cells(file), 1, None):
        if isinstance(cells, Record):
            yield RawRow(number, fault=f"no row of CSV: {cells.detail}", raw=raw)
        elif len(cells) != len(file.columns):
            fault = f"the row must have {len(file.columns)} columns, got {len(cells)}"
            yield RawRow(number, fault=fault, raw=raw)
        elif any("\udc80" <= sign <= "\udcff" for cell in cells if not cell.isascii() for sign in cell):
            yield RawRow(number, fault="not UTF-8", raw=raw)
        else:
            yield RawRow(number, {n: _number(n, c) for n, c in zip(file.columns, cells, strict=True)}, "", raw)


def _number(name: str, cell: str) -> Any:
    """Return a cell, as a number where its column is one of labels or scores."""
    if name.lower() not in ("label", "labels", "score", "scores", "similarity", "relevance"):
        return cell
    try:
        return float(cell)
    except ValueError:
        return cell


def _read_parquet(file: SetFile) -> Iterator[RawRow]:
    line = 1
    try:
        with pq.ParquetFile(file.path) as reader:
            for batch in reader.iter_batches(_ROWS):
                yield from _rows_of(batch, line)
                line += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0][:200]
        yield RawRow(line, fault=f"not a whole Parquet file: {said}; what follows cannot be read")


def _rows_of(batch: pa.RecordBatch, line: int) -> Iterator[RawRow]:
    try:
        made: list[dict[str, Any]] = batch.to_pylist()
    except (UnicodeDecodeError, ValueError, OverflowError, pa.ArrowException):
        for place in range(batch.num_rows):
            try:
                yield RawRow(line + place, batch.slice(place, 1).to_pylist()[0])
            except (UnicodeDecodeError, ValueError, OverflowError, pa.ArrowException) as error:
                yield RawRow(line + place, fault=f"a value cannot be read: {str(error)[:160]}")
        return
    yield from (RawRow(line + place, values) for place, values in enumerate(made))
