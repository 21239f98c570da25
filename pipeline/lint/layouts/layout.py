"""What a row of a training set says, whatever its layout: a query, and texts that answer it or do not."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

POSITIVE, NEGATIVE, PAIRED = range(3)
ROLES = ("positive", "negative", "paired")
DOMAINS = ("domain", "source", "dataset", "dataset_name", "subset", "corpus", "category", "task_name")

Values = Mapping[str, Any]


class RowFaultError(Exception):
    """A row that does not say what its layout wants; the text says why."""


@dataclass(frozen=True)
class Passage:
    """A text beside a query: whether it answers it (``role``), its place in the row, and its score if it has one."""

    role: int
    text: str
    place: str
    score: float = math.nan


@dataclass(frozen=True)
class Parts:
    """What one row says; ``notes`` are what is wrong with its scores."""

    query: str
    passages: Sequence[Passage]
    domain: str = ""
    notes: tuple[str, ...] = ()


class Reading(Protocol):
    """How the rows of one file are read."""

    @property
    def layout(self) -> str:
        """Name of the layout."""
        ...

    @property
    def told(self) -> str:
        """Which column is what, for people."""
        ...

    def parts(self, values: Values) -> Parts:
        """Return what a row says. Raises: RowFaultError."""
        ...

    def without(self, values: Values, dropped: Collection[str]) -> tuple[dict[str, Any], int]:
        """Return the row without the passages at these places, and how many negatives its columns then are short of."""
        ...


class Layout(Protocol):
    """A layout: told by the first rows of a file."""

    @property
    def name(self) -> str:
        """What the layout is called."""
        ...

    def read(self, rows: Sequence[Values], columns: Sequence[str]) -> Reading | None:
        """Return how such rows are read, by the columns that are named if any; None for rows of another layout."""
        ...


def as_text(value: object, name: str) -> str:
    """Return a cell as text: nothing for a missing one. Raises: RowFaultError for what is no text."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str):
        return value
    raise RowFaultError(f"{name} must be a text, got {type(value).__name__}")


def as_score(value: object) -> float:
    """Return a score as a number; NaN for what is none."""
    if isinstance(value, bool):
        return float(value)
    return float(value) if isinstance(value, int | float) and abs(value) < 1e300 else math.nan


def domain_of(values: Values) -> str:
    """Return the domain that a row names, nothing where it names none."""
    found = next((values[name] for name in DOMAINS if values.get(name) not in (None, "")), "")
    return found if isinstance(found, str) else str(found) if isinstance(found, int) else ""
