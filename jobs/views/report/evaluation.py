"""The evaluation part of the report: every system on every set, with paired intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.views.report.charts import intervals, legend, line_chart
from jobs.views.report.data import ReportData
from jobs.views.report.html import Html, table, tag, text

_MAIN = "ndcg@10"


def evaluation_section(found: Mapping[str, Any] | None) -> Html | None:
    """Return per set: all systems with the difference to the baseline, nDCG@10 per domain, and a forest plot."""
    if not found or not found.get("systems"):
        return None
    lead = (
        "Differences are paired by query; the brackets hold their 95 % bootstrap interval. "
        "Where it excludes zero the difference is more than chance."
    )
    parts = [tag("p", lead, class_="lead")]
    sets = list(next(iter(found["systems"].values())))
    for name in sets:
        size = found.get("queries", {}).get(name, {})
        about = f"{name}: {size.get('queries', 0):,} queries over {size.get('documents', 0):,} documents"
        parts += [tag("h3", about), _overall(found, name), _by_domain(found, name)]
    return text(parts)


def evaluation_figure(found: Mapping[str, Any] | None) -> list[tuple[str, str, str]]:
    """Return the headline figure of the last system, for the first set."""
    gaps = [row for row in (found or {}).get("differences", []) if (row["domain"], row["metric"]) == ("all", _MAIN)]
    final = [row for row in gaps if row["system"] == "stage2"] or gaps[-1:]
    if not final or found is None:
        return []
    row = final[0]
    value = found["systems"][row["system"]][row["eval"]]["all"][_MAIN]
    return [(f"nDCG@10 on {row['eval']}", f"{value:.3f}", f"{_gap(row)} to {row['baseline']}")]


def _gap(row: Mapping[str, Any]) -> str:
    return f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"


def _overall(found: Mapping[str, Any], name: str) -> Html:
    systems = {system: sets[name]["all"] for system, sets in found["systems"].items() if name in sets}
    metrics = [metric for metric in next(iter(systems.values())) if metric != "queries"]
    best = {metric: max(means[metric] for means in systems.values()) for metric in metrics}
    gaps = {
        row["system"]: row
        for row in found.get("differences", [])
        if (row["eval"], row["domain"], row["metric"]) == (name, "all", _MAIN)
    }
    rows: list[Sequence[object]] = []
    for system, means in systems.items():
        cells = [
            tag("span", f"{means[metric]:.4f}", class_="best" if means[metric] == best[metric] else None)
            for metric in metrics
        ]
        rows.append([system, *cells, _gap(gaps[system]) if system in gaps else ""])
    heading = ["system", *metrics, f"{_MAIN} against {found.get('baseline', 'the first')}"]
    return table(heading, rows, numbers=range(1, len(heading)))


def _by_domain(found: Mapping[str, Any], name: str) -> Html:
    systems = {system: sets[name]["domains"] for system, sets in found["systems"].items() if "@" not in system}
    domains = list(dict.fromkeys(domain for each in systems.values() for domain in each))
    if len(domains) < 2:
        return Html("")
    rows = [
        [
            domain,
            max(each.get(domain, {}).get("queries", 0) for each in systems.values()),
            *(f"{each[domain][_MAIN]:.4f}" if domain in each else "" for each in systems.values()),
        ]
        for domain in domains
    ]
    shown = table([f"{_MAIN} per domain", "queries", *systems], rows, numbers=range(1, len(systems) + 2))
    final = next((system for system in ("stage2", *reversed(systems)) if system in systems), None)
    gaps = [
        (row["domain"], row["difference"], row["low"], row["high"])
        for row in found.get("differences", [])
        if (row["system"], row["eval"], row["metric"]) == (final, name, _MAIN)
    ]
    plot = intervals(gaps, f"{_MAIN} of {final} minus {found.get('baseline')}") if gaps else Html("")
    caption = tag("p", f"{_MAIN} of {final} minus {found.get('baseline')}, with 95 % intervals", class_="legend")
    return Html(shown + plot + caption if gaps else shown)


def training_section(data: ReportData) -> Html | None:
    """Return the loss curve of each training stage."""
    parts: list[Html] = []
    for stage, log in data.training.items():
        points = [(float(record["step"]), float(record["loss"])) for record in log if "loss" in record]
        if not points:
            continue
        last = log[-1]
        said = f"{last.get('examples', 0):,} examples; loss {points[0][1]:.4f} at first, {points[-1][1]:.4f} at last"
        parts += [
            tag("h3", f"Stage {stage[-1]}"),
            line_chart(points, f"loss of stage {stage[-1]}"),
            legend(["loss of a step", f"running mean. {said}"]),
        ]
    return text(parts) if parts else None
