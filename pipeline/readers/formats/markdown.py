"""The reader of Markdown files: a file is a document, the title that of its front matter or its first heading."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.readers.config import EncodedConfig
from pipeline.readers.format import Format
from pipeline.readers.formats.text import read_titled, without_closing_marks
from pipeline.readers.records import Record
from pipeline.readers.unit import Unit

MARKDOWN = "markdown"
_FRONT_MATTER = re.compile(r"\A---[ \t]*+\n(.*?\n)?(?:---|\.\.\.)[ \t]*+(?:\n|\Z)", re.DOTALL)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ATX = re.compile(r" {0,3}#{1,6}[ \t]+")
_UNDERLINE = re.compile(r" {0,3}(=++|-++)[ \t]*+$")
_FRONT_TITLE = re.compile(r"^title:(.*)$", re.MULTILINE)


def read_markdown(unit: Unit, source: EncodedConfig) -> Iterator[Record]:
    """Yield the document of a Markdown file."""
    return read_titled(unit, source, split_markdown)


def split_markdown(text: str) -> tuple[str, str]:
    """Return the title of a Markdown file and its text without it.

    The title is that of the front matter, else the first heading outside of fenced code, else empty.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    front = _FRONT_MATTER.match(text)
    if front:
        text = text[front.end() :]
        named = _FRONT_TITLE.search(front[1] or "")
        if named and (title := named[1].strip().strip("'\"")):
            return title, text
    lines = text.split("\n")
    fence = ""
    for at, line in enumerate(lines):
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence):
            fence = ""
        elif not fence and (mark := _ATX.match(line)) and (title := _heading(line[mark.end() :])):
            return title, "\n".join(lines[:at] + lines[at + 1 :])
        elif not fence and line.strip() and _is_underlined(lines, at):
            return line.strip(), "\n".join(lines[:at] + lines[at + 2 :])
    return "", text


def _heading(text: str) -> str:
    return without_closing_marks(text.rstrip(" \t"))


def _is_underlined(lines: list[str], at: int) -> bool:
    """Whether the line is a paragraph of its own with = or - under it."""
    alone = at == 0 or not lines[at - 1].strip()
    return alone and at + 1 < len(lines) and _UNDERLINE.match(lines[at + 1]) is not None


FORMATS = (Format(MARKDOWN, read_markdown, EncodedConfig, suffixes=(".md", ".markdown", ".mdx"), may_be_packed=False),)
