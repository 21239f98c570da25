"""The report's sections on the corpus: the funnel, time, domains, duplicates, rejected input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.views.report.data import ReportData, Row
from jobs.views.report.page import clip
from schemas.documents import DOCUMENTS, EXACT_DUPLICATE, NEAR_DUPLICATE, SEMANTIC_DUPLICATE

_DOMAINS = 40


def describe_funnel(data: ReportData) -> dict[str, Any] | None:
    """Return every table of every stage with its counts by drop_reason."""
    rows: list[Row] = []
    for stage in data.stages:
        for name, facts in sorted(stage.tables.items()):
            if "rows" not in facts:
                continue
            row = {"stage": stage.name, "table": name, "rows": facts["rows"], "kept": None}
            reasons = facts.get("reasons")
            if reasons is not None:  # else a table whose rows are never dropped
                kept = reasons.get("kept", 0)
                dropped = sorted((-count, reason) for reason, count in reasons.items() if reason != "kept")
                row |= {"kept": kept, "share": kept / max(1, facts["rows"])}
                row["dropped"] = [(-count, reason) for count, reason in dropped]
            rows.append(row)
    return {"rows": rows} if rows else None


def describe_time(data: ReportData) -> dict[str, Any] | None:
    """Return seconds and peak memory by stage."""
    if not data.stages:
        return None
    longest = max(stage.seconds for stage in data.stages) or 1.0
    rows = [
        {
            "stage": stage.name,
            "seconds": stage.seconds,
            "share": stage.seconds / longest,
            "peak_mb": stage.peak_mb,
            "headline": str(stage.notes.get("headline", "")),
        }
        for stage in data.stages
    ]
    total, peak = sum(stage.seconds for stage in data.stages), max(stage.peak_mb for stage in data.stages)
    return {"rows": rows, "total": total, "peak": peak}


def describe_contracts(data: ReportData) -> dict[str, Any] | None:
    """Return how many expectations held at each boundary, with the way to every one of them."""
    rows = [
        {
            "stage": stage.name,
            "checked": ", ".join(sorted(name for name, facts in stage.tables.items() if "rows" in facts)) or "dataset",
            "expectations": stage.notes["expectations"],
            "seconds": stage.notes["audit_seconds"],
        }
        for stage in data.stages
        if "expectations" in stage.notes
    ]
    return {"rows": rows, "docs": data.docs} if rows else None


def describe_domains(data: ReportData) -> dict[str, Any] | None:
    """Return the sizes of the domains, largest first."""
    sizes: Mapping[str, int] = data.notes("bucket").get("domains", {})
    if not sizes:
        return None
    ordered = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))
    total, largest = sum(sizes.values()), ordered[0][1]
    shown = [(clip(name, 60), count) for name, count in ordered[:_DOMAINS]]
    if rest := ordered[_DOMAINS:]:
        shown.append((f"{len(rest)} smaller domains", sum(count for _, count in rest)))
    rows = [{"name": name, "documents": count, "share": count / total, "bar": count / largest} for name, count in shown]
    return {"rows": rows, "count": len(sizes), "total": total}


def describe_duplicates(data: ReportData) -> dict[str, Any] | None:
    """Return how many duplicates were found, and some clusters."""
    reasons = data.reasons("dedupe", DOCUMENTS.name)
    if not reasons:
        return None
    return {
        "exact": reasons.get(EXACT_DUPLICATE, 0),
        "near": reasons.get(NEAR_DUPLICATE, 0),
        "semantic": reasons.get(SEMANTIC_DUPLICATE, 0),
        "documents": sum(reasons.values()),
        "clusters": [
            {
                "title": str(survivor.get("title") or survivor.get("doc_id")),
                "text": str(survivor.get("text", "")),
                "twins": [{"text": "", **twin, "place": _place_of(twin)} for twin in twins],
                "more": int(survivor.get("members", 0)) - len(twins),
            }
            for survivor, twins in data.duplicates
        ],
    }


def _place_of(document: Row) -> str:
    return f"{document['path']}:{document['line']}" if document.get("path") else str(document.get("doc_id", ""))


def describe_leaks(data: ReportData) -> dict[str, Any] | None:
    """Return what was protected, and how many documents overlapped it and in which way."""
    notes = data.notes("guard")
    if not notes.get("protected"):
        return None
    cut = data.reasons("guard", DOCUMENTS.name).get("leak", 0)
    return {"cut": cut, "protected": notes["protected"], "leaks": notes.get("leaks", [])}


def describe_rejects(data: ReportData) -> dict[str, Any] | None:
    """Return some of the records that could not be read."""
    tables = next((stage.tables for stage in data.stages if stage.name == "ingest"), None)
    return None if tables is None else {"count": int(tables.get("rejects", {}).get("rows", 0)), "rows": data.rejects}
