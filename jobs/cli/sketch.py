"""A path as a source of a recipe: its format and settings as they look, and its first rows as documents."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any

import pyarrow.parquet as pq

from jobs.cli.findings import find_missing
from jobs.cli.guess import ROWS, guess_delimiter, guess_encoding, guess_fields, has_header, read_cells
from pipeline.ingest.config import SourceConfig, make_source
from pipeline.ingest.files import formats_in, list_files
from pipeline.ingest.preview import read_first
from pipeline.locations import is_uri, name_folder
from pipeline.readers.compression import open_unit
from pipeline.readers.config import ReaderConfig
from pipeline.readers.records import DOCUMENT, Record
from pipeline.readers.registry import FORMATS
from pipeline.readers.unit import DOCUMENTS, SourceFile, Unit
from schemas.errors import RecipeError

_HEAD = 1 << 20  # bytes of a file that are looked at
_SHAPES = 50  # files of a folder whose headers are looked at
_SHOWN = 3
_TABLES = ("csv", "tsv", "jsonl", "json", "parquet")


@dataclass
class Sketch:
    """A source as it looks: its settings, what is said beside them, its evaluation sets and its first documents."""

    settings: dict[str, Any]
    files: int
    size: int
    remarks: list[str] = field(default_factory=list)
    sets: list[dict[str, Any]] = field(default_factory=list)
    documents: list[Record] = field(default_factory=list)
    rejects: list[Record] = field(default_factory=list)

    @property
    def source(self) -> SourceConfig:
        """The source, with its path as it was given."""
        return make_source(**self.settings)


def sketch_path(path: str) -> list[Sketch]:
    """Return the sources that a path holds: one a format, one a header where tables differ.

    Raises: RecipeError when there is nothing, or nothing of a known format.
    """
    if not is_uri(path) and not any(sign in path for sign in "*?[") and not Path(path).exists():
        raise RecipeError(find_missing("PATH", path).text)
    stem = name_folder(Path(path).resolve().name.partition(".")[0].strip("*?[]") or "documents")
    formats = formats_in(path, "another name for the files, or a recipe written by hand")
    found: list[Sketch] = []
    for form in formats:
        name = stem if len(formats) == 1 else f"{stem}-{form}"
        source = make_source(name=name, format=form, path=path, **_split_of(form, path))
        files = list_files(source)
        parts = _part_by_shape(files, form) if form in ("csv", "tsv") else [files]
        for part in parts:
            place = path if len(parts) == 1 else part[0].location
            own = name if len(parts) == 1 else name_folder(Path(part[0].path).name.partition(".")[0])
            found.append(_sketch_source(own, form, place, part))
    return found


def _split_of(form: str, path: str) -> dict[str, Any]:
    """Return which split of a folder of a fixed layout trains: train, or none."""
    if not FORMATS[form].layout:
        return {}
    return {"split": "train" if "train" in _splits_in(form, path) else None}


def _splits_in(form: str, path: str) -> list[str]:
    before, _, after = FORMATS[form].layout["qrels"].partition("{}")
    places = sorted(Path(path).glob(f"{before}*{after}*"))
    return list(dict.fromkeys(str(each.relative_to(path)).removeprefix(before).partition(after)[0] for each in places))


def _part_by_shape(files: Sequence[SourceFile], form: str) -> list[list[SourceFile]]:
    """Return the files together when their headers agree, each by itself when they do not.

    Raises: RecipeError when there are more headers than sources that anybody would want.
    """
    headers = {_read_head(file, "latin-1").partition("\n")[0] for file in files[:_SHAPES]}
    if len(headers) == 1 or len(files) == 1:
        return [list(files)]
    if len(files) > _SHAPES:
        raise RecipeError(
            f"PATH must name {form} files with one header, got {len(headers)} in {len(files)}; try a glob"
        )
    return [[file] for file in files]


def _sketch_source(name: str, form: str, path: str, files: Sequence[SourceFile]) -> Sketch:
    settings: dict[str, Any] = {"name": name, "format": form, "path": path, **_split_of(form, path)}
    sketch = Sketch(settings, len(files), sum(file.size for file in files))
    if form not in ("parquet", "pdf", "html", "warc") and not FORMATS[form].layout:
        data = b"".join(_read_bytes(file) for file in files[:_SHOWN])
        encoding = guess_encoding(data, files[0].path)
        if encoding != "utf-8":
            settings["encoding"] = encoding
            sketch.remarks.append(f"not UTF-8: {encoding} by its look; compare the rows below")
    if form in _TABLES:
        _sketch_table(sketch, files[0])
    if FORMATS[form].layout:
        splits = [split for split in _splits_in(form, path) if split != settings["split"]]
        sketch.sets = [{"name": f"{name}-{split}", "path": path, "split": split} for split in splits if form == "beir"]
    for record in read_first(sketch.source, [file for file in files if file.role == DOCUMENTS], ROWS):
        (sketch.documents if record.kind == DOCUMENT else sketch.rejects).append(record)
    return sketch


def _sketch_table(sketch: Sketch, file: SourceFile) -> None:
    """Add delimiter, columns, the place of the array, and the fields of a table."""
    settings = sketch.settings
    rows = list(islice(_read_rows(file, settings, sketch.remarks), ROWS))
    fields = guess_fields(rows)
    if not fields:
        has = ", ".join(dict.fromkeys(name for row in rows for name in row))
        sketch.remarks.append(f"no column looks like texts, of: {has or 'none'}; name it in fields.text")
    defaults = {"id": ("id", "_id")}
    named = {ours: theirs for ours, theirs in fields.items() if theirs not in defaults.get(ours, (ours,))}
    if named:
        settings["fields"] = named
    if "domain" in fields:
        sketch.remarks.append(f"domains are those of {fields['domain']}; leave fields.domain out for one domain")


def _read_rows(file: SourceFile, settings: dict[str, Any], remarks: list[str]) -> Iterator[Mapping[str, Any]]:
    form, encoding = settings["format"], settings.get("encoding", "utf-8")
    if form == "parquet":
        with pq.ParquetFile(file.location) as table:
            for batch in islice(table.iter_batches(batch_size=ROWS), 1):
                yield from batch.to_pylist()
    elif form in ("csv", "tsv"):
        yield from _read_table(_read_head(file, encoding), settings, remarks)
    elif form == "jsonl":
        for line in _read_head(file, encoding).split("\n"):
            row = _parse(line)
            if isinstance(row, dict):
                yield row
    else:
        yield from _find_array(_parse(_read_head(file, encoding, 64 * _HEAD)), settings)


def _read_table(text: str, settings: dict[str, Any], remarks: list[str]) -> Iterator[Mapping[str, Any]]:
    delimiter = "\t"
    if settings["format"] == "csv" and (delimiter := guess_delimiter(text)) != ",":
        settings["delimiter"] = delimiter
    cells = (
        read_cells(text, delimiter)
        if settings["format"] == "csv"
        else [line.split("\t") for line in text.splitlines()[:ROWS]]
    )
    if not cells:
        return
    names = cells[0]
    if not has_header(cells):
        names = [f"column{place}" for place in range(1, len(cells[0]) + 1)]
        settings["columns"] = names
        remarks.append("the first row is no header by its look: the columns have names of ours")
    for row in cells[0 if "columns" in settings else 1 :]:
        if len(row) == len(names):
            yield dict(zip(names, row, strict=True))


def _find_array(value: Any, settings: dict[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of a JSON file's array, and note where it is; SQuAD is a format of its own."""
    if isinstance(value, dict):
        data = value.get("data")
        if isinstance(data, list) and data and isinstance(data[0], dict) and "paragraphs" in data[0]:
            settings["format"] = "squad"
            return
        arrays = [(key, each) for key, each in _arrays_in(value)]
        if not arrays:
            return
        settings["items"], value = max(arrays, key=lambda each: len(each[1]))
    yield from (each for each in value or () if isinstance(each, dict))


def _arrays_in(value: Mapping[str, Any], where: str = "", depth: int = 0) -> Iterator[tuple[str, list[Any]]]:
    for key, each in value.items():
        place = f"{where}.{key}" if where else str(key)
        if isinstance(each, list) and each and isinstance(each[0], dict):
            yield place, each
        elif isinstance(each, dict) and depth < 3:
            yield from _arrays_in(each, place, depth + 1)


def _parse(text: str) -> Any:
    try:
        return json.loads(text, strict=False) if text.strip() else None
    except (ValueError, RecursionError):
        return None


def _read_head(file: SourceFile, encoding: str, most: int = _HEAD) -> str:
    """Return the first lines of a file, whole ones as far as there are."""
    data = _read_bytes(file, most)
    whole = data if len(data) < most else data[: data.rfind(b"\n") + 1]
    return whole.decode(encoding, "replace").removeprefix("\ufeff")


def _read_bytes(file: SourceFile, most: int = _HEAD) -> bytes:
    """Return the beginning of a file, unpacked."""
    unit = Unit("s", file.role, file.path, file.location, file.domain, 0, file.size, 1, file.size)
    handle: IO[bytes]
    with open_unit(unit, ReaderConfig(name="s", format="jsonl")) as handle:
        return handle.read(most)
