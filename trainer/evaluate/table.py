"""A result as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainer.evaluate.metrics import METRICS


def format_table(result: Mapping[str, Any]) -> str:
    """Return the result for a terminal: per set all systems, then nDCG@10 per domain."""
    lines: list[str] = []
    for name, size in result["queries"].items():
        lines += [f"{name}: {size['queries']} queries, {size['documents']} documents", *_left_out(result, name), ""]
        lines += [*_overall(result, name), "", *_per_domain(result, name), ""]
    return "\n".join(lines).rstrip()


def _left_out(result: Mapping[str, Any], name: str) -> list[str]:
    """Return what the figures do not rest on."""
    size, lines = result["queries"][name], []
    counts = {system: sets.get(name, 0) for system, sets in result.get("left_out", {}).items()}
    if any(counts.values()):
        told = ", ".join(f"{system} {count}" for system, count in counts.items())
        lines.append(f"left out, hits that are the query itself: {told}")
    words = {
        "unknown_queries": "judgements of unknown queries",
        "unknown_documents": "judgements of unknown documents",
        "repeated": "judgements given again",
        "rounded": "grades that are fractions, rounded",
    }
    lines += [f"{text}: {size[key]}" for key, text in words.items() if size.get(key)]
    return lines


def _overall(result: Mapping[str, Any], name: str) -> list[str]:
    gaps = {
        row["system"]: row
        for row in result["differences"]
        if (row["eval"], row["domain"], row["metric"]) == (name, "all", METRICS[0])
    }
    rows = [["system", *METRICS, f"{METRICS[0]} - {result['baseline']} [95 %]"]]
    for system, sets in result["systems"].items():
        gap = gaps.get(system)
        text = f"{gap['difference']:+.4f} [{gap['low']:+.4f}, {gap['high']:+.4f}]" if gap else ""
        rows.append([system, *(f"{sets[name]['all'][metric]:.4f}" for metric in METRICS), text])
    return _align(rows)


def _per_domain(result: Mapping[str, Any], name: str) -> list[str]:
    systems = list(result["systems"])
    domains = result["systems"][systems[0]][name]["domains"]
    rows = [[f"{METRICS[0]} per domain", "queries", *systems]]
    for domain, means in domains.items():
        values = (result["systems"][system][name]["domains"][domain][METRICS[0]] for system in systems)
        rows.append([domain, str(means["queries"]), *(f"{value:.4f}" for value in values)])
    return _align(rows) if len(rows) > 1 else []


def _align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines: the first column to the left, the others to the right."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines: list[str] = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells[1:]]).rstrip())
    return lines
