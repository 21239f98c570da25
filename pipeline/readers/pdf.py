"""The reader of PDF files: the text layer, page by page, by pypdf; nothing is recognised from images."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from pipeline.locations import open_location
from pipeline.readers.config import ReaderConfig
from pipeline.readers.format import Format
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
    unreadable,
)
from pipeline.readers.unit import Unit
from pipeline.text import one_line
from schemas.errors import EngineError


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
        except EngineError:  # the network's fault, not the file's
            raise
        except Exception as error:  # noqa: BLE001 -- a parser of such a format breaks in ways of its own
            yield reject(unit.path, 0, BROKEN_PDF, f"{type(error).__name__}: {error}", _begin(unit))


def _read(unit: Unit, source: ReaderConfig) -> Record:
    import pypdf  # slow to load, and most recipes read no PDF

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    with open_location(unit.location) as handle:
        pdf = pypdf.PdfReader(handle)
        if pdf.is_encrypted:
            return reject(unit.path, 0, ENCRYPTED, "the file is encrypted; try decrypting it first", _begin(unit))
        pages: list[str] = []
        size = 0
        for page in pdf.pages:
            pages.append(page.extract_text())
            size += len(pages[-1].encode("utf-8", "replace"))
            if size > source.max_bytes:
                return too_large(unit.path, 0, source, b"")
        title = one_line(str((pdf.metadata and pdf.metadata.title) or ""))
    text = "\n\n".join(page.strip() for page in pages if page.strip())
    if not text:
        detail = f"{len(pages)} pages without a text layer; try recognising their text (OCR) first"
        return reject(unit.path, 0, NO_TEXT_LAYER, detail, _begin(unit))
    body = text.removeprefix(title).lstrip() if title else text  # a text that repeats its title teaches nothing
    return Record(DOCUMENT, unit.path, 1, native_id=unit.path, title=title, text=body or text)


def _begin(unit: Unit) -> bytes:
    with open_location(unit.location) as handle:
        return handle.read(1 << 10)


FORMATS = (Format("pdf", read_pdf, suffixes=(".pdf",), may_be_packed=False),)
