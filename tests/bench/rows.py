"""What a benchmark says: one row a figure, one table, one JSON file, and status 1 when a row misses its target."""

from __future__ import annotations

import json
import math
import operator
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}
LEFT_OUT = "left out"


@dataclass(frozen=True)
class Row:
    """One figure of a benchmark; ``met`` is None where nothing is asked of it."""

    section: str
    what: str
    figure: float | None
    unit: str = ""
    target: str = ""
    met: bool | None = None

    @classmethod
    def of(cls, section: str, what: str, figure: float, unit: str = "", target: tuple[str, float] | None = None) -> Row:
        """Hold a figure to a comparison such as ``(">=", 15.0)``; a figure that is no number misses every target."""
        if target is None:
            return cls(section, what, figure, unit)
        sign, bound = target
        return cls(section, what, figure, unit, f"{sign} {show(bound)}", COMPARISONS[sign](figure, bound))

    @classmethod
    def left_out(cls, section: str, what: str, why: str) -> Row:
        """Say in one line what was not measured here, and why."""
        return cls(section, f"{what}: {why}", None, "", LEFT_OUT)


def no_collections(section: str, what: str) -> Row:
    """Say that a measurement wants the folder of public collections, and how it is named."""
    return Row.left_out(section, what, "needs the folder of public collections; set PAIRWRIGHT_DATA to it")


def show(figure: float | None) -> str:
    """Return a figure as a person reads it: thousands apart, small numbers to four significant digits."""
    if figure is None:
        return "-"
    if math.isfinite(figure) and float(figure).is_integer():
        return f"{int(figure):,}"
    return f"{figure:,.0f}" if abs(figure) >= 10_000 else f"{figure:.4g}"


def print_rows(rows: Iterable[Row]) -> None:
    """Print the rows as one table."""
    marks = {True: "met", False: "MISSED", None: ""}
    cells = [("section", "what", "figure", "unit", "target", "")]
    cells += [(row.section, row.what, show(row.figure), row.unit, row.target, marks[row.met]) for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    for line in cells:
        padded = [
            cell.rjust(width) if place == 2 else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(padded).rstrip())


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write the rows, and on what they were measured, as JSON."""
    machine = {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"machine": machine, "rows": [asdict(row) for row in rows]}, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def status_of(rows: Iterable[Row]) -> int:
    """Return the exit status: 1 when a row misses its target."""
    return int(any(row.met is False for row in rows))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
