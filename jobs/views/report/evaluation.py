"""The report's sections on the models: every system on every set with paired intervals, and the loss curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.views.report.charts import intervals, line_chart
from jobs.views.report.data import ReportData

_MAIN, _LABEL = "ndcg@10", "nDCG@10"


def describe_evaluation(data: ReportData) -> dict[str, Any] | None:
    """Return per set: all systems with the difference to the baseline, nDCG@10 per domain, and a forest plot."""
    found = data.evaluation or {}
    sets = []
    for name in dict.fromkeys(name for sets in found.get("systems", {}).values() for name in sets):
        size = found.get("queries", {}).get(name, {})
        counts = {"queries": size.get("queries", 0), "documents": size.get("documents", 0)}
        sets.append({"name": name, **counts, **_compare_systems(found, name), **_compare_domains(found, name)})
    return {"sets": sets, "main": _MAIN, "baseline": found.get("baseline", "the first")} if sets else None


def headline_figures(found: Mapping[str, Any] | None) -> list[tuple[str, str, str]]:
    """Return the headline figure of the last system, for the first set."""
    gaps = [row for row in (found or {}).get("differences", []) if (row["domain"], row["metric"]) == ("all", _MAIN)]
    final = [row for row in gaps if row["system"] == "stage2"] or gaps[-1:]
    if not final or found is None:
        return []
    row = final[0]
    value = found["systems"].get(row["system"], {}).get(row["eval"], {}).get("all", {}).get(_MAIN)
    return [(f"{_LABEL} on {row['eval']}", _figure(value, 3), f"{_gap(row)} to {row['baseline']}")]


def _gap(row: Mapping[str, Any]) -> str:
    return f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"


def _figure(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _compare_systems(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    systems = {system: sets[name].get("all", {}) for system, sets in found["systems"].items() if name in sets}
    metrics = [key for key in dict.fromkeys(key for means in systems.values() for key in means) if key != "queries"]
    best = {each: max((means.get(each) or 0.0 for means in systems.values()), default=0.0) for each in metrics}
    gaps = {
        row["system"]: _gap(row)
        for row in found.get("differences", [])
        if (row["eval"], row["domain"], row["metric"]) == (name, "all", _MAIN)
    }
    rows = [
        {
            "system": system,
            "cells": [{"value": _figure(means.get(each)), "best": means.get(each) == best[each]} for each in metrics],
            "gap": gaps.get(system, ""),
        }
        for system, means in systems.items()
    ]
    return {"metrics": metrics, "systems": rows}


def _compare_domains(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the rows of the domains and their plot; no rows when there is one domain."""
    systems = {
        system: sets[name].get("domains", {})
        for system, sets in found["systems"].items()
        if "@" not in system and name in sets
    }
    domains = list(dict.fromkeys(domain for each in systems.values() for domain in each))
    if len(domains) < 2:
        return {"domains": []}
    rows = [
        {
            "domain": domain,
            "queries": max(each.get(domain, {}).get("queries", 0) for each in systems.values()),
            "cells": [_figure(each.get(domain, {}).get(_MAIN)) for each in systems.values()],
        }
        for domain in domains
    ]
    final = next((system for system in ("stage2", *reversed(systems)) if system in systems), None)
    gaps = [
        (row["domain"], row["difference"], row["low"], row["high"])
        for row in found.get("differences", [])
        if (row["system"], row["eval"], row["metric"]) == (final, name, _MAIN)
    ]
    plot = intervals(gaps, f"{_LABEL} of {final} minus {found.get('baseline')}") if gaps else None
    return {"domains": rows, "columns": list(systems), "plot": plot}


def describe_training(data: ReportData) -> dict[str, Any] | None:
    """Return the loss curve of each training stage."""
    stages = []
    for stage, log in data.training.items():
        points = [
            (float(record["step"]), float(record["loss"])) for record in log if "loss" in record and "step" in record
        ]
        if points:
            ends = {"first": points[0][1], "last": points[-1][1], "examples": log[-1].get("examples", 0)}
            stages.append({"stage": stage[-1], "chart": line_chart(points, f"loss of stage {stage[-1]}"), **ends})
    return {"stages": stages} if stages else None
