"""A training set as numbers: rows, their texts and roles, in arrays, so that 100,000 triplets are some megabytes."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.lint.files import RawRow, SetFile, read_head, read_rows
from pipeline.lint.layouts.layout import NEGATIVE, POSITIVE, Reading, RowFaultError
from pipeline.lint.layouts.registry import find_reading
from pipeline.lint.texts import Texts, TextWriter
from pipeline.similarity.shingles import I64
from schemas.errors import RecipeError, rule

F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
_SHOWN = 3


@dataclass(frozen=True)
class Place:
    """A row that cannot be read, or something to say of one: its file, its line, why, and its bytes."""

    file: int
    line: int
    why: str
    raw: bytes = b""


@dataclass(frozen=True)
class TrainingSet:
    """R rows and the M texts beside their queries (passages), in the order of the files.

    ``file``, ``line``, ``query`` (a text), ``domain`` (-1 = none) are of rows, (R,); ``row``, ``role``, ``place`` (in
    the row), ``text`` and ``score`` are of passages, (M,). ``bad`` are rows that could not be read, ``notes`` what is
    wrong with scores.
    """

    files: Sequence[SetFile]
    readings: Sequence[Reading]
    texts: Texts
    domains: Sequence[str]
    places: Sequence[str]
    file: I64
    line: I64
    query: I64
    domain: I64
    row: I64
    role: I64
    place: I64
    text: I64
    score: F64
    bad: Sequence[Place] = ()
    notes: Sequence[tuple[int, str]] = field(default=())

    def __len__(self) -> int:
        return len(self.query)

    @cached_property
    def is_positive(self) -> Bools:
        """Which passages answer, (M,)."""
        return np.asarray(self.role == POSITIVE)

    @cached_property
    def is_negative(self) -> Bools:
        """Which passages do not answer, (M,)."""
        return np.asarray(self.role == NEGATIVE)

    @cached_property
    def starts(self) -> I64:
        """Where each row's passages begin and the last one's end, (R + 1,)."""
        found: I64 = np.searchsorted(self.row, np.arange(len(self) + 1))
        return found

    def where(self, row: int) -> str:
        """Return the file and line of a row."""
        return f"{self.files[self.file[row]].path}:{self.line[row]}"


class SetBuilder:
    """Makes a training set of rows, one at a time."""

    def __init__(self, folder: Path) -> None:
        """Begin; the texts go to a file in the folder."""
        self.texts = TextWriter(folder)
        self._of_rows = {name: array("q") for name in ("file", "line", "query", "domain")}
        self._of_passages = {name: array("q") for name in ("row", "role", "place", "text")}
        self._score = array("d")
        self._domains, self._places = dict[str, int](), dict[str, int]()
        self.bad: list[Place] = []
        self._notes: list[tuple[int, str]] = []

    def add(self, file: int, raw: RawRow, reading: Reading) -> None:
        """Take a row, or say why it is none."""
        if raw.fault:
            self.bad.append(Place(file, raw.line, raw.fault, raw.raw))
            return
        try:
            parts = reading.parts(raw.values)
        except RowFaultError as error:
            self.bad.append(Place(file, raw.line, str(error), raw.raw or repr(raw.values).encode("utf-8", "replace")))
            return
        number = len(self._of_rows["query"])
        domain = self._domains.setdefault(parts.domain, len(self._domains)) if parts.domain else -1
        for name, value in (
            ("file", file),
            ("line", raw.line),
            ("query", self.texts.add(parts.query)),
            ("domain", domain),
        ):
            self._of_rows[name].append(value)
        for each in parts.passages:
            place = self._places.setdefault(each.place, len(self._places))
            for name, value in (
                ("row", number),
                ("role", each.role),
                ("place", place),
                ("text", self.texts.add(each.text)),
            ):
                self._of_passages[name].append(value)
            self._score.append(each.score)
        self._notes += [(number, note) for note in parts.notes]

    def close(self, files: Sequence[SetFile], readings: Sequence[Reading]) -> TrainingSet:
        """Return the set."""
        arrays = {name: np.asarray(held, np.int64) for name, held in {**self._of_rows, **self._of_passages}.items()}
        return TrainingSet(
            files,
            readings,
            self.texts.close(),
            tuple(self._domains),
            tuple(self._places),
            **arrays,
            score=np.asarray(self._score, np.float64),
            bad=self.bad,
            notes=self._notes,
        )


def read_set(
    files: Sequence[SetFile],
    folder: Path,
    layout: str | None = None,
    columns: Sequence[str] = (),
    count: Callable[[int], None] = lambda _: None,
) -> TrainingSet:
    """Read a training set; its texts go to a file in the folder, ``count`` hears of every row.

    Raises: RecipeError when a file has no row that can be read, with its first lines' faults.
    """
    readings, faults = [], []
    for file in files:
        head = read_head(file)
        if not head:
            bad = [f"line {row.line}: {row.fault}" for row, _ in zip(read_rows(file), range(_SHOWN), strict=False)]
            got = f"{file.path}; {'; '.join(bad)}" if bad else f"{file.path}, which has none"
            faults.append(rule("FILE", "a file with rows that can be read", got))
            continue
        try:
            readings.append(find_reading(str(file.path), head, layout, columns))
        except RecipeError as error:
            faults += error.faults
    if faults:
        raise RecipeError(faults)
    builder = SetBuilder(folder)
    for number, (file, reading) in enumerate(zip(files, readings, strict=True)):
        for raw in read_rows(file):
            builder.add(number, raw, reading)
            count(1)
    found = builder.close(files, readings)
    if not len(found):
        first = found.bad[0]
        got = f"{files[first.file].path}:{first.line} {first.why}"
        raise RecipeError(rule("FILE", "rows of a query and its texts", got, "--layout or --columns"))
    return found
