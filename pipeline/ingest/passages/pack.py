"""Pieces of a text are packed into passages: how many fit, which of the possible cuts is the best, what is repeated."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate


def pack(
    sizes: Sequence[int],
    strengths: Sequence[int],
    headings: Sequence[bool],
    most: int,
    overlap: int = 0,
) -> list[tuple[int, int]]:
    """Return passages as ranges of pieces; they follow each other, or overlap, and leave none out.

    In:  for each piece its tokens, the strength of the cut before it, and whether it is a heading; the tokens of a
         passage at most, and how many of these it may repeat of the one before.
    Out: ranges of at most ``most`` tokens; a piece that has more is a passage of its own.
    """
    before = [0, *accumulate(sizes)]  # tokens before each place
    found: list[tuple[int, int]] = []
    first = fresh = 0
    while fresh < len(sizes):
        last = fresh + 1
        while last < len(sizes) and before[last + 1] - before[first] <= most:
            last += 1
        if last < len(sizes):
            last = _best_cut(before, strengths, headings, first, fresh, last)
        found.append((first, last))
        first = _step_back(before, headings, first, last, most, overlap) if last < len(sizes) else last
        fresh = last
    return found


def _best_cut(
    before: Sequence[int],
    strengths: Sequence[int],
    headings: Sequence[bool],
    first: int,
    fresh: int,
    last: int,
) -> int:
    """Return where a passage that could reach to ``last`` ends: at the strongest cut of its second half, the last such.

    A cut behind a heading is the weakest of all; one that leaves a small rest to the end of the text is avoided.
    """
    total = before[last] - before[first]
    best = (False, -2, last)
    for cut in range(last, fresh, -1):
        if 2 * (before[cut] - before[first]) < total:
            break
        leaves_enough = 4 * (before[-1] - before[cut]) >= total
        best = max(best, (leaves_enough, -1 if headings[cut - 1] else strengths[cut], cut))
    return best[2]


def _step_back(
    before: Sequence[int],
    headings: Sequence[bool],
    first: int,
    last: int,
    most: int,
    overlap: int,
) -> int:
    """Return where the next passage begins, so that it repeats what it may and has room for a new piece."""
    start = last
    while (
        not headings[last]
        and start - 1 > first
        and before[last] - before[start - 1] <= overlap
        and before[last + 1] - before[start - 1] <= most
    ):
        start -= 1
    return start
