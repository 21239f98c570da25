"""The same questions as a sheet: tab-separated, for those who prefer a spreadsheet.

What a spreadsheet would take for a formula is quoted; tabs and line breaks become spaces; UTF-8 with a byte order mark,
as Excel wants it. A row carries in its last cell all that its answer is kept under, so that it can be read back after a
rebuild, and what a spreadsheet did to that cell is told by its line.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
from pathlib import Path

from jobs.store.files import write_atomic
from jobs.views.review.session import Session
from pipeline.review.agreement import Pair
from schemas.errors import RecipeError, show
from schemas.reviews import ANSWERS, NO, PURPOSES, UNSURE, YES

COLUMNS = ("number", "query", "candidate", "known to answer it", "answer", "why", "row")
MOST_BYTES = 256 << 20
_MOST_CHARS = 32_000  # of a cell: a spreadsheet cuts longer ones
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_SHORT = {"y": YES, "n": NO, "u": UNSURE}
_MARK = "pw1."
Kept = tuple[Pair, str, str, float, str]


def export_sheet(session: Session, path: Path) -> int:
    """Write the questions that have no answer yet and return how many. Raises: RecipeError where it cannot."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t", lineterminator="\r\n")
    writer.writerow(COLUMNS)
    numbers = session.open_questions()
    for number in numbers:
        shown, asked = session.show(number), session.questions[number]
        known = " | ".join(f"{each.title} {each.text}".strip() for each in shown.positives)
        candidate = f"{shown.candidate.title} {shown.candidate.text}".strip()
        cells = (str(number + 1), shown.query, candidate, known, "", "")
        writer.writerow([*map(_cell, cells), _pack(session.pairs[number], asked.purpose, asked.inclusion)])
    try:
        write_atomic(path, out.getvalue().encode("utf-8-sig", "replace"))
    except OSError as error:
        raise RecipeError(f"{path} cannot be written ({error.strerror}); try another --export") from error
    return len(numbers)


def import_sheet(session: Session, path: Path) -> tuple[int, int]:
    """Keep the answers of a sheet; return how many are new, and how many rows have none.

    Raises: RecipeError with every row that is at fault, by its line; then nothing is kept.
    """
    rows, faults, empty = _read(path), [], 0
    found: list[Kept] = []
    for line, row in rows:
        given = row["answer"].strip().lower().lstrip("'")
        if not given:
            empty += 1
            continue
        answer = _SHORT.get(given, given)
        about = _unpack(row["row"].strip())
        if answer not in ANSWERS:
            faults.append(f"line {line}: answer must be yes, no or unsure (y, n, u, or empty), got {show(given)}")
        if about is None:
            faults.append(f"line {line}: the last cell must be as it was written, got {show(row['row'])}")
        if about is not None:
            found.append((about[0], answer, about[1], about[2], row.get("why", "").strip()[:1000]))
    if faults:
        raise RecipeError([f"{path} {fault}" for fault in faults])
    return session.keep_all(found), empty


def _read(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of a sheet as a spreadsheet may have saved it, each with its line."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise RecipeError(f"{path} must be at most {MOST_BYTES >> 20} MB, got {path.stat().st_size >> 20} MB")
        raw = path.read_bytes()
    except OSError as error:
        raise RecipeError(f"{path} cannot be read ({error.strerror}); try the file that --export wrote") from error
    try:
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeError as error:
        raise RecipeError(f"{path} must be UTF-8, got other bytes; try saving it as UTF-8 or Unicode text") from error
    csv.field_size_limit(1 << 24)
    head = text.partition("\n")[0]
    delimiter = max("\t;,", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        missing = [name for name in ("answer", "row") if name not in names]
        if missing:
            raise RecipeError(f"{path} must have the columns answer and row, got {show(names)}; try a new --export")
        blank = dict.fromkeys(COLUMNS, "")
        found = [
            (reader.line_num, blank | dict(zip(names, cells, strict=False)))
            for cells in reader
            if any(cell.strip() for cell in cells)
        ]
    except csv.Error as error:
        raise RecipeError(f"{path} line {reader.line_num} cannot be read ({error}); try a new --export") from error
    return found


def _cell(text: str) -> str:
    """Return a text as one cell that no spreadsheet computes."""
    line = " ".join(text.replace("\x00", " ").split())[:_MOST_CHARS]
    return f"'{line}" if line.startswith(_FORMULA) else line


def _pack(pair: Pair, purpose: str, inclusion: float) -> str:
    """Return what an answer is kept under as one cell that can be checked."""
    content = json.dumps([*pair, purpose, inclusion]).encode()
    return _MARK + base64.urlsafe_b64encode(hashlib.sha256(content).digest()[:6] + content).decode()


def _unpack(cell: str) -> tuple[Pair, str, float] | None:
    """Return what a cell was packed from; None where it is none, or was changed."""
    try:
        raw = base64.b64decode(cell.removeprefix(_MARK).encode("ascii"), altchars=b"-_", validate=True)
        query, text, purpose, inclusion = json.loads(raw[6:])
    except (ValueError, RecursionError, TypeError):
        return None
    is_whole = cell.startswith(_MARK) and hashlib.sha256(raw[6:]).digest()[:6] == raw[:6]
    if not is_whole or purpose not in PURPOSES or not isinstance(inclusion, float) or not 0 < inclusion <= 1:
        return None
    return (str(query), str(text)), purpose, inclusion
