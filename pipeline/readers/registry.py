"""The source formats.

To add one: write ``pipeline/readers/formats/NAME.py`` with a function that yields the records of a unit and a tuple
FORMATS of :class:`~pipeline.readers.format.Format`, and put NAME into the list below. Recipes, folders, ``--format``,
the JSON schema and the tests of every format know it from then on. A whole format of one JSON object a line:

    def read_notes(unit: Unit, source: RowsConfig) -> Iterator[Record]:
        return read_lines(unit, source, lambda unit, source: note_of)

    FORMATS = (Format("notes", read_notes, RowsConfig, suffixes=(".notes",), cut=cut_lines, says_domain=True),)

A format with settings of its own has a subclass of :class:`~pipeline.readers.config.ReaderConfig` beside its reader.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from pipeline.readers.format import Format

_MODULES = (
    "pydocs.reader",
    "jsonl",
    "parquet",
    "text",
    "beir",
    "json_arrays",
    "csv_tsv",
    "markdown",
    "msmarco",
    "squad",
    "html_warc",
    "pdf",
)


def _load() -> dict[str, Format]:
    formats = [each for name in _MODULES for each in import_module(f"pipeline.readers.formats.{name}").FORMATS]
    found = {each.name: each for each in formats}
    assert len(found) == len(formats), "two formats of one name"
    return found


FORMATS: Mapping[str, Format] = _load()
