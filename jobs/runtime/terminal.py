"""What the person at the terminal sees: one line a stage, with progress while it runs.

While a stage runs, stdout and stderr of this process and its children go to the log, so that no library can break
the lines; the terminal itself is written to through a duplicate of the original stdout.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jobs.spark.output import redirect_output
from schemas.table import Table

_NAME, _REFRESH_SECONDS = 11, 0.2


class Terminal:
    """Prints lines, and on a real terminal a live line that is overwritten."""

    def __init__(self) -> None:
        """Keep a private way to the terminal."""
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
        self._live = self._out.isatty()
        self._last = 0.0
        self._stage = ""
        self._started = 0.0

    @contextmanager
    def stage(self, name: str, log: Path) -> Iterator[None]:
        """Show that a stage runs; send everything else to the log meanwhile."""
        self._stage, self._started = name, time.monotonic()
        self._show("...")
        with redirect_output(log):
            yield

    def progress(self, done: int, total: int, unit: str) -> None:
        """Update the live line: done of total units, and the rate."""
        now = time.monotonic()
        if now - self._last < _REFRESH_SECONDS and done < total:
            return
        self._last = now
        rate = done / max(now - self._started, 1e-9)
        share = f"{done:,}/{total:,}" if total else f"{done:,}"
        self._show(f"{share} {unit}  {rate:,.0f}/s")

    def _show(self, text: str) -> None:
        if self._live:
            self._out.write(f"\r\033[K{self._stage:<{_NAME}} {text}")
            self._out.flush()

    def line(self, text: str = "") -> None:
        """Print a line, in the place of the live one."""
        self._out.write(f"\r\033[K{text}\n" if self._live else f"{text}\n")

    def fail(self, text: str) -> None:
        """Print the one line of a failure to stderr."""
        self.line()
        sys.stderr.write(f"pairwright: {text}\n")


def stage_line(name: str, manifest: Mapping[str, Any], built: bool, says_none: Sequence[Table] = ()) -> str:
    """Return the line of a finished stage: rows, what was dropped and why, seconds and rate.

    ``says_none``: tables that are named also when they are empty.
    """
    outputs, always = manifest["outputs"], {table.name for table in says_none}
    named = {table: facts for table, facts in outputs.items() if facts.get("rows") or table in always}
    parts = [_rows_text(table, facts) for table, facts in named.items() if "rows" in facts]
    headline = manifest["notes"].get("headline")
    text = str(headline) if headline else ", ".join(parts) or "done"
    if not built:
        return f"{name:<{_NAME}} {text}  (kept from an earlier build)"
    seconds = manifest["seconds"]
    rows = max((facts["rows"] for facts in outputs.values() if "rows" in facts), default=0)
    rate = f"  {rows / seconds:,.0f} rows/s" if rows and seconds else ""
    return f"{name:<{_NAME}} {text}  {seconds:.1f} s{rate}"


def _rows_text(table: str, facts: Mapping[str, Any]) -> str:
    rows, reasons = facts["rows"], facts.get("reasons")
    if not reasons:
        return f"{rows:,} {table}"
    dropped = ", ".join(
        f"{why} {count:,}" for why, count in sorted(reasons.items(), key=lambda each: -each[1]) if why != "kept"
    )
    kept = reasons.get("kept", 0)
    return f"{rows:,} {table}" if kept == rows else f"{rows:,} -> {kept:,} {table} ({dropped})"
