"""Texts are cut into passages: pieces counted for many texts at a time, packed, rendered, and counted again.

Tokens of a whole are not always the sum of its pieces' tokens. So each finished passage is counted, and a text of which
one came out too long is packed anew with less.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.ingest.passages.pack import pack
from pipeline.ports import TokenCounter
from pipeline.sentences import Piece, find_pieces, halve
from pipeline.text import one_line

_PATH = " > "
_HEADER_SHARE = 4  # a header takes at most this part of the budget
Count = Callable[[Sequence[str]], Sequence[int]]


@dataclass(frozen=True)
class Budget:
    """Tokens of a passage at most, special ones included; how many it may repeat; whether it begins with a header."""

    tokens: int
    overlap: int = 0
    header: bool = False


class Passage(NamedTuple):
    """A span of a parent's text, and what it became."""

    start: int
    end: int
    title: str
    text: str
    tokens: int


@dataclass
class _Draft:
    """A document on its way: its pieces with their tokens, the limit in force, and the spans packed."""

    text: str
    title: str
    limit: int
    pieces: list[Piece] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)


def cut_texts(
    texts: Sequence[str],
    titles: Sequence[str],
    counter: TokenCounter,
    wanted: Budget,
) -> list[list[Passage]]:
    """Cut the texts that exceed the budget; one that fits gives no passage."""
    count, budget = counter.count, wanted.tokens - counter.around
    whole = count(texts)
    found: list[list[Passage]] = [[] for _ in texts]
    room = budget - budget // _HEADER_SHARE if wanted.header else budget
    drafts = {place: _Draft(texts[place], titles[place], room) for place in range(len(texts)) if whole[place] > budget}
    for draft in drafts.values():
        draft.pieces = find_pieces(draft.text)
    pending = dict(drafts)
    while pending:
        _refine(list(pending.values()), count)
        for draft in pending.values():
            strengths = [piece.strength for piece in draft.pieces]
            is_heading = [bool(piece.heading) for piece in draft.pieces]
            overlap = min(wanted.overlap, draft.limit // 2)
            draft.spans = pack(draft.sizes, strengths, is_heading, draft.limit, overlap)
        made = _render(pending, count, budget // _HEADER_SHARE if wanted.header else 0)
        excess = {place: max(0, max(each.tokens for each in passages) - budget) for place, passages in made.items()}
        for place, passages in made.items():
            found[place] = [each._replace(tokens=each.tokens + counter.around) for each in passages]
        pending = {place: draft for place, draft in pending.items() if excess[place] and draft.limit > 1}
        for place, draft in pending.items():
            draft.limit = max(1, draft.limit - excess[place])
    return found


def _refine(drafts: Sequence[_Draft], count: Count) -> None:
    """Count the pieces, and halve those over the limit until none is, or it is one character."""
    wanted = [draft for draft in drafts if not draft.sizes or max(draft.sizes) > draft.limit]
    for draft in wanted:
        draft.sizes = []
    while wanted:
        sizes = iter(count([draft.text[piece.start : piece.end] for draft in wanted for piece in draft.pieces]))
        for draft in wanted:
            draft.sizes = [next(sizes) for _ in draft.pieces]
        wanted = [draft for draft in wanted if _halve_long(draft)]


def _halve_long(draft: _Draft) -> bool:
    pieces: list[Piece] = []
    for piece, size in zip(draft.pieces, draft.sizes, strict=True):
        too_long = size > draft.limit and piece.end - piece.start > 1
        pieces += halve(draft.text, piece) if too_long else [piece]
    changed = len(pieces) > len(draft.pieces)
    draft.pieces = pieces
    return changed


def _render(drafts: Mapping[int, _Draft], count: Count, header: int) -> dict[int, list[Passage]]:
    """Return the passages of each document with their tokens; headers take at most so many of these."""
    made = {place: _passages_of(draft) for place, draft in drafts.items()}
    if header:
        _add_headers(made, count, header)
    sizes = iter(count([passage.text for passages in made.values() for passage, _ in passages]))
    return {
        place: [passage._replace(tokens=next(sizes)) for passage, _ in passages] for place, passages in made.items()
    }


Titled = list[tuple[Passage, list[str]]]


def _passages_of(draft: _Draft) -> Titled:
    """Return title and text of each span, and the titles above it."""
    above = _titles_above(draft.pieces)
    found: Titled = []
    for first, last in draft.spans:
        start, end = draft.pieces[first].start, draft.pieces[last - 1].end
        body = first
        while body < last and draft.pieces[body].heading:
            body += 1
        path = [draft.title, *above[body - 1 if body > first else first]]
        has_title = (body > first or first == 0) and body < last
        title = one_line(path.pop()) if has_title else ""
        text = draft.text[draft.pieces[body].start if has_title else start : end].strip()
        found.append((Passage(start, end, title, text, 0), [one_line(each) for each in path if each.strip()]))
    return found


def _titles_above(pieces: Sequence[Piece]) -> list[list[str]]:
    """Return the headings that each piece stands under, its own included."""
    found: list[list[str]] = []
    stack: list[Piece] = []
    for piece in pieces:
        if piece.heading:
            stack = [*(each for each in stack if each.level < piece.level), piece]
        found.append([each.heading for each in stack])
    return found


def _add_headers(made: Mapping[int, Titled], count: Count, most: int) -> None:
    """Put the titles above it before each passage; what is over the room for it falls away from the top."""
    paths = {tuple(path[at:]) for passages in made.values() for _, path in passages for at in range(len(path))}
    headers = sorted(_PATH.join(path) + "\n" for path in paths)
    sizes = dict(zip(headers, count(headers), strict=True))
    for passages in made.values():
        for place, (passage, path) in enumerate(passages):
            fitting = [_PATH.join(path[at:]) + "\n" for at in range(len(path))]
            header = next((each for each in fitting if sizes[each] <= most), "")
            passages[place] = passage._replace(text=header + passage.text), path
