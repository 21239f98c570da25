"""The readers of HTML files and WARC archives: main text with its headings, by trafilatura.

Headings keep Markdown's marks (``## ``), list items a dash, so that passages can be cut by structure. An archive's
records that are no pages (requests, metadata) are passed over; pages that give no text are rejected with the reason.
Known weakness: what a browser's scripts would write is not seen.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from pipeline.readers.charsets import decode_labelled
from pipeline.readers.compression import PackError, open_unit
from pipeline.readers.config import ReaderConfig
from pipeline.readers.format import Format
from pipeline.readers.isolated import BrokenWorkError, Isolated, TooSlowError
from pipeline.readers.records import (
    BROKEN_PAGE,
    CUT_RECORD,
    DOCUMENT,
    EMPTY_FILE,
    HTTP_STATUS,
    NO_MAIN_TEXT,
    NOT_A_PAGE,
    NOT_WARC,
    REJECT,
    TOO_COMPLEX,
    Record,
    reject,
    too_large,
    too_slow,
    unreadable,
)
from pipeline.readers.unit import Unit
from pipeline.readers.whole_files import read_whole
from pipeline.text import one_line
from schemas.errors import EngineError

_PAGES = ("text/html", "application/xhtml+xml")
_CHARSET = re.compile(r"charset\s{0,9}=\s{0,9}[\"']?([\w:.-]{1,40})", re.IGNORECASE)
_PRESCAN = 2048
_BLOCKS = frozenset({"head", "p", "list", "table", "quote", "code", "div"})
# The start of an element, up to its end or that of the page; what stands in quotes may hold anything.
_ELEMENT = re.compile(r"<[A-Za-z](?:[^>\"']++|\"[^\"]*+\"|'[^']*+')*+")
_QUOTED = re.compile(r"\"[^\"]*+\"|'[^']*+'")
_MOST_ATTRIBUTES = 256
_MOST_HEADER = 64 << 10
_READ_AHEAD = 32 << 10  # what warcio holds beyond a header


class Page(NamedTuple):
    """What is kept of a page."""

    title: str
    text: str
    license: str | None


def read_html(unit: Unit, source: ReaderConfig) -> Iterator[Record]:
    """Yield the document of an HTML file, named by its path."""
    raw = read_whole(unit, source)
    yield raw if isinstance(raw, Record) else _page_record(raw, "", unit.path, unit.path, 1, source)


def _page_record(raw: bytes, content_type: str, native: str, path: str, line: int, source: ReaderConfig) -> Record:
    html = decode_page(raw, content_type)
    if fault := too_complex(html):
        return reject(path, line, TOO_COMPLEX, fault, raw)
    mode, data = (b"t", html.encode("utf-8", "replace")) if isinstance(html, str) else (b"b", html)
    try:
        pieces = _PARSER.run(mode + data, source.max_seconds)
    except TooSlowError:
        return too_slow(path, line, source, raw)
    except BrokenWorkError as error:
        return reject(path, line, BROKEN_PAGE, str(error), raw)
    if not pieces:
        detail = "no main text was found; is it a list of links, or made by scripts?"
        return reject(path, line, NO_MAIN_TEXT, detail, raw)
    page = Page(*json.loads(pieces[0]))
    return Record(DOCUMENT, path, line, native_id=native, title=page.title, text=page.text, license=page.license)


def decode_page(raw: bytes, content_type: str) -> str | bytes:
    """Return the page in the character set that the server or the page itself tells; else its bytes, to be guessed.

    The extractor alone would guess whatever is told, and reads short Japanese pages as Korean.
    """
    for told, in_page in ((content_type[:_PRESCAN], False), (raw[:_PRESCAN].decode("latin-1"), True)):
        named = _CHARSET.search(told)
        text = decode_labelled(raw, named and named[1], in_page=in_page)
        if text is not None:
            return text
    return raw


def too_complex(html: str | bytes) -> str | None:
    """Return why a page is not worth parsing, or None: the parser takes the square of an element's attributes."""
    text = html if isinstance(html, str) else html.decode("latin-1")
    for element in _ELEMENT.finditer(text):
        if element.end() - element.start() > 2 * _MOST_ATTRIBUTES:  # else they would not fit
            count = len(_QUOTED.sub("", element[0]).split()) - 1
            if count > _MOST_ATTRIBUTES:
                return f"an element has {count} attributes, more than {_MOST_ATTRIBUTES}; is it a page?"
    return None


def _extract(data: bytes) -> Iterator[bytes]:
    """Yield title, text and licence of a page as JSON; nothing when it has no text."""
    page = extract_page(data[1:].decode("utf-8") if data[:1] == b"t" else data[1:])
    if page is not None:
        yield json.dumps([page.title, page.text, page.license]).encode()


def _load_extractor() -> object:
    import trafilatura  # slow to load, and most recipes read no pages

    return trafilatura


_PARSER = Isolated(_extract, _load_extractor)


def extract_page(html: str | bytes) -> Page | None:
    """Return title and main text of a page, or None when it has none.

    Source: trafilatura (Barbaresi 2021), without comments and links.
    """
    import trafilatura

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    found = trafilatura.bare_extraction(
        html, include_comments=False, with_metadata=True, date_extraction_params={"extensive_search": False}
    )
    if found is None or isinstance(found, dict):
        return None
    blocks = [block for block in _blocks(found.body) if block.strip()]
    title = one_line(found.title or "")
    if blocks and blocks[0].startswith("#"):
        heading = blocks[0].lstrip("#").strip()
        title = title or heading
        blocks = blocks[1:] if heading == title else blocks  # a text that repeats its title teaches nothing
    return Page(title, "\n\n".join(blocks), found.license) if blocks else None


def _blocks(element: Any) -> Iterator[str]:
    """Yield the blocks of trafilatura's tree as Markdown."""
    tag = element.tag
    if tag == "head":
        level = element.get("rend", "h2")[1:]
        yield f"{'#' * int(level) if level.isdigit() else '##'} {_inline(element)}"
    elif tag == "list":
        yield "\n".join(f"- {_inline(item)}" for item in element.iter("item"))
    elif tag == "table":
        yield "\n".join(" | ".join(_inline(cell) for cell in row.iter("cell")) for row in element.iter("row"))
    elif tag == "code":
        yield "".join(element.itertext()).strip("\n")
    elif any(child.tag in _BLOCKS for child in element):
        yield one_line(element.text or "")
        for child in element:
            yield from _blocks(child)
            yield one_line(child.tail or "")
    else:
        yield _inline(element)


def _inline(element: Any) -> str:
    return one_line("".join(element.itertext()))


def read_warc(unit: Unit, source: ReaderConfig) -> Iterator[Record]:
    """Yield the pages of an archive: responses by their URL, and the texts of WET files; records are counted from 1."""
    from warcio.archiveiterator import ArchiveIterator

    number, stream = 0, None
    if unit.size == 0:
        yield reject(unit.path, 0, EMPTY_FILE, "the file is empty")
        return
    try:
        with open_unit(unit, source) as handle:
            begin = handle.read(5)
            if begin != b"WARC/":
                yield reject(unit.path, 0, NOT_WARC, "the file must begin with WARC/", begin)
                return
            stream = _Headers(begin, handle)
            archive = ArchiveIterator(stream)
            while (record := next(archive, None)) is not None and not stream.has_ended:
                number += 1
                stream.left = None  # its body has a bound of its own
                found = list(_archived(record, unit.path, number, source))
                yield from found
                while record.raw_stream.read(_READ_AHEAD):
                    pass
                if getattr(record.raw_stream, "limit", 0) > 0 and not any(each.kind == REJECT for each in found):
                    yield reject(unit.path, number, CUT_RECORD, "the file ends within the record")
                held = archive.reader.buff
                stream.begin_header(held.getvalue()[held.tell() :] if held else b"")
            if stream.header.strip():
                yield reject(unit.path, number + 1, CUT_RECORD, "the file ends within the header of a record")
    except PackError as error:
        detail = f"{error}; {number} records were read before the break"
        yield reject(unit.path, number + 1, error.reason, detail)
    except OSError as error:
        yield unreadable(unit.path, number + 1, error)
    except EngineError:  # the network's fault, not the file's
        raise
    except Exception as error:  # noqa: BLE001 -- the parser breaks on a record without an address, and in other ways
        if stream is not None and stream.has_ended:
            yield reject(unit.path, number + 1, CUT_RECORD, "the file ends within the header of a record")
            return
        told = one_line(f"{type(error).__name__}: {str(error)[:200]}")
        yield reject(unit.path, number + 1, NOT_WARC, f"{told}; {number} records were read before")


class _Headers:
    """The stream of an archive, whose first bytes were read already; it breaks where a header does not end.

    ``left`` is how many bytes may come before the next record is there, None while a body is read; ``header`` is what
    came of them.
    """

    def __init__(self, begin: bytes, rest: Any) -> None:
        self._begin, self._rest = begin, rest
        self.begin_header(b"")

    def begin_header(self, held: bytes) -> None:
        """Count what comes from now on; some of it the parser holds already."""
        self.left: int | None = _MOST_HEADER + _READ_AHEAD
        self.header, self.has_ended = held, False

    def read(self, size: int) -> bytes:
        """Return the first bytes, then the rest. Raises: PackError for a header without an end."""
        begin, self._begin = self._begin, b""
        found: bytes = begin or self._rest.read1(size)  # read() would lose what comes before a break
        if self.left is not None:
            self.left -= len(found)
            self.header += found
            self.has_ended = not found
            if self.left < 0:
                raise PackError(NOT_WARC, f"a record's header has more than {_MOST_HEADER} bytes")
        return found


def _archived(record: Any, path: str, number: int, source: ReaderConfig) -> Iterator[Record]:
    """Yield the document of a response or of a WET record, or why there is none; other records give nothing."""
    native = record.rec_headers.get_header("WARC-Target-URI")
    is_page, is_text = record.rec_type == "response", record.rec_type == "conversion"
    if not native or not (is_page or is_text):
        return
    kind = (record.http_headers.get_header("Content-Type") or "") if is_page and record.http_headers else ""
    status = record.http_headers.get_statuscode() if is_page and record.http_headers else "200"
    if status != "200":
        yield reject(path, number, HTTP_STATUS, f"{native}: the server answered {status}, not 200")
    elif is_page and not kind.lower().startswith(_PAGES):
        yield reject(path, number, NOT_A_PAGE, f"{native}: content type {kind or 'unknown'}, not HTML")
    else:
        raw = record.content_stream().read(source.max_bytes + 1)
        if len(raw) > source.max_bytes:
            yield too_large(path, number, source, raw)
        elif getattr(record.raw_stream, "limit", 0) > 0:
            yield reject(path, number, CUT_RECORD, f"{native}: the file ends within the record", raw)
        elif is_text:
            yield Record(DOCUMENT, path, number, native_id=native, text=raw.decode("utf-8", "replace"))
        else:
            yield _page_record(raw, kind, native, path, number, source)


FORMATS = (
    Format("html", read_html, suffixes=(".html", ".htm", ".xhtml"), may_be_packed=False),
    Format("warc", read_warc, suffixes=(".warc", ".wet")),
)
