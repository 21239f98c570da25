"""Which reader reads which format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from pipeline.ingest.delimited import read_csv
from pipeline.ingest.docstrings import read_docstrings
from pipeline.ingest.formats import read_lines, read_parquet
from pipeline.ingest.json_arrays import read_json, read_squad
from pipeline.ingest.pdf import read_pdf
from pipeline.ingest.records import Record
from pipeline.ingest.sources import (
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
from pipeline.ingest.texts import read_text
from pipeline.ingest.units import Unit
from pipeline.ingest.web import read_html, read_warc

Reader = Callable[[Unit, SourceConfig], Iterator[Record]]

READERS: Mapping[str, Reader] = {
    PYDOCS: read_docstrings, JSONL: read_lines, BEIR: read_lines, PARQUET: read_parquet, TEXT: read_text,
    JSON: read_json, CSV: read_csv, TSV: read_lines, MARKDOWN: read_text, MSMARCO: read_lines, SQUAD: read_squad,
    HTML: read_html, WARC: read_warc, PDF: read_pdf,
}
