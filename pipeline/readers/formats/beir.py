"""The reader of BEIR folders: a corpus and queries in JSON lines, judgements between tabs."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.readers.config import ReaderConfig, RowsConfig, SplitConfig
from pipeline.readers.format import Format
from pipeline.readers.formats.jsonl import parse_document, parse_object
from pipeline.readers.lines import HeaderError, Parser, cut_lines, first_line, read_lines
from pipeline.readers.records import MISSING_FIELD, NOT_A_QREL, QREL, QUERY, WRONG_TYPE, Record, reject
from pipeline.readers.unit import DOCUMENTS, QRELS, QUERIES, Unit
from schemas import beir


class BeirConfig(RowsConfig, SplitConfig):
    """A BEIR folder: ``fields`` are those of its documents."""


def read_beir(unit: Unit, source: BeirConfig) -> Iterator[Record]:
    """Yield the records of a span of lines: documents, queries or judgements."""
    return read_lines(unit, source, _open_parser)


def _open_parser(unit: Unit, source: BeirConfig) -> Parser:
    """Return what reads a line of the unit's file; of judgements the first line says which form they have."""
    if unit.role != QRELS:
        return {DOCUMENTS: parse_document, QUERIES: _parse_query}[unit.role]
    try:
        return judgement_parser(beir.find_form(first_line(unit, source)))
    except ValueError as error:
        raise HeaderError(NOT_A_QREL, str(error)) from error


def judgement_parser(form: str) -> Parser:
    """Return what reads a line of judgements in a form of schemas.beir; its header is passed over."""

    def parse(text: str, line: bytes, path: str, number: int, _: ReaderConfig) -> Record | None:
        if number == 1 and beir.is_header(text):
            return None
        try:
            found = beir.read_judgement(text, form)
        except ValueError as error:
            return reject(path, number, NOT_A_QREL, str(error), line)
        return Record(QREL, path, number, native_id=found.query_id, links=[found.document_id], grade=float(found.grade))

    return parse


def _parse_query(text: str, line: bytes, path: str, number: int, _: ReaderConfig) -> Record:
    """Return the query of a line; its fields are _id and text, whatever the documents call theirs."""
    row = parse_object(text, line, path, number)
    if isinstance(row, Record):
        return row
    query = row.get("text")
    try:
        native = beir.read_id(row.get("_id"))
    except ValueError as error:
        return reject(path, number, WRONG_TYPE, f"field '_id' {error}", line)
    if native is None or not isinstance(query, str):
        return reject(path, number, MISSING_FIELD, "a query must have the fields '_id' and 'text'", line)
    return Record(QUERY, path, number, native_id=native, text=query)


FORMATS = (
    Format(
        "beir",
        read_beir,
        BeirConfig,
        cut=cut_lines,
        says_domain=True,
        layout={DOCUMENTS: beir.CORPUS, QUERIES: beir.QUERIES, QRELS: beir.QRELS},
        folder="a BEIR folder",
        holds_judgements=True,
        title_in_text=True,
    ),
)
