"""A record becomes a row: normalised text, content ids, and the reason to drop it if there is one."""

from __future__ import annotations

from typing import Any

from pipeline.ids import hash_id, hash_text
from pipeline.ingest.clean.config import OFF, REDACT, CleanConfig
from pipeline.ingest.clean.pii import redact
from pipeline.ingest.clean.rules import failed_rules
from pipeline.ingest.config import SourceConfig
from pipeline.languages import identify_language
from pipeline.readers.records import DOCUMENT, Record
from pipeline.text import clean_text, count_seen, cut_marks, exact_form, one_line
from schemas.documents import NO_LETTERS, OTHER_LANGUAGE, TOO_LONG, TOO_SHORT

Row = dict[str, Any]


def clean_record(record: Record, source: SourceConfig) -> Row:
    """Return the RECORDS row of a record."""
    row: Row = {
        "kind": record.kind,
        "package": record.package,
        "grade": record.grade,
        "source": source.name,
        "path": _plain(record.path),
        "line": record.line,
        "native_id": _name(record.native_id),
        "text": None,
        "links": [_plain(link) for link in record.links],
        "reason": record.reason,
        "detail": _name(record.detail),
        "raw": record.raw,
    }
    if record.kind == DOCUMENT:
        return {**row, **_document(record, source)}
    return {**row, "text": one_line(clean_text(record.text))}


def _document(record: Record, source: SourceConfig) -> Row:
    title, text, notes = _repaired(record.title, record.text, source.clean)
    title, text = one_line(clean_text(title)), clean_text(text)
    if source.clean.pii != OFF:
        title, text, notes["pii"] = _private(title, text, source.clean)
    native = _name(record.native_id)
    path = _plain(record.path)
    if source.with_title and title:
        text = f"{title}\n{text}".strip()
    doc_id = hash_id(source.name, path, native or "", title, text)
    return {
        "doc_id": doc_id,
        "title": title,
        "text": text,
        "family": _name(record.family) or (hash_id("title", exact_form(title)) if title else doc_id),
        "domain": source.domain or _name(record.domain) or source.name,
        "license": _name(record.license) or source.license,
        "chars": len(text),
        "text_hash": hash_text(text),
        "drop_reason": drop_reason(text, source) or _judged(text, source.clean, notes),
        **notes,
    }


def _repaired(title: str, text: str, cfg: CleanConfig) -> tuple[str, str, Row]:
    """Return title and text without mojibake, and the annotations to be; none where nothing is asked for."""
    if not cfg.annotates:
        return title, text, {}
    notes: Row = {"failed_rules": [], "pii": []}
    if cfg.repair:
        fixed = fix_mojibake(title), fix_mojibake(text)
        notes["repaired"] = fixed != (title, text)
        title, text = fixed
    return title, text, notes


def fix_mojibake(text: str) -> str:
    """Return the text with what was decoded wrongly decoded again; quotes, widths, entities and ligatures stay.

    Source: ftfy (Speer 2019). Full-width signs are good Chinese and Japanese, whatever else they may be elsewhere.
    """
    import ftfy  # only where it is asked for

    return ftfy.fix_text(
        cut_marks(text),
        unescape_html=False,
        uncurl_quotes=False,
        fix_latin_ligatures=False,
        fix_character_width=False,
        fix_line_breaks=False,
        remove_control_chars=False,
        remove_terminal_escapes=False,
    )


def _private(title: str, text: str, cfg: CleanConfig) -> tuple[str, str, list[str]]:
    (new_title, in_title), (new_text, in_text) = redact(title), redact(text)
    kinds = [*in_text, *(kind for kind in in_title if kind not in in_text)]
    return (new_title, new_text, kinds) if cfg.pii == REDACT else (title, text, kinds)


def _judged(text: str, cfg: CleanConfig, notes: Row) -> str | None:
    """Add what rules and language say to the annotations; return the first reason to drop the text."""
    if cfg.rules:
        notes["failed_rules"] = failed_rules(text, cfg)
    if cfg.languages:
        notes["language"], notes["language_score"] = identify_language(text)
        is_sure = notes["language_score"] >= cfg.min_confidence
        if is_sure and notes["language"] not in cfg.languages:
            notes["failed_rules"] = [*notes["failed_rules"], OTHER_LANGUAGE]
    return next(iter(notes.get("failed_rules", ())), None)


def drop_reason(text: str, source: SourceConfig) -> str | None:
    """Return why a text is of no use, or None."""
    if text and not any(map(str.isalpha, text)):
        return NO_LETTERS
    # No letter carries more than 30 marks: what is longer by that much is long enough, however they are counted.
    if len(text) < 32 * source.shortest and count_seen(text) < source.shortest:
        return TOO_SHORT
    return TOO_LONG if len(text) > source.longest else None


def _plain(value: str) -> str:
    """Return the string as one clean line: ids and paths must survive UTF-8."""
    return one_line(clean_text(value))


def _name(value: str | None) -> str | None:
    return None if value is None else _plain(value) or None
