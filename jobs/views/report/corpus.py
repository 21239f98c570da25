"""The report's sections on the corpus: the funnel, time, domains, duplicates, rejected input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.views.report.data import ReportData
from jobs.views.report.outputs import Row, origin_of
from jobs.views.report.page import clip
from schemas.documents import DOCUMENTS, EXACT_DUPLICATE, LEAK, NEAR_DUPLICATE, REJECTS, SEMANTIC_DUPLICATE
from schemas.reasons import setting_of

_DOMAINS = 40


def describe_funnel(data: ReportData) -> dict[str, Any] | None:
    """Return every table with its counts by drop_reason and their settings; those without rows by name alone.

    A table that goes through several stages keeps its rows: what an earlier one dropped is said there.
    """
    rows: list[Row] = []
    empty: list[str] = []
    earlier: dict[str, dict[str, int]] = {}
    for stage in data.stages:
        for name, facts in sorted(stage.tables.items()):
            if not facts.get("rows"):
                empty += [f"{name} of {stage.name}"] if "rows" in facts else []
                continue
            row: Row = {"stage": stage.name, "table": name, "rows": facts["rows"], "kept": None}
            reasons = facts.get("reasons")
            if reasons is not None:  # else a table whose rows are never dropped
                dropped = sorted((-count, reason) for reason, count in reasons.items() if reason != "kept")
                before = earlier.get(name, {})
                new = [(-count, reason) for count, reason in dropped if before.get(reason) != -count]
                row |= {"kept": reasons.get("kept", 0), "share": reasons.get("kept", 0) / facts["rows"]}
                row["dropped"] = [
                    {"count": count, "reason": reason, "setting": setting_of(reason, name)} for count, reason in new
                ]
                row["earlier"] = -sum(count for count, _ in dropped) - sum(count for count, _ in new)
                earlier[name] = reasons
            rows.append(row)
    return {"rows": rows, "empty": empty} if rows else None


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
            "seconds": stage.notes.get("audit_seconds", 0.0),
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
    if len(sizes) == 1:
        return {"nothing": f"All {sum(sizes.values()):,} documents are of one domain, {clip(next(iter(sizes)), 60)}."}
    ordered = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))
    total, largest = sum(sizes.values()) or 1, ordered[0][1] or 1
    shown = [(clip(name, 60), count) for name, count in ordered[:_DOMAINS]]
    if rest := ordered[_DOMAINS:]:
        shown.append((f"{len(rest)} smaller domains", sum(count for _, count in rest)))
    rows = [{"name": name, "documents": count, "share": count / total, "bar": count / largest} for name, count in shown]
    return {"rows": rows, "count": len(sizes), "total": sum(sizes.values())}


def describe_duplicates(data: ReportData) -> dict[str, Any] | None:
    """Return how many duplicates were found, and some clusters."""
    if not data.has("dedupe"):
        return None
    reasons = data.reasons("dedupe", DOCUMENTS.name)
    counts = {name: reasons.get(name, 0) for name in (EXACT_DUPLICATE, NEAR_DUPLICATE, SEMANTIC_DUPLICATE)}
    documents = sum(reasons.values())
    if not any(counts.values()):
        return {"nothing": f"No duplicates among {documents:,} documents."}
    kinds = {EXACT_DUPLICATE: "exact", NEAR_DUPLICATE: "near-duplicates", SEMANTIC_DUPLICATE: "that say the same"}
    clusters = [
        {
            "title": str(survivor.get("title") or survivor.get("native_id") or survivor.get("doc_id")),
            "text": str(survivor.get("text", "")),
            "origin": origin_of(survivor),
            "twins": [
                {"origin": origin_of(twin), "text": twin.get("text", ""), "jaccard": twin.get("jaccard")}
                for twin in twins
            ],
            "more": int(survivor.get("members", 0)) - len(twins),
        }
        for survivor, twins in data.duplicates
    ]
    found = [f"{counts[name]:,} {words}" for name, words in kinds.items() if counts[name]]
    return {"found": " and ".join(found), "documents": documents, "clusters": clusters}


def describe_leaks(data: ReportData) -> dict[str, Any] | None:
    """Return what was protected, and how many documents overlapped it and in which way."""
    notes = data.notes("guard")
    if not notes.get("protected"):
        return None
    cut = data.reasons("guard", DOCUMENTS.name).get(LEAK, 0)
    return {"cut": cut, "protected": notes["protected"], "leaks": notes.get("leaks", [])}


def describe_rejects(data: ReportData) -> dict[str, Any] | None:
    """Return some of the records that could not be read."""
    tables = next((stage.tables for stage in data.stages if stage.name == "ingest"), {})
    if REJECTS.name not in tables:
        return None
    count = int(tables[REJECTS.name].get("rows", 0))
    rows = [{**row, "setting": setting_of(row["reason"])} for row in data.rejects]
    return {"count": count, "rows": rows} if count else {"nothing": "Every record could be read."}
