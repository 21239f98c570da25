"""The layout of a BEIR folder: its files, its ids, the form of its judgements, and what a grade may be.

    corpus.jsonl       {"_id": "d1", "title": "...", "text": "..."}
    queries.jsonl      {"_id": "q1", "text": "..."}
    qrels/<split>.tsv  query-id <tab> corpus-id <tab> score, below a header of these names, in any case, or without one

Some folders hold TREC's four columns in the place of these three (query, 0, document, grade); the first line of the
file decides. What reads such folders, to train on them or to measure by them, reads them by the rules of this module.
A grade above 0 means relevant, 0 and below judged and not relevant; a fraction is a grade between two whole ones.
Source: Thakur et al. 2021, and trec_eval's description of qrels.
"""

from __future__ import annotations

import re
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, NamedTuple

CORPUS, QUERIES, QRELS = "corpus.jsonl", "queries.jsonl", "qrels/{}.tsv"

TABS, TREC = "tabs", "trec"
COLUMNS = {
    TABS: "query id, document id and grade between tabs",
    TREC: "query id, 0, document id and grade, TREC's four columns",
}

HIGHEST_GRADE = 1_000_000
_GRADE = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)
_BLANKS = re.compile(r"[ \t]+")
_ITERATION = re.compile(r"[0-9]{1,9}|[Qq]0", re.ASCII)
_EXACT = 2**53  # a float tells whole numbers apart up to here

_QUERY = frozenset({"queryid", "query", "qid", "topic", "topicid"})
_DOCUMENT = frozenset({"corpusid", "docid", "documentid", "document", "doc", "did", "pid", "passageid"})
_SCORE = frozenset({"score", "grade", "relevance", "rel", "label", "rating", "judgement", "judgment"})
_ITER = frozenset({"0", "q0", "iter", "iteration", "unused"})
_HEADERS = {TABS: (_QUERY, _DOCUMENT, _SCORE), TREC: (_QUERY, _ITER, _DOCUMENT, _SCORE)}
_NAMES = _QUERY | _DOCUMENT | _SCORE | {"iter", "iteration"}


class Judgement(NamedTuple):
    """A line of qrels."""

    query_id: str
    document_id: str
    grade: int | float


def find_form(first_line: str) -> str:
    """Return the form of a qrels file, which its first line tells: TABS, or TREC.

    Raises: ValueError for a header that names the columns in another order; the text says what must be.
    """
    cells = _cells(first_line)
    form = TREC if len(cells) == 4 and (cells[1] in ("0", "Q0", "q0") or is_header(first_line)) else TABS
    if is_header(first_line):
        pairs = zip((_plain(cell) for cell in cells), _HEADERS[form], strict=False)
        if len(cells) != len(_HEADERS[form]) or any(name in _NAMES and name not in known for name, known in pairs):
            raise ValueError(f"the columns must be {COLUMNS[form]}, got a header of {', '.join(cells)[:80]!r}")
    return form


def is_header(line: str) -> bool:
    """Return whether a file's first line names its columns: ``query-id``, ``Corpus-ID``, ``score`` or the like."""
    cells = _cells(line)
    known = sum(_plain(cell) in _NAMES for cell in cells)
    return len(cells) > 1 and known >= len(cells) - 1 and not _GRADE.fullmatch(cells[-1].strip())


def read_judgement(line: str, form: str = TABS) -> Judgement:
    """Return what a line of qrels says.

    Raises: ValueError that says what the line must be, and what it is.
    """
    cells = _cells(line) if form == TREC else line.rstrip("\r\n").split("\t")
    wanted = len(_HEADERS[form])
    if len(cells) != wanted:
        raise ValueError(f"the line must be {COLUMNS[form]}, got {len(cells)} column{'s'[: len(cells) != 1]}")
    query, document, grade = (cell.strip() for cell in (cells[0], cells[-2], cells[-1]))
    if not query or not document:
        raise ValueError(f"the line must be {COLUMNS[form]}, got an empty id")
    if form == TREC and not _ITERATION.fullmatch(cells[1]):
        raise ValueError(f"the line must be {COLUMNS[form]}, got {cells[1][:40]!r} in the second")
    return Judgement(query, document, read_grade(grade))


def read_grade(text: str) -> int | float:
    """Return a grade: a decimal number in ASCII digits; ``2.0`` is the whole number 2.

    Raises: ValueError for anything else that Python would take for a number: inf, nan, 1e10, 1_0, other digits.
    """
    text = text.strip(" \t\r\n")
    if not _GRADE.fullmatch(text) or not -HIGHEST_GRADE <= (grade := float(text)) <= HIGHEST_GRADE:
        raise ValueError(
            f"the grade must be a number such as 2, 0.5 or -1, at most {HIGHEST_GRADE} in size, got {text[:40]!r}"
        )
    return int(grade) if grade == int(grade) else grade


def whole_grade(grade: float) -> int:
    """Return the grade for measures that know whole ones: 0 = not relevant; a fraction is rounded, but not to 0."""
    return max(1, int(grade + 0.5)) if grade > 0 else 0


def is_missing(value: object) -> bool:
    """Return whether a value is how some writer says that there is none: null, NaN."""
    return value is None or (isinstance(value, Real | Decimal) and value != value)  # NaN alone differs from itself


def read_id(value: Any) -> str | None:
    """Return an id as a string: of whole numbers their digits, also where a gap made floats of them; None for none.

    Raises: ValueError for what is no id.
    """
    if is_missing(value) or value == "":
        return None
    if isinstance(value, str):
        return value
    number: Any = None if isinstance(value, bool) or not isinstance(value, Real | Decimal) else value
    if number is None or not (isinstance(number, Integral) or (abs(number) <= _EXACT and number == int(number))):
        raise ValueError(f"must be a string or a whole number, got {type(value).__name__}")
    return str(int(number))


def _cells(line: str) -> list[str]:
    """Return the cells between tabs; between blanks where there is no tab."""
    line = line.strip("\r\n")
    return line.split("\t") if "\t" in line else _BLANKS.split(line.strip(" "))


def _plain(cell: str) -> str:
    return re.sub(r"[-_ ]", "", cell).casefold()
