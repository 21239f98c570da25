"""The line of a finished stage: rows, what was dropped, why and by which setting, seconds and rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.reasons import setting_of
from schemas.table import Table

NAME_WIDTH = 11
SPACE = "\u00a0"  # where a line is not folded: it is printed as a space


Reasons = Mapping[str, int]


def stage_line(
    name: str,
    manifest: Mapping[str, Any],
    built: bool,
    says_none: Sequence[Table] = (),
    before: Mapping[str, Reasons] | None = None,
) -> str:
    """Return the line of a finished stage: its headline, else its tables, and what it remarks besides.

    ``says_none``: tables that are named also when they are empty. ``before``: the counts by reason of the tables that
    the stage marked further; rows that an earlier stage dropped are not said again.
    """
    outputs, always = manifest["outputs"], {table.name for table in says_none}
    named = {table: facts for table, facts in outputs.items() if facts.get("rows") or table in always}
    parts = [
        _rows_text(table, facts, (before or {}).get(table, {})) for table, facts in named.items() if "rows" in facts
    ]
    headline = manifest["notes"].get("headline")
    said = [str(headline)] if headline else parts or ["done"]
    text = "; ".join([*said, *manifest["notes"].get("remarks", ())])
    if not built:
        return f"{name:<{NAME_WIDTH}} {text}  {_unfolded('(kept from an earlier build)')}"
    seconds = manifest["seconds"]
    rows = max((facts["rows"] for facts in outputs.values() if "rows" in facts), default=0)
    rate = f"  {_unfolded(rate_text(rows / seconds, 'rows'))}" if rows and seconds else ""
    return f"{name:<{NAME_WIDTH}} {text}  {_unfolded(f'{seconds:.1f} s')}{rate}"


def rate_text(rate: float, unit: str) -> str:
    """Return a rate with as many digits as say something, also below one."""
    digits = 0 if rate >= 10 else 1 if rate >= 1 else 2
    return f"{rate:,.{digits}f} {unit}/s"


def count_text(count: int, table: str) -> str:
    """Return a count of a table's rows in words: tables are plural nouns, one row of them is not."""
    if count != 1:
        return f"{count:,} {table}"
    ends = {"ies": "y", "ches": "ch", "us": "us", "s": ""}
    plural = next(end for end in (*ends, "") if table.endswith(end))
    return f"1 {table.removesuffix(plural)}{ends.get(plural, '')}"


def _rows_text(table: str, facts: Mapping[str, Any], before: Reasons) -> str:
    if "reasons" not in facts:
        return _unfolded(count_text(facts["rows"], table))
    kept = facts["reasons"].get("kept", 0)
    new = {why: count - before.get(why, 0) for why, count in facts["reasons"].items() if why != "kept"}
    dropped = sorted(((why, count) for why, count in new.items() if count > 0), key=lambda each: -each[1])
    if not dropped:
        return _unfolded(count_text(kept, table))
    rows = kept + sum(count for _, count in dropped)
    became = _unfolded(f"{rows:,} -> {count_text(kept, table)}")
    return f"{became}: {', '.join(_reason_text(table, *each) for each in dropped)}"


def _reason_text(table: str, why: str, count: int) -> str:
    setting = setting_of(why, table)
    return _unfolded(f"{why} ({setting}) {count:,}" if setting else f"{why} {count:,}")


def _unfolded(text: str) -> str:
    return text.replace(" ", SPACE)
