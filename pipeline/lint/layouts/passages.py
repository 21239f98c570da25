"""Rows of a query and passages with ids and titles, as Tevatron reads them.

    {"query_id": "q", "query": "...", "positive_passages": [{"docid": "d", "title": "", "text": "..."}],
     "negative_passages": [...]}

A passage is compared as it is trained on: its title before its text.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.lint.layouts.layout import (
    NEGATIVE,
    POSITIVE,
    Parts,
    Passage,
    Reading,
    RowFaultError,
    Values,
    as_text,
    domain_of,
)

NAME = "tevatron"
_LISTS = {POSITIVE: "positive_passages", NEGATIVE: "negative_passages"}


@dataclass(frozen=True)
class PassagesReading:
    """The one way to read such rows."""

    layout: str = NAME
    told: str = "query, positive_passages, negative_passages (title before text)"

    def parts(self, values: Values) -> Parts:
        """Return the texts of a row."""
        passages: list[Passage] = []
        for role, name in _LISTS.items():
            held = values.get(name)
            if not isinstance(held, list | None):
                raise RowFaultError(f"{name} must be a list of passages, got {type(held).__name__}")
            for place, each in enumerate(held or ()):
                passages.append(Passage(role, _text_of(each, f"{name}[{place}]"), f"{name}[{place}]"))
        return Parts(as_text(values.get("query"), "query"), passages, domain_of(values))

    def without(self, values: Values, dropped: Collection[str]) -> tuple[dict[str, Any], int]:
        """Return the row without these passages."""
        row = dict(values)
        for name in _LISTS.values():
            held = values.get(name) or []
            row[name] = [each for place, each in enumerate(held) if f"{name}[{place}]" not in dropped]
        return row, 0


@dataclass(frozen=True)
class Passages:
    """The layout."""

    name: str = NAME

    def read(self, rows: Sequence[Values], columns: Sequence[str]) -> Reading | None:
        """Return how to read rows that have the passages by their names."""
        return PassagesReading() if any(_LISTS[POSITIVE] in row for row in rows) and not columns else None


def _text_of(passage: object, place: str) -> str:
    if isinstance(passage, str):
        return passage
    if not isinstance(passage, dict) or not {"text", "contents"} & set(passage):
        raise RowFaultError(f"{place} must be a passage with a text, got {str(passage)[:60]!r}")
    title = as_text(passage.get("title"), f"{place}.title")
    text = as_text(passage.get("text", passage.get("contents")), f"{place}.text")
    return f"{title} {text}".strip() if title else text
