"""From the examples of a planned batch to texts, columns and masks: what the losses work on.

Every distinct text is embedded once. A column of the score matrix is a distinct document text; it may carry several
document ids, and it is a negative of a row only if none of them is known to answer the row's query, and if it is not
the query itself, which in sets of duplicate questions is a document too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.shards import Example


@dataclass(frozen=True)
class Batch:
    """B rows over Q distinct queries and D distinct documents; K is the largest number of negatives of a row.

    ``query_row`` (B,) int: the row's query. ``positive`` (B,) int: its positive's column. ``negatives`` (B, K) int:
    the columns of its negatives, -1 = none. ``allowed`` (B, D) bool: columns that may count as negatives of the row.
    ``positive_teacher`` (B,) and ``negative_teacher`` (B, K) float: cross-encoder scores, NaN = not labelled.
    """

    queries: list[str]
    documents: list[str]
    query_row: Tensor
    positive: Tensor
    negatives: Tensor
    allowed: Tensor
    positive_teacher: Tensor
    negative_teacher: Tensor

    def to(self, device: torch.device) -> Batch:
        """Return the batch with its tensors on a device."""
        moved = (getattr(self, name).to(device) for name in _TENSORS)
        return Batch(self.queries, self.documents, *moved)


_TENSORS = ("query_row", "positive", "negatives", "allowed", "positive_teacher", "negative_teacher")


def collate(examples: Sequence[Example], chosen: Sequence[Sequence[int]]) -> Batch:
    """Build a batch from examples and, per example, the numbers of the negatives to use.

    Ties: texts keep the order of first appearance, so the same examples give the same columns.
    """
    queries = _number(example.query for example in examples)
    documents = _number(_document_texts(examples, chosen))
    width = max((len(numbers) for numbers in chosen), default=0)
    negatives = torch.full((len(examples), width), -1, dtype=torch.long)
    teachers = torch.full((len(examples), width), math.nan)
    for row, (example, numbers) in enumerate(zip(examples, chosen, strict=True)):
        for place, number in enumerate(numbers):
            negatives[row, place] = documents[example.negatives[number]]
            teachers[row, place] = _teacher(example, number)
    positive = torch.tensor([documents[example.positive] for example in examples])
    return Batch(
        queries=list(queries),
        documents=list(documents),
        query_row=torch.tensor([queries[example.query] for example in examples]),
        positive=positive,
        negatives=negatives,
        allowed=_allowed(examples, chosen, documents, positive),
        positive_teacher=torch.tensor(
            [math.nan if e.positive_teacher is None else e.positive_teacher for e in examples]
        ),
        negative_teacher=teachers,
    )


def _document_texts(examples: Sequence[Example], chosen: Sequence[Sequence[int]]) -> list[str]:
    texts = [example.positive for example in examples]
    for example, numbers in zip(examples, chosen, strict=True):
        texts.extend(example.negatives[number] for number in numbers)
    return texts


def _number(texts: Iterable[str]) -> dict[str, int]:
    """Return distinct texts with their numbers, by first appearance."""
    return {text: number for number, text in enumerate(dict.fromkeys(texts))}


def _teacher(example: Example, number: int) -> float:
    """Return the negative's teacher score; the shards write -1 for "not labelled"."""
    if number >= len(example.negative_teacher) or example.negative_teacher[number] < 0:
        return math.nan
    return example.negative_teacher[number]


def _allowed(
    examples: Sequence[Example], chosen: Sequence[Sequence[int]], documents: dict[str, int], positive: Tensor
) -> Tensor:
    """Return (B, D) bool: False where the column holds a document that is known to answer the row's query."""
    columns: dict[str, set[int]] = {}
    positives_of: dict[str, set[int]] = {}
    for example, numbers in zip(examples, chosen, strict=True):
        columns.setdefault(example.positive_id, set()).add(documents[example.positive])
        positives_of.setdefault(example.query, set()).add(documents[example.positive])
        for number in numbers:
            columns.setdefault(example.negative_ids[number], set()).add(documents[example.negatives[number]])
    allowed = torch.ones((len(examples), len(documents)), dtype=torch.bool)
    allowed[torch.arange(len(examples)), positive] = False
    for row, example in enumerate(examples):
        known = set(positives_of[example.query])
        if example.query in documents:
            known.add(documents[example.query])
        for doc_id in (example.known_ids | {example.query_id}) & columns.keys():
            known |= columns[doc_id]
        allowed[row, sorted(known)] = False
    return allowed
