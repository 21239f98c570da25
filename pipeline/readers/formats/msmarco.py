"""The reader of MS MARCO folders: passages and queries as ids and texts between tabs, judgements in TREC form."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.readers.config import ReaderConfig, RowsConfig, SplitConfig
from pipeline.readers.format import Format
from pipeline.readers.formats.beir import judgement_parser
from pipeline.readers.formats.csv_tsv import open_rows
from pipeline.readers.lines import Parser, cut_lines, read_lines
from pipeline.readers.records import MISSING_FIELD, QUERY, Record, reject
from pipeline.readers.unit import DOCUMENTS, QRELS, QUERIES, Unit
from schemas.beir import TREC


class MsmarcoConfig(RowsConfig, SplitConfig):
    """An MS MARCO folder."""


def read_msmarco(unit: Unit, source: MsmarcoConfig) -> Iterator[Record]:
    """Yield the records of a span of lines: documents, queries or judgements."""
    return read_lines(unit, source, _open_parser)


def _open_parser(unit: Unit, source: MsmarcoConfig) -> Parser:
    if unit.role == DOCUMENTS:
        return open_rows(unit, source, ("id", "text"))
    return {QUERIES: _parse_query, QRELS: judgement_parser(TREC)}[unit.role]


def _parse_query(text: str, line: bytes, path: str, number: int, _: ReaderConfig) -> Record:
    """Return the query of a line: its id and its text between tabs."""
    native, tab, query = text.rstrip("\r\n").partition("\t")
    if not tab or not native:
        return reject(path, number, MISSING_FIELD, "the line must be query id and query between a tab", line)
    return Record(QUERY, path, number, native_id=native, text=query)


FORMATS = (
    Format(
        "msmarco",
        read_msmarco,
        MsmarcoConfig,
        cut=cut_lines,
        layout={DOCUMENTS: "collection.tsv", QUERIES: "queries.{}.tsv", QRELS: "qrels.{}.tsv"},
        folder="an MS MARCO folder",
        holds_judgements=True,
    ),
)
