"""The reader of text files: a file is a document, its first line or heading the title."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from pipeline.readers.config import EncodedConfig
from pipeline.readers.format import Format
from pipeline.readers.records import DOCUMENT, NUL_BYTES, Record, reject, wrong_encoding
from pipeline.readers.unit import Unit
from pipeline.readers.whole_files import read_whole
from pipeline.text import one_line

TEXT = "text"
_TITLE_CHARS = 200
# The time that a pattern takes must grow with the text, not with its square: nothing here looks for an end of spaces.
_OPENING_MARKS = re.compile(r"\A#{1,6}\s+")
_UNDERLINE = re.compile(r"\A\s*+[=\-~^*]{3,}+[ \t]*+(\n|\Z)")


def read_text(unit: Unit, source: EncodedConfig) -> Iterator[Record]:
    """Yield the document of a text file: its first line or heading is the title, the rest the text."""
    return read_titled(unit, source, split_title)


def read_titled(
    unit: Unit,
    source: EncodedConfig,
    split: Callable[[str], tuple[str, str]],
) -> Iterator[Record]:
    """Yield the document of a file of text; ``split`` tells its title from the rest."""
    raw = read_whole(unit, source)
    if isinstance(raw, Record):
        yield raw
    elif b"\0" in raw:
        yield reject(unit.path, 0, NUL_BYTES, "the file holds NUL bytes; is it text?", raw)
    else:
        try:
            title, text = split(raw.decode(source.encoding).removeprefix("\ufeff"))
        except UnicodeDecodeError as error:
            yield wrong_encoding(unit.path, 0, source, error, raw)
            return
        yield Record(DOCUMENT, unit.path, 1, native_id=unit.path, title=title, text=text)


def split_title(text: str) -> tuple[str, str]:
    """Return the first line, without the marks of a heading, and the rest; a long first line is no title."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    first, _, rest = text.strip().partition("\n")
    title = one_line(without_closing_marks(_OPENING_MARKS.sub("", first.strip())))
    rest = _UNDERLINE.sub("", rest)
    if len(title) > _TITLE_CHARS or not rest.strip():
        return "", text
    return title, rest


def without_closing_marks(heading: str) -> str:
    """Return a heading without the marks at its end, if white space is before them."""
    bare = heading.rstrip("#")
    return bare.rstrip() if bare != heading and bare[-1:].isspace() else heading


FORMATS = (
    Format(TEXT, read_text, EncodedConfig, suffixes=(".txt", ".text", ".md", ".markdown", ".rst"), may_be_packed=False),
)
