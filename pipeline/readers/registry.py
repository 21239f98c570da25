"""Which reader reads which format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from pipeline.ingest.config import (
    BEIR,
    CSV,
    HTML,
    JSON,
    JSONL,
    MARKDOWN,
    MSMARCO,
    PARQUET,
    PDF,
    PYDOCS,
    SQUAD,
    TEXT,
    TSV,
    WARC,
    SourceConfig,
)
from pipeline.ingest.units import Unit
from pipeline.readers.csv_tsv import read_csv
from pipeline.readers.formats import read_lines, read_parquet
from pipeline.readers.html_warc import read_html, read_warc
from pipeline.readers.json_arrays import read_json, read_squad
from pipeline.readers.pdf import read_pdf
from pipeline.readers.pydocs.reader import read_docstrings
from pipeline.readers.records import Record
from pipeline.readers.text import read_text

Reader = Callable[[Unit, SourceConfig], Iterator[Record]]

READERS: Mapping[str, Reader] = {
    PYDOCS: read_docstrings,
    JSONL: read_lines,
    BEIR: read_lines,
    PARQUET: read_parquet,
    TEXT: read_text,
    JSON: read_json,
    CSV: read_csv,
    TSV: read_lines,
    MARKDOWN: read_text,
    MSMARCO: read_lines,
    SQUAD: read_squad,
    HTML: read_html,
    WARC: read_warc,
    PDF: read_pdf,
}
