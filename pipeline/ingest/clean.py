"""A record becomes a row: normalised text, content ids, and the reason to drop it if there is one."""

from __future__ import annotations

from typing import Any

from pipeline.ids import hash_id
from pipeline.ingest.records import DOCUMENT, Record
from pipeline.ingest.sources import SourceConfig
from pipeline.text import clean_text, normal_form, one_line
from schemas.documents import NO_LETTERS, TOO_LONG, TOO_SHORT

Row = dict[str, Any]


def clean_record(record: Record, source: SourceConfig) -> Row:
    """Return the RECORDS row of a record."""
    row: Row = {
        "kind": record.kind, "package": record.package, "grade": record.grade, "source": source.name,
        "path": _plain(record.path), "line": record.line, "native_id": _name(record.native_id), "text": None,
        "links": [_plain(link) for link in record.links],
        "reason": record.reason, "detail": _name(record.detail), "raw": record.raw,
    }
    if record.kind == DOCUMENT:
        return {**row, **_document(record, source)}
    return {**row, "text": one_line(clean_text(record.text))}


def _document(record: Record, source: SourceConfig) -> Row:
    title = one_line(clean_text(record.title))
    text = clean_text(record.text)
    native = _name(record.native_id)
    path = _plain(record.path)
    if source.with_title and title:
        text = f"{title}\n{text}".strip()
    doc_id = hash_id(source.name, path, native or "", title, text)
    form = normal_form(title)
    return {
        "doc_id": doc_id,
        "title": title,
        "text": text,
        "family": _name(record.family) or (hash_id("title", form) if form else doc_id),
        "domain": source.domain or _name(record.domain) or source.name,
        "license": _name(record.license) or source.license,
        "chars": len(text),
        "text_hash": hash_id(normal_form(text)),
        "drop_reason": drop_reason(text, source),
    }


def drop_reason(text: str, source: SourceConfig) -> str | None:
    """Return why a text is of no use, or None."""
    if text and not any(map(str.isalpha, text)):
        return NO_LETTERS
    if len(text) < source.min_chars:
        return TOO_SHORT
    return TOO_LONG if len(text) > source.max_chars else None


def _plain(value: str) -> str:
    """Return the string as one clean line: ids and paths must survive UTF-8."""
    return one_line(clean_text(value))


def _name(value: str | None) -> str | None:
    return None if value is None else _plain(value) or None
