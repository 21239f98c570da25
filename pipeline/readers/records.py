"""What a reader yields, before documents, judgements and rejects go separate ways, and the rejects that many give."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.readers.config import EncodedConfig, ReaderConfig
from schemas.documents import ANNOTATIONS, DOCUMENTS, REJECTS
from schemas.table import Column, Table

DOCUMENT, SEE_ALSO, QUERY, QREL, REJECT = "document", "see_also", "query", "qrel", "reject"

RAW_LIMIT = 64 << 10

# Why something could not be read.
EMPTY_FILE = "empty_file"
UNREADABLE = "unreadable"  # the operating system, or the file's format, says no
BROKEN_GZIP = "broken_gzip"
BROKEN_BZIP2 = "broken_bzip2"
BROKEN_ZSTD = "broken_zstd"
BOMB = "bomb"  # unpacks to more than 100 times its size, and more than the source allows
WRONG_ENCODING = "wrong_encoding"
NUL_BYTES = "nul_bytes"
NOT_JSON = "not_json"
NOT_AN_OBJECT = "not_an_object"
MISSING_FIELD = "missing_field"
WRONG_TYPE = "wrong_type"
TOO_LARGE = "too_large"
TOO_SLOW = "too_slow"
TOO_COMPLEX = "too_complex"
SYNTAX_ERROR = "syntax_error"
NOT_A_QREL = "not_a_qrel"
NOT_CSV = "not_csv"
NOT_SQUAD = "not_squad"
WRONG_COLUMNS = "wrong_columns"
BROKEN_PAGE = "broken_page"
NO_MAIN_TEXT = "no_main_text"
NOT_A_PAGE = "not_a_page"
HTTP_STATUS = "http_status"
NOT_WARC = "not_warc"
CUT_RECORD = "cut_record"
BROKEN_PDF = "broken_pdf"
ENCRYPTED = "encrypted"
NO_TEXT_LAYER = "no_text_layer"


@dataclass
class Record:
    """One thing that was read: a document, part of a judgement, or what could not be read.

    ``package`` is set for docstrings, whose links are names still to be resolved within the package.
    """

    kind: str
    path: str
    line: int
    native_id: str | None = None
    title: str = ""
    text: str = ""
    links: list[str] = field(default_factory=list)
    family: str | None = None
    domain: str | None = None
    license: str | None = None
    package: str | None = None
    grade: float | None = None
    reason: str | None = None
    detail: str | None = None
    raw: bytes | None = None


def reject(path: str, line: int, reason: str, detail: str, raw: bytes = b"") -> Record:
    """Return the record of something that could not be read, with the first 64 KiB of it."""
    return Record(REJECT, path, line, reason=reason, detail=detail, raw=raw[:RAW_LIMIT])


def too_large(path: str, line: int, source: ReaderConfig, raw: bytes) -> Record:
    """Return the reject of a line, row or file beyond ``max_bytes``."""
    detail = f"more than {source.max_bytes} bytes; try cutting it into passages, or sources.{source.name}.max_bytes"
    return reject(path, line, TOO_LARGE, detail, raw)


def too_slow(path: str, line: int, source: ReaderConfig, raw: bytes = b"", *, rest: bool = False) -> Record:
    """Return the reject of what takes longer than ``max_seconds``; ``rest``: what follows in the file is not read."""
    detail = f"took too long; if it is sound, try a sources.{source.name}.max_seconds above {source.max_seconds:g}"
    return reject(path, line, TOO_SLOW, f"{detail}; the rest of the file is not read" if rest else detail, raw)


def wrong_encoding(path: str, line: int, source: EncodedConfig, error: UnicodeDecodeError, raw: bytes) -> Record:
    """Return the reject of bytes that are not in the source's encoding."""
    detail = f"not {source.encoding}: {error.reason} at byte {error.start}; try sources.{source.name}.encoding"
    return reject(path, line, WRONG_ENCODING, detail, raw)


def unreadable(path: str, line: int, error: OSError) -> Record:
    """Return the reject of a file that the operating system does not give."""
    return reject(path, line, UNREADABLE, error.strerror or str(error))


# One row a record, cleaned. It lives from reading to writing only, so it is no contract between stages.
RECORDS = Table(
    "records",
    1,
    key=("kind", "doc_id", "path", "line"),
    columns=(
        Column("kind", "string", "document, see_also, query, qrel or reject"),
        Column("package", "string", "docstrings: top-level package, in which links are to be resolved", nullable=True),
        Column("grade", "double", "qrel: relevance", nullable=True),
        *(Column(c.name, c.type, c.doc, nullable=c.name not in ("source", "path", "line")) for c in DOCUMENTS.columns),
        *(Column(c.name, c.type, c.doc, nullable=True) for c in REJECTS.columns if c.name not in DOCUMENTS.names),
        *(Column(c.name, c.type, c.doc, nullable=True) for c in ANNOTATIONS.columns if c.name not in DOCUMENTS.names),
    ),
)
