"""A file of a source, and the part of one that a task reads at a go."""

from __future__ import annotations

from dataclasses import dataclass

DOCUMENTS, QUERIES, QRELS = ROLES = ("documents", "queries", "qrels")


@dataclass(frozen=True)
class SourceFile:
    """One file of a source; ``role`` is documents, queries or qrels."""

    path: str
    location: str
    size: int
    role: str = DOCUMENTS
    domain: str | None = None
    identity: str | None = None  # of a remote file: what its store tells it by


@dataclass(frozen=True)
class Unit:
    """A file, or the part of it between two byte offsets (lines) or row groups (Parquet)."""

    source: str
    role: str
    path: str
    location: str
    domain: str | None
    start: int
    end: int
    line: int
    size: int
