"""Rows of one text a column, as sentence-transformers reads them: anchor, positive, negative_1 .. negative_n.

Its trainer takes the texts in the order of the columns, whatever their names are; so are they read here where the names
say nothing. A column of labels or scores makes pairs: 1 answers, 0 does not; a score in between says neither.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.lint.layouts.layout import (
    DOMAINS,
    NEGATIVE,
    PAIRED,
    POSITIVE,
    Parts,
    Passage,
    Reading,
    Values,
    as_score,
    as_text,
    domain_of,
)
from schemas.errors import RecipeError, rule

NAME = "sentence-transformers"
QUERIES = ("anchor", "query", "question", "queries", "sentence1", "sentence_1", "sentence_a", "sentence_0", "text1")
POSITIVES = ("positive", "pos", "answer", "passage", "document", "context", "positive_passage", "sentence2")
SECOND = ("sentence_2", "sentence_b", "text2", "response", "doc", "text")  # where no other name is a positive's
LABELS = ("label", "labels", "score", "scores", "similarity", "relevance")
_NEGATIVE = re.compile(r"(hard_?)?neg(ative)?s?(_?passage)?_?(\d*)", re.IGNORECASE)
_ID = re.compile(r"(_?id|idx|index|guid|uuid|url|.*_ids?|.*-id|docid|qid|pid|split|lang|language)", re.IGNORECASE)


@dataclass(frozen=True)
class ColumnsReading:
    """Which column is the query, the positive, which are negatives; ``label`` decides what the positive is."""

    query: str
    positive: str
    negatives: tuple[str, ...]
    label: str = ""
    is_binary: bool = False
    by_order: bool = False
    others: tuple[str, ...] = ()
    layout: str = NAME

    @property
    def told(self) -> str:
        """Say which column is what."""
        named = f"{self.query} = anchor, {self.positive} = {'document' if self.label else 'positive'}"
        if self.negatives:
            named += f", {', '.join(self.negatives[:3])}{' ...' * (len(self.negatives) > 3)} = negative"
        if self.label:
            named += f", {self.label} = {'1 answers, 0 does not' if self.is_binary else 'a score'}"
        order = " (by their order, as the trainer takes them: their names say nothing)" if self.by_order else ""
        rest = f"; not looked at: {', '.join(self.others)}" if self.others else ""
        return f"{named}{order}{rest}"

    def parts(self, values: Values) -> Parts:
        """Return the texts of a row."""
        role, score = POSITIVE, float("nan")
        notes: tuple[str, ...] = ()
        if self.label:
            score = as_score(values.get(self.label))
            role = PAIRED if not self.is_binary else POSITIVE if score >= 0.5 else NEGATIVE
            if score != score or (self.is_binary and score not in (0, 1)):
                must_be = "0 or 1" if self.is_binary else "a number"
                notes = (f"{self.label} must be {must_be}, got {str(values.get(self.label))[:40]!r}",)
        passages = [Passage(role, as_text(values.get(self.positive), self.positive), self.positive, score)]
        passages += [Passage(NEGATIVE, as_text(values[name], name), name) for name in self.negatives if name in values]
        return Parts(as_text(values.get(self.query), self.query), passages, domain_of(values), notes)

    def without(self, values: Values, dropped: Collection[str]) -> tuple[dict[str, Any], int]:
        """Return the row with the negatives that are left in the first of its columns."""
        names = [name for name in self.negatives if name in values]
        left = [values[name] for name in names if name not in dropped]
        row = {name: value for name, value in values.items() if name not in names[len(left) :]}
        return row | dict(zip(names, left, strict=False)), len(names) - len(left)


@dataclass(frozen=True)
class Columns:
    """The layout."""

    name: str = NAME

    def read(self, rows: Sequence[Values], columns: Sequence[str]) -> Reading | None:
        """Return which column is what: by the names given, by their own names, or by their order."""
        present = list(dict.fromkeys(name for row in rows for name in row))
        texts = [name for name in present if _holds_text(rows, name)]
        label = next((name for name in present if name.lower() in LABELS and _holds_numbers(rows, name)), "")
        if columns:
            missing = [name for name in columns if name not in present]
            if missing or len(columns) < 2:
                must_be = f"a query, a positive and negatives among the columns ({', '.join(present)[:300]})"
                raise RecipeError(rule("--columns", must_be, ",".join(columns)))
            return self._make(rows, present, list(columns), label, by_order=False)
        plain = {name.lower(): name for name in reversed(texts)}
        query = next((plain[name] for name in QUERIES if name in plain), None)
        answers = (plain[name] for name in (*POSITIVES, *SECOND) if name in plain and plain[name] != query)
        positive = next(answers, None)
        if query and positive:
            negatives = sorted((name for name in texts if _NEGATIVE.fullmatch(name)), key=_number)
            return self._make(rows, present, [query, positive, *negatives], label, by_order=False)
        plausible = [name for name in texts if not _ID.fullmatch(name) and name.lower() not in DOMAINS]
        return self._make(rows, present, plausible, label, by_order=True) if len(plausible) > 1 else None

    def _make(
        self, rows: Sequence[Values], present: Sequence[str], named: Sequence[str], label: str, *, by_order: bool
    ) -> ColumnsReading:
        label = label if label not in named and len(named) == 2 else ""
        held = {as_score(row.get(label)) for row in rows} if label else set()
        others = tuple(name for name in present if name not in named and name != label and name not in DOMAINS)
        return ColumnsReading(
            named[0], named[1], tuple(named[2:]), label, held <= {0.0, 1.0}, by_order, others, self.name
        )


def _holds_text(rows: Sequence[Values], name: str) -> bool:
    held = [row[name] for row in rows if row.get(name) is not None]
    return bool(held) and sum(isinstance(value, str) for value in held) * 2 > len(held)


def _holds_numbers(rows: Sequence[Values], name: str) -> bool:
    held = [row[name] for row in rows if row.get(name) is not None]
    return bool(held) and sum(isinstance(value, int | float) for value in held) * 2 > len(held)


def _number(name: str) -> tuple[int, str]:
    found = _NEGATIVE.fullmatch(name)
    return (int(found[4]) if found and found[4] else 0, name)
