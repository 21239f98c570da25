"""The report's sections on the corpus: the funnel, time, domains, duplicates, rejected input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobs.views.report.charts import bar
from jobs.views.report.data import ReportData, Row
from jobs.views.report.html import CLIP, Html, clip, table, tag, text
from schemas.documents import DOCUMENTS, EXACT_DUPLICATE, NEAR_DUPLICATE, SEMANTIC_DUPLICATE

_DOMAINS = 40


def funnel_section(data: ReportData) -> Html | None:
    """Return every table of every stage with its counts by drop_reason."""
    rows: list[Sequence[object]] = []
    for stage in data.stages:
        for name, facts in sorted(stage.tables.items()):
            if "rows" not in facts:
                continue
            reasons = facts.get("reasons")
            if reasons is None:  # a table whose rows are never dropped
                rows.append([stage.name, name, f"{facts['rows']:,}", "", "", ""])
                continue
            kept = reasons.get("kept", 0)
            dropped = sorted((-count, reason) for reason, count in reasons.items() if reason != "kept")
            why = [tag("span", tag("b", f"{-count:,}"), f" {reason}", class_="reason") for count, reason in dropped]
            share = bar(kept / max(1, facts["rows"]), f"{kept:,} of {facts['rows']:,} kept")
            rows.append([stage.name, name, f"{facts['rows']:,}", f"{kept:,}", share, why])
    if not rows:
        return None
    lead = "A row is never removed silently: it stays in its table with the reason why later stages do not read it."
    heading = ["stage", "table", "rows", "kept", "", "dropped, by reason"]
    return Html(tag("p", lead, class_="lead") + table(heading, rows, numbers=(2, 3), class_="funnel"))


def time_section(data: ReportData) -> Html | None:
    """Return seconds and peak memory by stage."""
    if not data.stages:
        return None
    longest = max(stage.seconds for stage in data.stages) or 1.0
    rows = [
        [
            s.name,
            f"{s.seconds:,.1f}",
            bar(s.seconds / longest),
            f"{s.peak_mb:,.0f}",
            clip(str(s.notes.get("headline", "")), 90),
        ]
        for s in data.stages
    ]
    total = sum(stage.seconds for stage in data.stages)
    peak = max(stage.peak_mb for stage in data.stages)
    lead = f"{total / 60:.1f} minutes when every stage runs; {peak / 1024:.1f} GB at the peak."
    heading = ["stage", "seconds", "", "peak MB", ""]
    return Html(tag("p", lead, class_="lead") + table(heading, rows, numbers=(1, 3)))


def contracts_section(data: ReportData) -> Html | None:
    """Return how many expectations held at each boundary, with the way to every one of them."""
    checked = [stage for stage in data.stages if "expectations" in stage.notes]
    if not checked:
        return None
    rows = [
        [
            stage.name,
            ", ".join(sorted(name for name, facts in stage.tables.items() if "rows" in facts)) or "dataset",
            f"{stage.notes['expectations']:,}",
            f"{stage.notes['audit_seconds']:,.1f}",
        ]
        for stage in checked
    ]
    lead = "What leaves the house is held against its contract before it exists for anyone; every expectation held."
    link = tag("p", tag("a", "Each expectation (Great Expectations Data Docs)", href=data.docs)) if data.docs else None
    return Html(
        tag("p", lead, class_="lead")
        + text(link)
        + table(["stage", "checked", "expectations", "seconds"], rows, numbers=(2, 3))
    )


def domains_section(data: ReportData) -> Html | None:
    """Return the sizes of the domains, largest first."""
    sizes: Mapping[str, int] = data.notes("bucket").get("domains", {})
    if not sizes:
        return None
    ordered = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))
    total, largest = sum(sizes.values()), ordered[0][1]
    shown = [(clip(name, 60), count) for name, count in ordered[:_DOMAINS]]
    if rest := ordered[_DOMAINS:]:
        shown.append((f"{len(rest)} smaller domains", sum(count for _, count in rest)))
    rows = [[name, f"{count:,}", f"{count / total:.1%}", bar(count / largest)] for name, count in shown]
    lead = f"{len(sizes)} domains, {total:,} documents. A batch holds one domain unless the recipe blends them."
    return Html(tag("p", lead, class_="lead") + table(["domain", "documents", "share", ""], rows, numbers=(1, 2)))


def duplicates_section(data: ReportData) -> Html | None:
    """Return how many duplicates were found, and some clusters."""
    reasons = data.reasons("dedupe", DOCUMENTS.name)
    if not reasons:
        return None
    counts = {name: reasons.get(name, 0) for name in (EXACT_DUPLICATE, NEAR_DUPLICATE, SEMANTIC_DUPLICATE)}
    alike = f" and {counts[SEMANTIC_DUPLICATE]:,} that say the same" if counts[SEMANTIC_DUPLICATE] else ""
    lead = (
        f"{counts[EXACT_DUPLICATE]:,} exact and {counts[NEAR_DUPLICATE]:,} near-duplicates{alike} of "
        f"{sum(reasons.values()):,} documents. Some clusters of near-duplicates, the survivor first:"
    )
    cards = [
        tag(
            "div",
            tag("h3", clip(_name_of(survivor), 90)),
            tag("p", clip(str(survivor.get("text", "")), CLIP)),
            tag("ul", [_twin(twin) for twin in twins]),
            _more(int(survivor.get("members", 0)) - len(twins)),
            class_="card",
        )
        for survivor, twins in data.duplicates
    ]
    return Html(tag("p", lead, class_="lead") + text(cards))


def _twin(twin: Row) -> Html:
    facts = f"{_place_of(twin)}, Jaccard {twin['jaccard']:.2f}"
    return tag("li", clip(str(twin.get("text", "")), CLIP), " ", tag("span", facts, class_="tags"), class_="veto")


def _more(count: int) -> Html | None:
    return tag("p", f"and {count:,} more", class_="tags") if count > 0 else None


def _name_of(document: Row) -> str:
    return str(document.get("title") or document.get("doc_id"))


def _place_of(document: Row) -> str:
    return f"{document['path']}:{document['line']}" if document.get("path") else str(document.get("doc_id", ""))


def leaks_section(data: ReportData) -> Html | None:
    """Return what was protected, and how many documents overlapped it and in which way."""
    notes = data.notes("guard")
    sets: Sequence[Mapping[str, object]] = notes.get("protected", [])
    if not sets:
        return None
    cut = data.reasons("guard", DOCUMENTS.name).get("leak", 0)
    lead = (
        f"{cut:,} documents were cut because they, or a duplicate that they stand for, overlap an evaluation set. "
        "The checksums are of the rows alone; pairwright explain tells what a document overlaps."
    )
    rows = [
        [
            each["eval_name"],
            f"{each['documents']:,} documents, {each['queries']:,} queries protected",
            "",
            "",
            each["sha256"],
        ]
        for each in sets
    ]
    rows += [
        [each["eval_name"], each["kind"], f"{each['documents']:,}", f"{each['least']:.2f}", each["sha256"]]
        for each in notes.get("leaks", [])
    ]
    heading = ["evaluation set", "", "documents", "overlap from", "SHA-256 of the rows"]
    return Html(tag("p", lead, class_="lead") + table(heading, rows, numbers=(2, 3)))


def rejects_section(data: ReportData) -> Html | None:
    """Return some of the records that could not be read."""
    tables = next((stage.tables for stage in data.stages if stage.name == "ingest"), None)
    if tables is None:
        return None
    count = int(tables.get("rejects", {}).get("rows", 0))
    if not count:
        return Html(tag("p", "Every record could be read.", class_="lead"))
    rows = [
        [row["source"], clip(row["path"], 60), row["line"], row["reason"], clip(row["detail"], 120)]
        for row in data.rejects
    ]
    lead = f"Records put aside with their raw bytes, while the build went on: {count:,}."
    heading = ["source", "file", "line", "reason", "detail"]
    return Html(tag("p", lead, class_="lead") + table(heading, rows, numbers=(2,)))
