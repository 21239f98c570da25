"""The report's sections on training material: how negatives were judged, what was written, some examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.views.report.charts import curves, histogram
from jobs.views.report.data import Histogram, ReportData
from jobs.views.report.outputs import Row, origin_of
from schemas.mining import VERDICTS
from schemas.pairs import SYNTHETICS
from schemas.reasons import setting_of
from schemas.shards import EXAMPLES

_STANDS_ON = {
    "transferred": "other collections alone: nothing was measured here",
    "gold": "gold queries with several positives, and other collections",
    "reviews": "reviewed pairs, gold, and other collections",
}


def describe_negatives(data: ReportData) -> dict[str, Any] | None:
    """Return hardness and risk of the candidates, before and after judging."""
    if data.hardness is None or data.fn_probability is None:
        nothing = {"nothing": "No query had a candidate, so there are no mined negatives."}
        return nothing if data.has("judge") else None
    marker = None
    if data.thresholds and data.thresholds[0] == data.thresholds[1]:
        marker = data.thresholds[0], f"tolerated {data.thresholds[0]:.2f}"
    risk = "probability of being a false negative"
    return {
        "charts": [
            {"title": "Hardness", **_before_and_after(data.hardness, "cosine of query and candidate")},
            {"title": risk.capitalize(), **_before_and_after(data.fn_probability, risk, marker)},
        ]
    }


def _before_and_after(found: Histogram, label: str, marker: tuple[float, str] | None = None) -> dict[str, Any]:
    before, after = f"all candidates ({sum(found.before):,})", f"kept as negatives ({sum(found.after):,})"
    series = {before: found.before, after: found.after}
    return {"chart": histogram(found.edges, series, label, marker), "series": list(series)}


def describe_judge(data: ReportData) -> dict[str, Any] | None:
    """Return what the judge states and measured: rate, curve, domains, signals, teacher, calibration."""
    calibration, measured = data.notes("judge").get("calibration", {}), data.notes("label").get("measured", {})
    if not calibration and not measured and not data.reviews:
        return None
    columns = {**({"judge's trials": calibration} if calibration.get("auc") else {}), **measured}
    areas = [each.get("auc", {}) for each in columns.values()]
    signals = list(dict.fromkeys(name for each in areas for name in each))
    signals.sort(key=lambda name: -max(each.get(name) or 0.0 for each in areas))
    notes = data.notes("judge")
    return {
        "stands_on": _STANDS_ON.get(calibration.get("stands_on", "")),
        "rate": notes.get("rates", {}).get("in_words"),
        "curve": _draw_curve(notes.get("curve", {})),
        "domains": notes.get("domains", []),
        "reviewed": notes.get("reviews", {}),
        "reviews": data.reviews,
        "columns": list(columns),
        "signals": [
            (name, [each.get(name) for each in areas]) for name in signals if any(each.get(name) for each in areas)
        ],
        "counts": [(each.get("hidden", 0), each.get("rows", 0)) for each in columns.values()],
        "teacher": calibration.get("teacher", {}),
        "calibration": calibration.get("table", []),
    }


def _draw_curve(curve: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return estimated rate against mean cosine, a line a rule, and the point that was chosen."""
    series: dict[str, list[tuple[float, float]]] = {}
    for point in curve.get("points", []):
        series.setdefault(point["rule"], []).append((point["cosine"], point["rate"]))
    if not series:
        return None
    chosen = curve.get("chosen")
    marked = (chosen["cosine"], chosen["rate"]) if chosen else None
    label = "estimated rate of false negatives against the mean cosine of the negatives"
    return {"chart": curves(series, marked, label), "series": list(series), "chosen": chosen}


def describe_synthesis(data: ReportData) -> dict[str, Any] | None:
    """Return how many written texts passed each gate, with samples."""
    reasons = data.reasons("synthesise", "synthetics")
    if not any(reasons.values()):
        return {"nothing": "No text was written by a language model."} if data.has("synthesise") else None
    total = sum(reasons.values())
    ordered = sorted(reasons.items(), key=lambda item: (item[0] != "kept", -item[1], item[0]))
    return {
        "kept": reasons.get("kept", 0),
        "total": total,
        "gates": [
            {"name": name, "texts": count, "share": count / total, "setting": setting_of(name, SYNTHETICS.name)}
            for name, count in ordered
        ],
        "samples": [
            {"kind": kind, "reason": reason, "text": row["text"]}
            for (kind, reason), rows in data.synthetics.items()
            for row in rows
        ],
    }


def describe_examples(data: ReportData) -> dict[str, Any] | None:
    """Return some planned examples with their negatives and what was vetoed."""
    if not data.examples:
        made = sum(data.reasons("assemble", EXAMPLES.name).values())
        return {"nothing": f"No example was planned ({made:,} were made)."} if data.has("assemble") else None
    return {"examples": [_describe_example(row) for row in data.examples]}


def _describe_example(row: Row) -> Row:
    documents, verdicts = row["documents"], row["verdicts"]
    negatives = zip(row["negative_ids"], row["negatives"], row["negative_fn"], strict=True)
    return {
        **row,
        "origin": _origin(documents, row["positive_id"]),
        "negatives": [
            {
                "text": text,
                "cosine": verdicts.get(doc_id, {}).get("dense"),
                "risk": risk,
                "origin": _origin(documents, doc_id),
            }
            for doc_id, text, risk in negatives
        ],
        "vetoed": [
            {
                "text": veto.get("text") or veto["doc_id"],
                "reason": veto["drop_reason"],
                "setting": setting_of(veto["drop_reason"] or "", VERDICTS.name),
                "cosine": veto["dense"],
                "risk": veto["fn_probability"],
                "origin": _origin(documents, veto["doc_id"]),
            }
            for veto in row["vetoed"]
        ],
    }


def _origin(documents: Mapping[str, Row], doc_id: str) -> str:
    return origin_of(documents[doc_id]) if doc_id in documents else "written by the language model"
