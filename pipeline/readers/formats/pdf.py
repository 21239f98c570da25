"""The reader of PDF files: the text layer, page by page, by pypdf; nothing is recognised from images."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

from pipeline.locations import open_location
from pipeline.readers.config import ReaderConfig
from pipeline.readers.format import Format
from pipeline.readers.isolated import BrokenWorkError, Isolated, TooSlowError
from pipeline.readers.records import (
    BROKEN_PDF,
    DOCUMENT,
    EMPTY_FILE,
    ENCRYPTED,
    NO_TEXT_LAYER,
    TOO_LARGE,
    Record,
    reject,
    too_large,
    too_slow,
    unreadable,
)
from pipeline.readers.unit import Unit
from pipeline.text import one_line

_BEGIN = 1 << 10
_LONGEST_TITLE = 2000


def read_pdf(unit: Unit, source: ReaderConfig) -> Iterator[Record]:
    """Yield the document of a PDF file: pages parted by a blank line, the title that its metadata give."""
    if unit.size == 0:
        yield reject(unit.path, 0, EMPTY_FILE, "the file is empty")
    elif unit.size > source.max_unpacked:
        detail = f"more than {source.max_unpacked} bytes; try sources.{source.name}.max_unpacked"
        yield reject(unit.path, 0, TOO_LARGE, detail)
    else:
        try:
            yield _read(unit, source)
        except OSError as error:
            yield unreadable(unit.path, 0, error)


def _read(unit: Unit, source: ReaderConfig) -> Record:
    with open_location(unit.location) as handle:
        raw = handle.read(source.max_unpacked + 1)
    head = json.dumps({"most": source.max_bytes}).encode() + b"\n"
    try:
        *pages, last = _PARSER.run(head + raw, source.max_seconds)
    except TooSlowError:
        return too_slow(unit.path, 0, source, raw[:_BEGIN])
    except BrokenWorkError as error:
        return reject(unit.path, 0, BROKEN_PDF, str(error), raw[:_BEGIN])
    told = json.loads(last)
    if told["encrypted"]:
        return reject(unit.path, 0, ENCRYPTED, "the file is encrypted; try decrypting it first", raw[:_BEGIN])
    if told["too_large"]:
        return too_large(unit.path, 0, source, b"")
    text = "\n\n".join(page for each in pages if (page := each.decode("utf-8", "replace").strip()))
    if not text:
        detail = f"{len(pages)} pages without a text layer; try recognising their text (OCR) first"
        return reject(unit.path, 0, NO_TEXT_LAYER, detail, raw[:_BEGIN])
    title = one_line(told["title"])
    body = text.removeprefix(title).lstrip() if title else text  # a text that repeats its title teaches nothing
    return Record(DOCUMENT, unit.path, 1, native_id=unit.path, title=title, text=body or text)


def _extract(data: bytes) -> Iterator[bytes]:
    """Yield the text of each page, and at the end what else there is to say."""
    import pypdf

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    head, _, raw = data.partition(b"\n")
    most = json.loads(head)["most"]
    pdf = pypdf.PdfReader(io.BytesIO(raw))
    told = {"encrypted": pdf.is_encrypted, "too_large": False, "title": ""}
    if not pdf.is_encrypted:
        for page in pdf.pages:
            text = page.extract_text().encode("utf-8", "replace")
            most -= len(text)
            if most < 0:
                told["too_large"] = True
                break
            yield text
        told["title"] = str((pdf.metadata and pdf.metadata.title) or "")[:_LONGEST_TITLE]
    yield json.dumps(told).encode()


def _load_parser() -> object:
    import pypdf  # slow to load, and most recipes read no PDF

    return pypdf


_PARSER = Isolated(_extract, _load_parser)


FORMATS = (Format("pdf", read_pdf, suffixes=(".pdf",), may_be_packed=False),)
