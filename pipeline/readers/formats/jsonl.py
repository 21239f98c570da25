"""The reader of JSON lines: one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pipeline.readers.config import RowsConfig
from pipeline.readers.fields import read_row
from pipeline.readers.format import Format
from pipeline.readers.lines import cut_lines, read_lines
from pipeline.readers.records import NOT_AN_OBJECT, NOT_JSON, Record, reject
from pipeline.readers.unit import Unit


def read_jsonl(unit: Unit, source: RowsConfig) -> Iterator[Record]:
    """Yield the documents of a span of JSON lines."""
    return read_lines(unit, source, lambda *_: parse_document)


def parse_document(text: str, line: bytes, path: str, number: int, source: RowsConfig) -> Record:
    """Return the document of a line, or its reject."""
    row = parse_object(text, line, path, number)
    return row if isinstance(row, Record) else read_row(row, source, path, number, line)


def parse_object(text: str, line: bytes, path: str, number: int) -> dict[str, Any] | Record:
    """Return the object of a line, or its reject."""
    try:
        row = json.loads(text, strict=False)
    except (ValueError, RecursionError) as error:
        return reject(path, number, NOT_JSON, str(error) or type(error).__name__, line)
    if not isinstance(row, dict):
        return reject(path, number, NOT_AN_OBJECT, f"the line must be a JSON object, got {type(row).__name__}", line)
    return row


FORMATS = (Format("jsonl", read_jsonl, RowsConfig, suffixes=(".jsonl", ".ndjson"), cut=cut_lines, says_domain=True),)
