"""The reader of BEIR folders: a corpus and queries in JSON lines, judgements between tabs."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.readers.config import ReaderConfig
from pipeline.readers.format import Format
from pipeline.readers.jsonl import parse_document, parse_object
from pipeline.readers.lines import Parser, cut_lines, read_lines
from pipeline.readers.records import MISSING_FIELD, NOT_A_QREL, QREL, QUERY, Record, reject
from pipeline.readers.unit import DOCUMENTS, QRELS, QUERIES, Unit
from schemas import beir


def read_beir(unit: Unit, source: ReaderConfig) -> Iterator[Record]:
    """Yield the records of a span of lines: documents, queries or judgements."""
    return read_lines(unit, source, lambda unit, _: _PARSERS[unit.role])


def _parse_query(text: str, line: bytes, path: str, number: int, _: ReaderConfig) -> Record:
    """Return the query of a line; its fields are _id and text, whatever the documents call theirs."""
    row = parse_object(text, line, path, number)
    if isinstance(row, Record):
        return row
    native, query = row.get("_id"), row.get("text")
    if not isinstance(native, str | int) or not isinstance(query, str):
        return reject(path, number, MISSING_FIELD, "a query must have the fields '_id' and 'text'", line)
    return Record(QUERY, path, number, native_id=str(native), text=query)


def _parse_judgement(text: str, line: bytes, path: str, number: int, _: ReaderConfig) -> Record | None:
    """Return the judgement of a line: query id, document id and grade between tabs.

    Drops: the header; grades of 0 and below, which say "not relevant".
    """
    parts = text.rstrip("\r\n").split("\t")
    try:
        query, document, grade = parts[0], parts[1], float(parts[2])
    except (IndexError, ValueError):
        if number == 1:
            return None
        return reject(path, number, NOT_A_QREL, "the line must be query id, document id and grade between tabs", line)
    return Record(QREL, path, number, native_id=query, links=[document], grade=grade) if grade > 0 else None


_PARSERS: dict[str, Parser] = {DOCUMENTS: parse_document, QUERIES: _parse_query, QRELS: _parse_judgement}

FORMATS = (
    Format(
        "beir",
        read_beir,
        cut=cut_lines,
        says_domain=True,
        layout={DOCUMENTS: beir.CORPUS, QUERIES: beir.QUERIES, QRELS: beir.QRELS},
        folder="a BEIR folder",
        holds_judgements=True,
        title_in_text=True,
    ),
)
