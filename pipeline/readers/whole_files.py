"""A file that is one document, read whole."""

from __future__ import annotations

from pipeline.locations import open_location
from pipeline.readers.config import ReaderConfig
from pipeline.readers.records import EMPTY_FILE, Record, reject, too_large, unreadable
from pipeline.readers.unit import Unit


def read_whole(unit: Unit, source: ReaderConfig) -> bytes | Record:
    """Return the bytes of a file, or a reject where there are none or more than ``max_bytes``."""
    try:
        with open_location(unit.location) as handle:
            raw = handle.read(source.max_bytes + 1)
    except OSError as error:
        return unreadable(unit.path, 0, error)
    if not raw.strip():
        return reject(unit.path, 0, EMPTY_FILE, "the file is empty")
    return too_large(unit.path, 0, source, raw) if len(raw) > source.max_bytes else raw
