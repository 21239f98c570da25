"""Rows of a query and lists of texts, as FlagEmbedding reads them: query, pos, neg, and scores of both.

The shards of pairwright are read so too: query, positive, negatives.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.lint.layouts.columns import QUERIES
from pipeline.lint.layouts.layout import (
    DOMAINS,
    NEGATIVE,
    POSITIVE,
    Parts,
    Passage,
    Reading,
    RowFaultError,
    Values,
    as_score,
    as_text,
    domain_of,
)
from schemas.errors import RecipeError, rule

NAME = "flagembedding"
_POSITIVES = ("pos", "positive", "positives", "pos_docs")
_NEGATIVES = ("neg", "negatives", "negative", "hard_negatives", "neg_docs")
_SCORES = {POSITIVE: ("pos_scores", "positive_scores"), NEGATIVE: ("neg_scores", "negative_scores")}
_BESIDE = {  # lists that have an element for each text
    POSITIVE: (*_SCORES[POSITIVE], "pos_id", "pos_ids"),
    NEGATIVE: (
        *_SCORES[NEGATIVE],
        *("neg_id", "neg_ids", "negative_ids", "negative_native_ids", "negative_fn", "negative_teacher"),
    ),
}


@dataclass(frozen=True)
class ListsReading:
    """Which column is what; ``negatives`` may be empty: pairs."""

    query: str
    positives: str
    negatives: str
    others: tuple[str, ...] = ()
    layout: str = NAME

    @property
    def told(self) -> str:
        """Say which column is what."""
        named = f"{self.query} = query, {self.positives} = positives"
        named += f", {self.negatives} = negatives" if self.negatives else ", no negatives"
        return named + (f"; not looked at: {', '.join(self.others)}" if self.others else "")

    def parts(self, values: Values) -> Parts:
        """Return the texts of a row with their scores."""
        notes: list[str] = []
        passages: list[Passage] = []
        for role, name in ((POSITIVE, self.positives), (NEGATIVE, self.negatives)):
            texts = _texts(values.get(name), name) if name else []
            scores = self._scores(values, role, len(texts), notes)
            passages += [
                Passage(role, text, f"{name}[{place}]", score)
                for place, (text, score) in enumerate(zip(texts, scores, strict=True))
            ]
        return Parts(as_text(values.get(self.query), self.query), passages, domain_of(values), tuple(notes))

    def _scores(self, values: Values, role: int, count: int, notes: list[str]) -> list[float]:
        name = next((name for name in _SCORES[role] if values.get(name) is not None), None)
        held = values[name] if name else None
        if held is None:
            return [float("nan")] * count
        if not isinstance(held, list) or len(held) != count:
            notes.append(
                f"{name} must be {count:,} numbers, one a text, got {len(held) if isinstance(held, list) else 1:,}"
            )
            return [float("nan")] * count
        scores = [as_score(value) for value in held]
        if any(score != score for score in scores):
            notes.append(f"{name} must be numbers, got {str(held)[:60]}")
        return scores

    def without(self, values: Values, dropped: Collection[str]) -> tuple[dict[str, Any], int]:
        """Return the row without these texts, and without what stands beside them in lists of the same length."""
        row = dict(values)
        for name, beside in ((self.positives, _BESIDE[POSITIVE]), (self.negatives, _BESIDE[NEGATIVE])):
            held = values.get(name) if name else None
            if not isinstance(held, list):
                continue
            kept = [place for place in range(len(held)) if f"{name}[{place}]" not in dropped]
            for each in (name, *beside):
                if isinstance(row.get(each), list) and len(row[each]) == len(held):
                    row[each] = [row[each][place] for place in kept]
        return row, 0


@dataclass(frozen=True)
class Lists:
    """The layout."""

    name: str = NAME

    def read(self, rows: Sequence[Values], columns: Sequence[str]) -> Reading | None:
        """Return which column is what: one of positives or negatives holds lists."""
        present = list(dict.fromkeys(name for row in rows for name in row))
        if columns:
            if not 2 <= len(columns) <= 3 or not set(columns) <= set(present):
                must_be = f"a query, positives and negatives among the columns ({', '.join(present)[:300]})"
                raise RecipeError(rule("--columns", must_be, ",".join(columns)))
            lists = [name for name in columns[1:] if _holds_lists(rows, name)]
            return self._make(present, *(*columns, "")[:3]) if lists else None
        query = next((name for name in QUERIES if name in present), None)
        positives = next((name for name in _POSITIVES if name in present), None)
        negatives = next((name for name in _NEGATIVES if name in present and _holds_lists(rows, name)), "")
        if not query or not positives or not (negatives or _holds_lists(rows, positives)):
            return None
        return self._make(present, query, positives, negatives)

    def _make(self, present: Sequence[str], query: str, positives: str, negatives: str = "") -> ListsReading:
        known = {query, positives, negatives, *_SCORES[POSITIVE], *_SCORES[NEGATIVE], *DOMAINS}
        return ListsReading(query, positives, negatives, tuple(n for n in present if n not in known), self.name)


def _holds_lists(rows: Sequence[Values], name: str) -> bool:
    held = [row[name] for row in rows if row.get(name) is not None]
    return bool(held) and sum(isinstance(value, list) for value in held) * 2 > len(held)


def _texts(value: object, name: str) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise RowFaultError(f"{name} must be a list of texts, got {type(value).__name__}")
    return [as_text(each, f"{name}[{place}]") for place, each in enumerate(value)]
