"""What lint tells: a table for the terminal, a page, and the same as plain data, from which both are made."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version as installed
from typing import Any

from pipeline.lint.findings import FAULT, Finding, LeftOut
from pipeline.lint.rows import TrainingSet

_EXAMPLES = 2
_MANY = 20  # places of a kind in plain data and on the page
_FILES = 5
_WIDEST = 130
_LEAST_WHY = 40  # characters of a reason beside a long place
UNREADABLE = "unreadable"
Told = dict[str, Any]


def describe(rows: TrainingSet, findings: Sequence[Finding], notes: Sequence[str]) -> Told:
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
        "faults": sum(each["found"] for each in found if each["level"] == FAULT),
        "warnings": sum(each["found"] for each in found if each["level"] != FAULT),
    }


def _describe_unreadable(rows: TrainingSet) -> Told:
    places = [{"at": f"{rows.files[bad.file].path}:{bad.line}", "why": bad.why} for bad in rows.bad[:_MANY]]
    of, count = len(rows) + len(rows.bad), len(rows.bad)
    told = {"count": count, "of": of, "unit": "rows", "found": count > 0, "places": places}
    return _one(UNREADABLE, "a row that cannot be read", FAULT, told)


def _describe_one(rows: TrainingSet, finding: Finding) -> Told:
    kind = finding.kind
    if isinstance(finding, LeftOut):
        return _one(kind.name, kind.says, kind.level, {"left_out": finding.why})
    told = {
        "count": finding.count,
        "of": finding.of,
        "unit": finding.unit,
        "found": bool(finding),
        "sample": finding.is_sample,
        "summary": finding.summary,
        "places": [
            {"at": rows.where(int(finding.row[place])), "why": finding.tell(place)}
            for place in range(min(finding.count, _MANY))
        ],
    }
    return _one(kind.name, kind.says, kind.level, told | dict(finding.figures))


def _one(name: str, says: str, level: str, told: Mapping[str, Any]) -> Told:
    blank = {"count": 0, "of": 0, "unit": "", "found": False, "sample": False, "summary": "", "left_out": ""}
    return {"kind": name, "says": says, "level": level, **blank, "places": [], **told}


def lines_of(told: Told) -> Iterator[str]:
    """Yield the lines of the table: what was read, what was found with its first places, what was not, and the sum."""
    width = min(shutil.get_terminal_size((110, 40)).columns, _WIDEST)
    for file in told["files"][:_FILES]:
        yield from _wrap(f"{file['path']}: {file['layout']}; {file['columns']}", width, subsequent_indent="  ")
    if len(told["files"]) > _FILES:
        yield f"and {len(told['files']) - _FILES} more files"
    sizes = ", ".join(f"{told[name]:,} {name}" for name in ("rows", "queries", "positives", "negatives"))
    yield f"{sizes}; {told['texts']:,} texts, each once"
    yield from told["notes"]
    for level in ("fault", "warning"):
        for each in _found(told):
            if each["level"] == level:
                yield ""
                yield from _lines_of_one(each, width)
    yield ""
    for each in _told_all_the_same(told):
        yield from _wrap(f"{each['kind']}: {each['summary']}", width, subsequent_indent="  ")
    if clean := _clean(told):
        yield from _wrap(f"nothing of: {', '.join(clean)}", width, subsequent_indent="  ")
    for each in _left_out(told):
        yield from _wrap(f"not looked for: {each['kind']}: {each['left_out']}", width, subsequent_indent="  ")
    if "fixed" in told:
        yield from _wrap(describe_copy(told), width, subsequent_indent="  ")
    yield _sum(told)


def _lines_of_one(each: Told, width: int) -> Iterator[str]:
    share = f" ({each['count'] / each['of']:.1%})" if each["of"] else ""
    looked = " looked at" if each["sample"] else ""
    figure = (
        f"{each['count']:,} of {each['of']:,} {each['unit']}{looked}{share}" if each["count"] else "the set as a whole"
    )
    yield f"{each['level']} {each['kind']}: {figure}"
    yield from _wrap(each["says"], width, initial_indent="  ", subsequent_indent="  ")
    if each["summary"]:
        yield from _wrap(each["summary"], width, initial_indent="  ", subsequent_indent="  ")
    for place in each["places"][:_EXAMPLES]:
        why, room = (
            place["why"],
            max(_LEAST_WHY, width - 6 - len(place["at"])),
        )  # a place is never cut: it is to be opened
        yield f"    {place['at']}  {why if len(why) <= room else why[: room - 1] + '…'}".rstrip()


def _wrap(text: str, width: int, *, initial_indent: str = "", subsequent_indent: str = "") -> list[str]:
    """Return the text in lines of the width, names of files whole."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=initial_indent,
        subsequent_indent=subsequent_indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _found(told: Told) -> list[Told]:
    return [each for each in told["findings"] if each["found"]]


def _clean(told: Told) -> list[str]:
    return [each["kind"] for each in told["findings"] if each["of"] and not each["found"]]


def _told_all_the_same(told: Told) -> list[Told]:
    """Return what says something of the whole set although nothing is wrong with it: estimates."""
    return [each for each in told["findings"] if each.get("rate") and not each["found"]]


def _left_out(told: Told) -> list[Told]:
    return [each for each in told["findings"] if each["left_out"]]


def _sum(told: Told) -> str:
    faults, warnings = told["faults"], told["warnings"]
    if not faults and not warnings:
        return "nothing found"
    return f"{faults} kind{'s' * (faults != 1)} of fault, {warnings} kind{'s' * (warnings != 1)} of warning"


def describe_copy(told: Told) -> str:
    """Return in a line what a cleaned copy holds and what is not in it."""
    fixed = told["fixed"]
    names = (("rows_removed", "whole row"), ("texts_removed", "single text"))
    removed = [f"{fixed[name]:,} {what}{'s' * (fixed[name] > 1)}" for name, what in names if fixed.get(name)]
    taken = f"{' and '.join(removed)} taken out, with the reasons in removed.jsonl" if removed else "nothing taken out"
    stays = "; what is a warning stays, --also KIND takes it out" if told["warnings"] else ""
    return f"cleaned copy in {fixed['to']}: {fixed.get('rows', 0):,} rows; {taken}{stays}"


def render_lint(told: Told, now: datetime) -> str:
    """Return the page: one HTML file that needs nothing else, with every text of the data escaped."""
    from jobs.views.report.page import render_page

    found = [{**each, "share": each["count"] / each["of"] if each["of"] else None} for each in _found(told)]
    files = told["files"]
    name = files[0]["path"] if len(files) == 1 else f"{files[0]['path']} and {len(files) - 1} more"
    figures = [
        {"name": "rows", "value": f"{told['rows']:,}", "note": f"{told['queries']:,} different queries"},
        {"name": "negatives", "value": f"{told['negatives']:,}", "note": f"{told['positives']:,} positives"},
        {"name": "kinds of fault", "value": f"{told['faults']}", "note": f"{told['warnings']} of warning"},
    ]
    rates = [each for each in told["findings"] if each.get("rate")]
    figures += [
        {"name": "false negatives", "value": f"{each['rate']['estimate']:.0%}", "note": each["rate"]["in_words"]}
        for each in rates
    ]
    return render_page(
        "lint.html",
        name=name,
        about=f"looked at on {now:%d %B %Y, %H:%M} UTC: {_sum(told)}",
        figures=figures,
        found=sorted(found, key=lambda each: each["level"] != FAULT),
        files=files,
        notes=told["notes"],
        told=_told_all_the_same(told),
        clean=_clean(told),
        left_out=_left_out(told),
        copy=describe_copy(told) if "fixed" in told else "",
        release=installed("pairwright"),
    )
