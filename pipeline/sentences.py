"""The places where a text may be cut, and how good each is: headings, paragraphs, sentences, lines, words, characters.

Pieces follow each other without a gap; white space belongs to the piece before it. Headings are those of Markdown
(``## x``) and underlined ones (Markdown, reST); sentences end at the marks of Western, Chinese, Japanese, Indic and
Arabic scripts; what stands in fenced code is lines.
Known weakness: numbered headings without marks are paragraphs; a sentence may seem to end at an abbreviation.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

CHARACTER, WORD, LINE, SENTENCE, PARAGRAPH, HEADING = range(6)

_FENCE = re.compile(r"[ \t]{0,3}(`{3,}|~{3,})")
_ATX = re.compile(r" {0,3}(#{1,6})[ \t]+")
_UNDERLINE = re.compile(r"[ \t]{0,3}([=\-~^\"'#*+])\1{2,}[ \t]*$")
_UNDERLINED_LEVELS = {"=": 1, "-": 2}
_LONGEST_HEADING = 200
_SENTENCE_END = re.compile(
    r"(?<![.!?…])[.!?…]++[\"'”’»)\]]*+\s++(?=[\"'“‘«(\[¿¡]*+[^\Wa-z_])"  # Latin, Greek, Cyrillic and their like
    r"|[。！？｡!?][\"'”’」』）】〕》]*+(?![。！？｡!?\"'”’」』）】〕》])(?=\s*+[\u3000-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef])\s*"
    r"|[।॥؟۔]\s*"
)
_SPACES = re.compile(r"\s+")


class Piece(NamedTuple):
    """A span of a text that is cut no further unless it is too long; ``strength`` is that of the cut before it.

    ``heading`` and ``level`` are set where the piece is a heading.
    """

    start: int
    end: int
    strength: int
    heading: str = ""
    level: int = 0


def find_pieces(text: str) -> list[Piece]:
    """Return the pieces of a text; together they cover every character."""
    found: list[Piece] = []
    for block in _blocks(text):
        found += [block] if block.heading else _sentences(text, block)
    return found


def halve(text: str, piece: Piece) -> list[Piece]:
    """Return a piece as two: cut at the white space nearest to its middle, else between two characters there."""
    middle = (piece.start + piece.end) // 2
    spaces = [gap.end() for gap in _SPACES.finditer(text, piece.start, piece.end) if gap.end() < piece.end]
    lead = piece.end - len(text[piece.start : piece.end].lstrip())
    spaces = [place for place in spaces if place > lead]
    cut = min(spaces, key=lambda place: (abs(place - middle), place), default=0)
    strength = WORD
    if not cut:
        cut, strength = max(middle, piece.start + 1), CHARACTER
        while cut < piece.end - 1 and unicodedata.combining(text[cut]):
            cut += 1
    return [Piece(piece.start, cut, piece.strength), Piece(cut, piece.end, strength)]


def _blocks(text: str) -> Iterator[Piece]:
    """Yield headings and paragraphs; the blank lines after each belong to it, those before the first one to that."""
    lines = list(_lines(text))
    held: Piece | None = None  # the block that is growing
    fence, is_open, at = "", False, 0
    while at < len(lines):
        line = text[slice(*lines[at])]
        mark, used, new = _FENCE.match(line), 1, None
        heading = None if fence or mark else _heading_at(text, lines, at)
        if fence:
            is_open = not (mark and mark[1].startswith(fence))
            fence = fence if is_open else ""
        elif heading:
            title, level, used = heading
            new, is_open = Piece(lines[at][0], 0, HEADING, title, level), False
        elif mark or (line.strip() and not is_open):
            new, fence, is_open = Piece(lines[at][0], 0, PARAGRAPH), mark[1] if mark else "", True
        elif not line.strip():
            is_open = False
        if new:
            if held:
                yield held
            held = new if held else new._replace(start=0)
        at += used
        held = held and held._replace(end=lines[at - 1][1])
    if held or text:
        yield held or Piece(0, len(text), PARAGRAPH)


def _lines(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield start, end
        start = end


def _heading_at(text: str, lines: list[tuple[int, int]], at: int) -> tuple[str, int, int] | None:
    """Return title, level and number of lines of the heading at a line, None where there is none."""
    line = text[slice(*lines[at])].rstrip("\n")
    atx = _ATX.match(line)
    if atx and (title := _without_closing(line[atx.end() :].strip(" \t"))):
        return title, len(atx[1]), 1
    title = line.strip()
    is_alone = at == 0 or not text[slice(*lines[at - 1])].strip()
    if title and is_alone and len(title) <= _LONGEST_HEADING and at + 1 < len(lines) and not _UNDERLINE.match(line):
        below = _UNDERLINE.match(text[slice(*lines[at + 1])].rstrip("\n"))
        if below:
            return title, _UNDERLINED_LEVELS.get(below[1], 3), 2
    return None


def _without_closing(title: str) -> str:
    """Return a heading without the number signs that may close it, after a blank."""
    bare = title.rstrip("#")
    return bare.rstrip(" \t") if bare.endswith((" ", "\t")) else title


def _sentences(text: str, block: Piece) -> list[Piece]:
    """Return a paragraph as sentences and lines."""
    cuts: dict[int, int] = {}
    body = text[block.start : block.end].rstrip()
    last = block.start + len(body)
    for line in re.finditer(r"\n+", body):
        cuts[block.start + line.end()] = LINE
    for sentence in _SENTENCE_END.finditer(text, block.start, last):
        cuts[sentence.end()] = SENTENCE
    first = last - len(body.lstrip())  # a cut before it would leave nothing but white space
    strengths = {block.start: block.strength, **{place: cuts[place] for place in sorted(cuts) if first < place < last}}
    return [Piece(a, b, strengths[a]) for a, b in pairwise([*strengths, block.end])]
