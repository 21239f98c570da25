"""What a check finds: which rows and texts, of how many that it looked at, and what it says of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from pipeline.lint.context import Lint
from pipeline.similarity.shingles import I64

FAULT, WARNING = "fault", "warning"


@dataclass(frozen=True)
class Kind:
    """One thing that may be found. What is a fault fails the set; what ``removes`` is taken out by a fix."""

    name: str
    says: str
    level: str = FAULT
    removes: bool = False


@dataclass(frozen=True)
class Found:
    """What was found of one kind: places in the set, each a row or (``passage`` from 0 on) a text of one.

    ``of`` says how many were looked at, in ``unit``; ``is_sample``: those were drawn, others there may be more.
    ``tell`` explains one place; ``summary`` and ``figures`` say what holds of the set as a whole, found or not
    (``is_found``).
    """

    kind: Kind
    row: I64
    passage: I64
    of: int
    unit: str
    tell: Callable[[int], str] = lambda _: ""
    summary: str = ""
    is_found: bool = False
    is_sample: bool = False
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many places were found."""
        return len(self.row)

    def __bool__(self) -> bool:
        return self.is_found or self.count > 0


@dataclass(frozen=True)
class LeftOut:
    """A kind that was not looked for, and why."""

    kind: Kind
    why: str


Finding = Found | LeftOut


class Check(Protocol):
    """A module of ``checks``: what it may find, and how."""

    KINDS: Sequence[Kind]

    def find(self, lint: Lint) -> Iterator[Finding]:
        """Yield a finding for each kind, also where nothing was found."""
        ...


def in_rows(kind: Kind, lint: Lint, rows: I64, tell: Callable[[int], str] = lambda _: "", summary: str = "") -> Found:
    """Return what was found in whole rows, of all rows."""
    rows = np.asarray(rows, np.int64)
    return Found(kind, rows, np.full(len(rows), -1), len(lint.set), "rows", tell, summary)


def in_passages(
    kind: Kind, lint: Lint, passages: I64, of: int, unit: str, tell: Callable[[int], str] = lambda _: ""
) -> Found:
    """Return what was found in texts beside queries."""
    passages = np.asarray(passages, np.int64)
    return Found(kind, lint.set.row[passages], passages, of, unit, tell)
