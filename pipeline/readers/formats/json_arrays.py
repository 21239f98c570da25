"""The reader of JSON files that hold one array, item by item.

The standard library's decoder reads one item at a time out of a window that slides over the file, so memory holds two
items of the greatest size allowed (``max_bytes``), however large the file. An item that is no JSON ends the reading:
nobody can say where the next one begins.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any

from pipeline.readers.compression import PackError, open_unit
from pipeline.readers.config import EncodedConfig, RowsConfig
from pipeline.readers.fields import read_row
from pipeline.readers.format import Format
from pipeline.readers.records import (
    EMPTY_FILE,
    NOT_AN_OBJECT,
    NOT_JSON,
    NUL_BYTES,
    RAW_LIMIT,
    TOO_LARGE,
    WRONG_ENCODING,
    Record,
    reject,
    too_large,
    unreadable,
)
from pipeline.readers.unit import Unit
from schemas.config import setting

_CHUNK = 1 << 16
_LONGEST_WORD = len("-Infinity")
_SPACE = " \t\r\n"
_DECODER = json.JSONDecoder(strict=False)
_ESCAPED = dict.fromkeys(range(0xDC80, 0xDD00))  # what "surrogateescape" makes of bytes that it cannot decode
_REST = "the rest of the file is not read"


class Item:
    """One value of the array, with the text it was read from."""

    def __init__(self, value: Any, text: str, encoding: str) -> None:
        self.value, self.raw = value, text.encode(encoding, "surrogateescape")
        self.is_decoded = text.isascii() or text.translate(_ESCAPED) == text


class _Window:
    """A file's text, seen through a window that holds an item of at most ``limit`` characters."""

    def __init__(self, handle: Any, encoding: str, limit: int) -> None:
        self._handle, self._limit = handle, limit
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")
        self._text, self._at, self._ended = "", 0, False
        self._break: PackError | None = None

    def peek(self) -> str:
        """Return the next character that is no white space, or the empty string at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def take(self, wanted: str) -> None:
        """Step over one character.

        Raises: ValueError when another one stands there.
        """
        found = self.peek()
        if found != wanted:
            raise ValueError(f"expected {wanted!r}, found {found!r}" if found else f"the file ends before {wanted!r}")
        self._at += 1

    def value(self) -> tuple[Any, str]:
        """Return the next value, and its text.

        Raises: ValueError or RecursionError when it is no JSON, OverflowError when it is larger than the limit.
        """
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                is_cut = error.msg.startswith("Unterminated") or len(self._text) - error.pos < _LONGEST_WORD
                if not (is_cut and self._more()):
                    raise
                continue
            if end < len(self._text) or not self._more():  # a number at the very end may go on
                text = self._text[self._at : end]
                self._at = end
                return value, text

    def seen(self) -> bytes:
        """Return what is in the window from here on, for a reject."""
        return self._text[self._at : self._at + RAW_LIMIT].encode("utf-8", "replace")

    def _more(self) -> bool:
        """Read on, twice as much each time, and say whether there was anything."""
        held = len(self._text) - self._at
        if held > self._limit:
            raise OverflowError
        chunk = "" if self._ended else self._read(max(_CHUNK, held))
        self._ended = not chunk
        self._text, self._at = self._text[self._at :] + chunk, 0
        return bool(chunk)

    def _read(self, size: int) -> str:
        """Return about ``size`` characters; what comes before a break first, then the break."""
        if self._break:
            raise self._break
        found: list[str] = []
        while sum(map(len, found)) < size:
            try:
                data = self._handle.read1(size)
            except PackError as error:
                if not found:
                    raise
                self._break = error
                break
            found.append(self._decoder.decode(data, not data))
            if not data:
                break
        return "".join(found)


class JsonConfig(RowsConfig):
    """One array of objects a file."""

    items: str = setting("", "where the array is in the object, as in response.docs; empty = the file is one")


def read_json(unit: Unit, source: JsonConfig) -> Iterator[Record]:
    """Yield the documents of a JSON array; an item has its ordinal in place of a line."""
    names = [name for name in source.items.split(".") if name]
    for number, item in read_items(unit, source, names):
        if isinstance(item, Record):
            yield item
        elif not isinstance(item.value, dict):
            detail = f"the item must be a JSON object, got {type(item.value).__name__}"
            yield reject(unit.path, number, NOT_AN_OBJECT, detail, item.raw)
        else:
            yield read_row(item.value, source, unit.path, number, item.raw)


def read_items(unit: Unit, source: EncodedConfig, names: list[str]) -> Iterator[tuple[int, Item | Record]]:
    """Yield the items of the array under ``names``, numbered from 1, and rejects of what is none."""
    if unit.size == 0:
        yield 0, reject(unit.path, 0, EMPTY_FILE, "the file is empty")
        return
    number, window = 0, None
    try:
        with open_unit(unit, source) as plain:
            window = _Window(plain, source.encoding, source.max_bytes)
            for number, (value, text) in enumerate(_walk(window, names), 1):
                yield number, _checked(Item(value, text, source.encoding), number, unit, source)
    except (ValueError, RecursionError) as error:
        way_out = "" if number else f"; try format jsonl, or sources.{source.name}.items"
        detail = f"{error or 'nested too deep'}; {_REST}{way_out}"
        yield number, reject(unit.path, number + 1, NOT_JSON, detail, window.seen() if window else b"")
    except OverflowError:
        detail = f"more than {source.max_bytes} characters; try sources.{source.name}.max_bytes; {_REST}"
        yield number, reject(unit.path, number + 1, TOO_LARGE, detail)
    except PackError as error:
        yield number, reject(unit.path, number + 1, error.reason, f"{error}; {number} items were read before the break")
    except OSError as error:
        yield number, unreadable(unit.path, number + 1, error)


def _checked(item: Item, number: int, unit: Unit, source: EncodedConfig) -> Item | Record:
    if len(item.raw) > source.max_bytes:
        return too_large(unit.path, number, source, item.raw)
    if not item.is_decoded:
        detail = f"not {source.encoding}; try sources.{source.name}.encoding"
        return reject(unit.path, number, WRONG_ENCODING, detail, item.raw)
    if b"\0" in item.raw:
        return reject(unit.path, number, NUL_BYTES, "the item holds NUL bytes; is it text?", item.raw)
    return item


def _walk(window: _Window, names: list[str]) -> Iterator[tuple[Any, str]]:
    """Yield value and text of each item of the array.

    Raises: ValueError where the file is not as it must be.
    """
    if window.peek() == "\ufeff":
        window.take("\ufeff")
    for name in names:
        _enter(window, name)
    window.take("[")
    if window.peek() == "]":
        return
    while True:
        yield window.value()
        if window.peek() == "]":
            return
        window.take(",")


def _enter(window: _Window, name: str) -> None:
    """Go to the value of that name in the object at hand."""
    window.take("{")
    while window.peek() == '"':
        key = window.value()[0]
        window.take(":")
        if key == name:
            return
        window.value()
        if window.peek() != ",":
            break
        window.take(",")
    raise ValueError(f"the object has no key {name!r}")


FORMATS = (Format("json", read_json, JsonConfig, suffixes=(".json",), says_domain=True),)
