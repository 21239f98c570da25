"""The readers of text and Markdown files: a file is a document, its first line or heading the title."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.ingest.config import MARKDOWN, SourceConfig
from pipeline.ingest.units import Unit
from pipeline.readers.records import DOCUMENT, NUL_BYTES, Record, reject
from pipeline.readers.rejects import wrong_encoding
from pipeline.readers.whole_files import read_whole

_TITLE_CHARS = 200
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ATX = re.compile(r" {0,3}#{1,6}[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FRONT_TITLE = re.compile(r"^title:[ \t]*(.+?)[ \t]*$", re.MULTILINE)


def read_text(unit: Unit, source: SourceConfig) -> Iterator[Record]:
    """Yield the document of a text file: its first line or heading is the title, the rest the text."""
    raw = read_whole(unit, source)
    if isinstance(raw, Record):
        yield raw
    elif b"\0" in raw:
        yield reject(unit.path, 0, NUL_BYTES, "the file holds NUL bytes; is it text?", raw)
    else:
        try:
            split = split_markdown if source.format == MARKDOWN else split_title
            title, text = split(raw.decode(source.encoding).removeprefix("\ufeff"))
        except UnicodeDecodeError as error:
            yield wrong_encoding(unit.path, 0, source, error, raw)
            return
        yield Record(DOCUMENT, unit.path, 1, native_id=unit.path, title=title, text=text)


def split_title(text: str) -> tuple[str, str]:
    """Return the first line, without the marks of a heading, and the rest; a long first line is no title."""
    first, _, rest = text.strip().partition("\n")
    title = re.sub(r"^#{1,6}\s+|\s+#+\s*$", "", first.strip())
    rest = re.sub(r"^\s*[=\-~^*]{3,}[ \t]*(\n|$)", "", rest)  # the underline of the heading
    if len(title) > _TITLE_CHARS or not rest.strip():
        return "", text
    return title, rest


def split_markdown(text: str) -> tuple[str, str]:
    """Return the title of a Markdown file and its text without it.

    The title is that of the front matter, else the first heading outside of fenced code, else empty.
    """
    text = text.replace("\r\n", "\n")
    front = _FRONT_MATTER.match(text)
    if front:
        text = text[front.end() :]
        named = _FRONT_TITLE.search(front[1] or "")
        if named:
            return named[1].strip("'\""), text
    lines = text.split("\n")
    fence = ""
    for at, line in enumerate(lines):
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence):
            fence = ""
        elif not fence and (heading := _ATX.match(line)) and heading[1]:
            return heading[1], "\n".join(lines[:at] + lines[at + 1 :])
        elif not fence and line.strip() and _is_underlined(lines, at):
            return line.strip(), "\n".join(lines[:at] + lines[at + 2 :])
    return "", text


def _is_underlined(lines: list[str], at: int) -> bool:
    """Whether the line is a paragraph of its own with = or - under it."""
    alone = at == 0 or not lines[at - 1].strip()
    return alone and at + 1 < len(lines) and _UNDERLINE.match(lines[at + 1]) is not None
