"""What lint tells: a table for the terminal, and the same as plain data."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.lint.findings import FAULT, Finding, LeftOut
from pipeline.lint.rows import TrainingSet

_EXAMPLES = 2
_MANY = 20  # examples in plain data
UNREADABLE = "unreadable"


def describe(rows: TrainingSet, findings: Sequence[Finding], notes: Sequence[str]) -> dict[str, Any]:
    """Return all that was found as JSON-able data: what was read, and each kind with its first places."""
    found = [_describe_unreadable(rows)] + [_describe_one(rows, finding) for finding in findings]
    return {
        "files": [
            {"path": str(file.path), "layout": reading.layout, "columns": reading.told}
            for file, reading in zip(rows.files, rows.readings, strict=True)
        ],
        "rows": len(rows),
        "queries": len(set(rows.query.tolist())),
        "positives": int(rows.is_positive.sum()),
        "negatives": int(rows.is_negative.sum()),
        "texts": len(rows.texts),
        "notes": list(notes),
        "findings": found,
        "faults": sum(each["count"] > 0 or each["found"] for each in found if each["level"] == FAULT),
        "warnings": sum(each["count"] > 0 or each["found"] for each in found if each["level"] != FAULT),
    }


def _describe_unreadable(rows: TrainingSet) -> dict[str, Any]:
    examples = [{"at": f"{rows.files[bad.file].path}:{bad.line}", "why": bad.why} for bad in rows.bad[:_MANY]]
    of = len(rows) + len(rows.bad)
    told = {"count": len(rows.bad), "of": of, "unit": "rows", "places": examples}
    return _one(UNREADABLE, "a row that cannot be read", FAULT, **told)


def _describe_one(rows: TrainingSet, finding: Finding) -> dict[str, Any]:
    kind = finding.kind
    if isinstance(finding, LeftOut):
        return _one(kind.name, kind.says, kind.level, left_out=finding.why)
    places = [
        {"at": rows.where(int(finding.row[place])), "why": finding.tell(place)}
        for place in range(min(finding.count, _MANY))
    ]
    return _one(
        kind.name,
        kind.says,
        kind.level,
        count=finding.count,
        of=finding.of,
        unit=finding.unit,
        found=bool(finding),
        summary=finding.summary,
        sample=finding.is_sample,
        places=places,
    )


def _one(name: str, says: str, level: str, **told: Any) -> dict[str, Any]:
    blank = {"count": 0, "of": 0, "unit": "", "found": False, "sample": False, "summary": "", "left_out": ""}
    return {"kind": name, "says": says, "level": level, **blank, "places": [], **told}


def lines_of(told: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the table: what was read, what was found with its first places, what was not, and the sum."""
    width = min(shutil.get_terminal_size((110, 40)).columns, 130)
    for file in told["files"][:5]:
        yield from textwrap.wrap(f"{file['path']}: {file['layout']}; {file['columns']}", width, subsequent_indent="  ")
    if len(told["files"]) > 5:
        yield f"and {len(told['files']) - 5} more files"
    sizes = ", ".join(f"{told[name]:,} {name}" for name in ("rows", "queries", "positives", "negatives", "texts"))
    yield f"{sizes} (each once)" if told["texts"] else sizes
    yield from told["notes"]
    yield ""
    name_width = max(len(each["kind"]) for each in told["findings"])
    hits = [each for each in told["findings"] if each["count"] or each["found"]]
    for each in sorted(hits, key=lambda each: each["level"] != FAULT):
        figure = _figure(each)
        yield f"{each['level']:<8}{each['kind']:<{name_width}}  {figure:>24}  {each['says']}"
        if each["summary"]:
            yield from textwrap.wrap(each["summary"], width, initial_indent=" " * 10, subsequent_indent=" " * 10)
        for place in each["places"][:_EXAMPLES]:
            line = f"{place['at']}  {place['why']}".rstrip()
            yield " " * 10 + (line if len(line) <= width - 10 else line[: width - 11] + "…")
    clean = [each["kind"] for each in told["findings"] if each["of"] and not (each["count"] or each["found"])]
    if clean:
        yield from textwrap.wrap(f"nothing of: {', '.join(clean)}", width, subsequent_indent="  ")
    for each in told["findings"]:
        if each["left_out"]:
            yield f"not looked for: {each['kind']}: {each['left_out']}"
    if "fixed" in told:
        yield _describe_copy(told["fixed"])
    faults, warnings = told["faults"], told["warnings"]
    kinds = f"{faults} kind{'s' * (faults != 1)} of fault, {warnings} of warning"
    yield kinds if faults or warnings else "nothing found"


def _figure(each: dict[str, Any]) -> str:
    if not each["count"]:
        return "the set as a whole"
    share = f" ({each['count'] / each['of']:.1%})" if each["of"] else ""
    sample = " looked at" if each["sample"] else ""
    return f"{each['count']:,} of {each['of']:,} {each['unit']}{sample}{share}"


def _describe_copy(fixed: dict[str, Any]) -> str:
    removed = [
        f"{fixed[name]:,} {what}"
        for name, what in (("rows_removed", "rows"), ("texts_removed", "texts of other rows"))
        if fixed.get(name)
    ]
    taken = (
        f"{' and '.join(removed)} taken out, each with its reason in removed.jsonl" if removed else "nothing to take"
    )
    return f"cleaned copy in {fixed['to']}: {fixed.get('rows', 0):,} rows; {taken}"
