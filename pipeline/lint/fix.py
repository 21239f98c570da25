"""A cleaned copy of a training set in its own layout, and beside it every row and text that was taken out, with why.

What is left as it was is copied byte for byte (of Parquet: value for value, in the file's own types). A row that loses
its last positive or its last negative goes as a whole. A row of columns that loses one of several negatives has fewer
of them than its file has columns: it goes to a file of such rows, ``NAME-short-<how many>.SUFFIX``.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.lint.files import CSV, JSONL, PARQUET, RawRow, SetFile, read_rows
from pipeline.lint.findings import Finding, Found
from pipeline.lint.layouts.layout import ROLES
from pipeline.lint.rows import TrainingSet

REMOVED = "removed.jsonl"
UNREADABLE, NO_NEGATIVE_LEFT, NO_POSITIVE_LEFT = "unreadable", "no_negative_left", "no_positive_left"
_ROWS = 1024


@dataclass
class Removal:
    """What goes: whole rows with their reasons, and single texts (passages) with theirs."""

    rows: dict[int, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    passages: dict[int, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))


def plan_removal(rows: TrainingSet, findings: Iterable[Finding], also: Iterable[str] = ()) -> Removal:
    """Return what goes: what is found of kinds that a fix removes, and of the kinds named ``also``."""
    plan, named = Removal(), set(also)
    for finding in findings:
        if not isinstance(finding, Found) or not (finding.kind.removes or finding.kind.name in named):
            continue
        for place in range(finding.count):
            told = (finding.kind.name, finding.tell(place))
            passage = int(finding.passage[place])
            if passage < 0:
                plan.rows[int(finding.row[place])].append(told)
            else:
                plan.passages[passage].append(told)
    for row in {int(rows.row[passage]) for passage in plan.passages}:
        mine = range(int(rows.starts[row]), int(rows.starts[row + 1]))
        for is_one, why in ((rows.is_positive, NO_POSITIVE_LEFT), (rows.is_negative, NO_NEGATIVE_LEFT)):
            had = [passage for passage in mine if is_one[passage]]
            if had and all(passage in plan.passages for passage in had):
                plan.rows[row].append((why, ", ".join(sorted({plan.passages[each][0][0] for each in had}))))
        if all(passage in plan.passages for passage in mine) and not plan.rows[row]:
            plan.rows[row].append(plan.passages[mine[0]][0])
    return plan


def write_fixed(rows: TrainingSet, plan: Removal, out: Path) -> dict[str, int]:
    """Write the copy into a folder that is there and empty; return what was written and taken out.

    ``rows`` and ``rows_removed`` (unreadable ones too), ``texts_removed`` from rows that stay, ``files``.
    """
    counts: Counter[str] = Counter()
    number = 0
    bad = {(place.file, place.line): place for place in rows.bad}
    with (out / REMOVED).open("w", encoding="utf-8") as removed:
        for file_number, file in enumerate(rows.files):
            with _Copies(file, out, _relative(rows.files, file)) as copies:
                for raw in read_rows(file):
                    place = bad.get((file_number, raw.line))
                    if place is not None:
                        _say(removed, file, raw, [(UNREADABLE, place.why)])
                        counts["rows_removed"] += 1
                        continue
                    counts += _write_row(rows, plan, number, raw, copies, removed)
                    number += 1
            counts["files"] += copies.files
    return dict(counts)


def _write_row(
    rows: TrainingSet, plan: Removal, number: int, raw: RawRow, copies: _Copies, removed: io.TextIOBase
) -> Counter[str]:
    """Write a row, less what goes of it, and say what went."""
    file = rows.files[rows.file[number]]
    mine = range(int(rows.starts[number]), int(rows.starts[number + 1]))
    dropped = {rows.places[rows.place[each]]: each for each in mine if each in plan.passages}
    if number in plan.rows:
        _say(removed, file, raw, plan.rows[number])
        return Counter(rows_removed=1)
    if not dropped:
        copies.write(raw, None, 0)
        return Counter(rows=1)
    for name, passage in dropped.items():
        text = {"place": name, "role": ROLES[rows.role[passage]], "text": rows.texts[rows.text[passage]]}
        query = {"query": rows.texts[rows.query[number]]}
        _say(removed, file, RawRow(raw.line), plan.passages[passage], {**query, **text})
    values, short = rows.readings[rows.file[number]].without(raw.values, set(dropped))
    copies.write(raw, values, short)
    return Counter(rows=1, texts_removed=len(dropped))


def _say(
    removed: Any, file: SetFile, raw: RawRow, why: list[tuple[str, str]], what: Mapping[str, Any] | None = None
) -> None:
    line: dict[str, Any] = {"file": str(file.path), "line": raw.line, "reasons": [name for name, _ in why]}
    line["details"] = [detail for _, detail in why if detail]
    if what is not None:
        line |= what
    elif raw.values:
        line["row"] = raw.values
    else:
        line["raw"] = raw.raw.decode("utf-8", "replace").rstrip("\r\n")
    text = json.dumps(line, ensure_ascii=False, default=str)
    removed.write(text.encode("utf-8", "replace").decode("utf-8") + "\n")


def _relative(files: Iterable[SetFile], file: SetFile) -> Path:
    """Return where a file goes in the copy: below what all files share."""
    parents = [set(each.path.resolve().parents) for each in files]
    shared = max(set.intersection(*parents), key=lambda path: len(path.parts))
    return file.path.resolve().relative_to(shared)


class _Copies:
    """The copy of one file, and of its rows with fewer negatives than it has columns."""

    def __init__(self, file: SetFile, out: Path, place: Path) -> None:
        self._file, self._place = file, out / place
        self._stack, self._writers = ExitStack(), dict[int, Any]()
        self._place.parent.mkdir(parents=True, exist_ok=True)

    @property
    def files(self) -> int:
        return len(self._writers)

    def __enter__(self) -> _Copies:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def write(self, raw: RawRow, values: dict[str, Any] | None, short: int) -> None:
        """Write a row as it was, or the values that are left of it, ``short`` of so many columns."""
        if short not in self._writers:
            self._writers[short] = self._stack.enter_context(self._open(short, values or raw.values))
        self._writers[short].write(raw, values)

    def _open(self, short: int, values: dict[str, Any]) -> Any:
        place = self._place
        if short:
            base, suffixes = place.name, "".join(place.suffixes[-2:] if self._file.packed else place.suffixes[-1:])
            place = place.with_name(f"{base.removesuffix(suffixes)}-short-{short}{suffixes}")
        if self._file.kind == PARQUET:
            return _ParquetCopy(self._file, place, list(values))
        return _LineCopy(self._file, place, list(values))


class _LineCopy:
    """A file of JSON lines or cells, packed as its original."""

    def __init__(self, file: SetFile, place: Path, columns: list[str]) -> None:
        self._file, self._columns = file, columns
        opened = {".gz": gzip.open, ".bz2": bz2.open, ".zst": _open_zstd}.get(file.packed, open)
        self._out: Any = opened(place, "wb")  # type: ignore[operator]
        if file.kind != JSONL:
            self._out.write(self._cells(columns))

    def __enter__(self) -> _LineCopy:
        return self

    def __exit__(self, *_: object) -> None:
        self._out.close()

    def write(self, raw: RawRow, values: dict[str, Any] | None) -> None:
        if values is None:
            line = raw.raw if raw.raw.endswith((b"\n", b"\r")) else raw.raw + b"\n"
            self._out.write(line.removeprefix(b"\xef\xbb\xbf"))
        elif self._file.kind == JSONL:
            self._out.write(json.dumps(values, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
        else:
            self._out.write(self._cells([values.get(name, "") for name in self._columns]))

    def _cells(self, cells: list[Any]) -> bytes:
        if self._file.kind != CSV:
            return ("\t".join(map(str, cells)) + "\n").encode()
        text = io.StringIO()
        csv.writer(text, delimiter=self._file.delimiter, lineterminator="\n").writerow(cells)
        return text.getvalue().encode()


def _open_zstd(place: Path, _: str) -> Any:
    return pa.CompressedOutputStream(str(place), "zstd")


class _ParquetCopy:
    """A Parquet file of the types of its original, some thousand rows at a time."""

    def __init__(self, file: SetFile, place: Path, columns: list[str]) -> None:
        schema = pq.read_schema(file.path)
        self._schema = pa.schema([schema.field(name) for name in schema.names if name in columns], schema.metadata)
        self._writer = pq.ParquetWriter(place, self._schema)
        self._held: list[dict[str, Any]] = []

    def __enter__(self) -> _ParquetCopy:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._writer.close()

    def write(self, raw: RawRow, values: dict[str, Any] | None) -> None:
        self._held.append(raw.values if values is None else values)
        if len(self._held) == _ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._held:
            self._writer.write_table(pa.Table.from_pylist(self._held, schema=self._schema))
            self._held = []
