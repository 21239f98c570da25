"""The rejects that several readers give, each with its way out."""

from __future__ import annotations

from pipeline.ingest.config import SourceConfig
from pipeline.readers.records import TOO_LARGE, UNREADABLE, WRONG_ENCODING, Record, reject


def too_large(path: str, line: int, source: SourceConfig, raw: bytes) -> Record:
    """Return the reject of a line, row or file beyond ``max_bytes``."""
    detail = f"more than {source.max_bytes} bytes; try cutting it into passages, or sources.{source.name}.max_bytes"
    return reject(path, line, TOO_LARGE, detail, raw)


def wrong_encoding(path: str, line: int, source: SourceConfig, error: UnicodeDecodeError, raw: bytes) -> Record:
    """Return the reject of bytes that are not in the source's encoding."""
    detail = f"not {source.encoding}: {error.reason} at byte {error.start}; try sources.{source.name}.encoding"
    return reject(path, line, WRONG_ENCODING, detail, raw)


def unreadable(path: str, line: int, error: OSError) -> Record:
    """Return the reject of a file that the operating system does not give."""
    return reject(path, line, UNREADABLE, error.strerror or str(error))
