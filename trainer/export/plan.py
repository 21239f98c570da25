"""How an export lays out the rows of a dataset, and what it counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from schemas.errors import RecipeError, rule
from schemas.training import TRIPLETS, TUPLES
from trainer.shards import Example, StageShards

SENTENCE_TRANSFORMERS = "sentence-transformers"
FILLED = 4  # negatives of a row that has none, where a trainer asks for some: as many as our own trains on

Passage = tuple[str, str]  # document id, text


@dataclass(frozen=True)
class Plan:
    """What an export was asked for: layout, most negatives of a row, what a row is, whether short ones are filled."""

    layout: str
    negatives: int | None = None
    rows: str | None = None
    pad: bool = False

    def check(self) -> None:
        """Raise every contradiction as a RecipeError."""
        found = []
        is_columns = self.layout == SENTENCE_TRANSFORMERS
        if self.negatives is not None and self.negatives < 0:
            found.append(rule("--negatives", "at least 0", self.negatives))
        if self.rows and not is_columns:
            found.append(rule("--rows", f"given for {SENTENCE_TRANSFORMERS} alone", self.layout))
        if self.pad and (self.layout == "beir" or (is_columns and self.kind != TUPLES)):
            must_be = "given with --negatives N, or for tuples: nothing else has a number of negatives to fill up to"
            found.append(rule("--pad", must_be, f"{self.layout}, {self.kind}" if is_columns else self.layout))
        elif self.pad and not is_columns and not self.negatives:
            found.append(rule("--pad", "given with --negatives N, the number to fill up to", self.negatives))
        if found:
            raise RecipeError(found)

    @property
    def kind(self) -> str:
        """What a row is, for sentence-transformers."""
        return self.rows or (TRIPLETS if self.negatives is None else TUPLES)


@dataclass(frozen=True)
class Row:
    """An example with the negatives that are written with it; ``own`` of them are its own, the others fill it up."""

    example: Example
    negatives: tuple[Passage, ...]
    own: int
    teacher: tuple[float, ...] | None  # of the negatives, where all of them and the positive have a score


def plan_rows(
    shards: StageShards, most: int | None, fill: int, counts: Counter[str], *, fill_empty: int = 0
) -> Iterator[Row]:
    """Yield the examples in the order of the batches, each with at most ``most`` negatives and, if it can be, ``fill``.

    One without any gets ``fill_empty``. A row is filled with the positives of its batch: the batches were planned so
    that none is known to answer another's query, and each is looked at once more. ``counts`` gets
    ``negatives_left_out`` (not usable, or more than ``most``) and ``filled`` (negatives of other rows).
    """
    for number in range(len(shards)):
        batch = shards.read(number)
        for place, example in enumerate(batch):
            chosen = example.usable()[:most]
            counts["negatives_left_out"] += len(example.negatives) - len(chosen)
            own = [(example.negative_ids[at], example.negatives[at]) for at in chosen]
            wanted = (fill if own else max(fill, fill_empty)) - len(own)
            more = list(_fill(batch, place, own, wanted)) if wanted > 0 else []
            counts["filled"] += len(more)
            yield Row(example, (*own, *more), len(own), None if more else _scores(example, chosen))


def _fill(batch: Sequence[Example], place: int, own: Sequence[Passage], wanted: int) -> Iterator[Passage]:
    """Yield positives of the rows that follow in the batch, from the front again after the last."""
    example = batch[place]
    answers = {key for each in batch if each.query == example.query for key in (each.positive_id, each.positive)}
    taken = {text for _, text in own}
    for each in (*batch[place + 1 :], *batch[:place]):
        if wanted <= 0:
            return
        doc_id, text = each.positive_id, each.positive
        if not {doc_id, text} & answers and text not in taken and example.may_oppose(doc_id, text):
            taken.add(text)
            wanted -= 1
            yield doc_id, text


def _scores(example: Example, chosen: Sequence[int]) -> tuple[float, ...] | None:
    if example.positive_teacher is None or not chosen or len(example.negative_teacher) < len(example.negatives):
        return None
    found = tuple(example.negative_teacher[at] for at in chosen)
    return found if min(found) >= 0 else None  # -1 = not labelled
