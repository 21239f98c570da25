"""The report's sections on training material: how negatives were judged, what was written, some examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.views.report.charts import bar, histogram, legend
from jobs.views.report.data import Histogram, ReportData, Row
from jobs.views.report.html import CLIP, Html, clip, table, tag, text


def negatives_section(data: ReportData) -> Html | None:
    """Return hardness and risk of the candidates, before and after judging."""
    if data.hardness is None or data.fn_probability is None or not sum(data.hardness.before):
        return None
    lead = (
        "Hardness is the cosine of query and candidate by the encoder that mined. Judging should keep the hard "
        "ones and let go those that are likely answers."
    )
    parts = [
        tag("p", lead, class_="lead"),
        tag("h3", "Hardness"),
        _pair_of_bars(data.hardness, "cosine of query and candidate"),
        tag("h3", "Probability of being a false negative"),
    ]
    marker = None
    if data.thresholds and data.thresholds[0] == data.thresholds[1]:
        marker = data.thresholds[0], f"vetoed above {data.thresholds[0]:.2f}"
    parts.append(_pair_of_bars(data.fn_probability, "probability of being a false negative", marker))
    return text(parts)


def _pair_of_bars(found: Histogram, label: str, marker: tuple[float, str] | None = None) -> Html:
    before, after = f"all candidates ({sum(found.before):,})", f"kept as negatives ({sum(found.after):,})"
    series = {before: found.before, after: found.after}
    return Html(histogram(found.edges, series, label, marker) + legend(list(series)))


def judge_section(data: ReportData) -> Html | None:
    """Return what the judge measured: signals, teacher, rules compared, calibration."""
    calibration, measured = data.notes("judge").get("calibration", {}), data.notes("label").get("measured", {})
    if not calibration and not measured:
        return None
    parts: list[Html] = []
    if calibration.get("why"):
        parts.append(tag("p", f"Mode {calibration.get('mode')}: {calibration['why']}", class_="lead"))
    parts.append(_signals({**({"judge's trials": calibration} if calibration.get("auc") else {}), **measured}))
    parts += [_teacher(calibration.get("teacher", {})), _choices(calibration.get("choices", []))]
    parts.append(_calibrated(calibration.get("table", [])))
    return text(parts)


def _signals(columns: Mapping[str, Mapping[str, Any]]) -> Html:
    """Return the AUC of each signal in each measurement."""
    areas = [each.get("auc", {}) for each in columns.values()]
    signals = list(dict.fromkeys(name for each in areas for name in each))
    signals.sort(key=lambda name: -max(each.get(name) or 0.0 for each in areas))
    if not signals:
        return Html("")
    lead = (
        "Chance that a hidden positive ranks above another candidate (AUC), on gold that was held out: 0.5 is a "
        "coin, 1 is perfect. A teacher below the other signals earns no vote."
    )
    rows = [[name, *(_figure(each.get(name)) for each in areas)] for name in signals]
    counts = [f"{each.get('hidden', 0):,} of {each.get('rows', 0):,}" for each in columns.values()]
    shown = table(["signal", *columns], [*rows, ["hidden positives", *counts]], numbers=range(1, len(columns) + 1))
    return Html(tag("p", lead, class_="lead") + shown)


def _teacher(vote: Mapping[str, Any]) -> Html:
    if not vote:
        return Html("")
    if vote.get("earned"):
        areas = vote["fusion_auc"]
        without, with_it = _figure(areas["without"]), _figure(areas["with"])
        said = f"The teacher earned its vote: the fusion's AUC is {without} without, {with_it} with it."
    else:
        said = f"The teacher earned no vote: {vote.get('why', 'the fusion is no better with it')}."
    return tag("p", said)


def _choices(choices: Sequence[Mapping[str, Any]]) -> Html:
    if not choices:
        return Html("")
    rows = [
        [each["rule"], _percent(each["false_negatives"]), _percent(each["missing"]), _figure(each["mean_dense"])]
        for each in choices
    ]
    heading = ["rule for choosing negatives", "hidden positives among them", "wanted but missing", "mean cosine"]
    return table(heading, rows, numbers=(1, 2, 3))


def _calibrated(rows: Sequence[Mapping[str, Any]]) -> Html:
    if not rows:
        return Html("")
    body = [[f"{row['rows']:,}", _figure(row["predicted"]), _figure(row["observed"])] for row in rows]
    shown = table(["candidates", "predicted", "observed"], body, numbers=(0, 1, 2))
    return tag("details", tag("summary", "Calibration: predicted against observed, by tenths"), shown)


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def synthesis_section(data: ReportData) -> Html | None:
    """Return how many written texts passed each gate, with samples."""
    reasons = data.reasons("synthesise", "synthetics")
    if not data.synthetics or not reasons:
        return None
    total = sum(reasons.values())
    lead = f"{reasons.get('kept', 0):,} of {total:,} texts passed every gate."
    gates = [
        [name, f"{count:,}", f"{count / total:.1%}", bar(count / total)]
        for name, count in sorted(reasons.items(), key=lambda item: (item[0] != "kept", -item[1], item[0]))
    ]
    samples = [
        [kind, tag("span", reason, class_="best" if reason == "kept" else None), clip(row["text"], CLIP) or "–"]
        for (kind, reason), rows in data.synthetics.items()
        for row in rows
    ]
    return Html(
        tag("p", lead, class_="lead")
        + table(["gate", "texts", "share", ""], gates, numbers=(1, 2))
        + table(["kind", "outcome", "what the model wrote"], samples)
    )


def examples_section(data: ReportData) -> Html | None:
    """Return some planned examples with their negatives and what was vetoed."""
    if not data.examples:
        return None
    lead = (
        "+ the positive, − negatives (hardest first), × candidates that were taken out; risk is the probability of "
        "being a false negative."
    )
    return Html(tag("p", lead, class_="lead") + text([_example(row) for row in data.examples]))


def _example(row: Row) -> Html:
    negatives = zip(row["negative_ids"], row["negatives"], row["negative_fn"], strict=True)
    items = [tag("li", clip(row["positive"], CLIP), class_="yes")]
    for doc_id, negative, risk in negatives:
        cosine = row["verdicts"].get(doc_id, {}).get("dense")
        facts = f"cosine {_figure(cosine)}, risk {_figure(risk)}"
        items.append(tag("li", clip(negative, CLIP), " ", tag("span", facts, class_="tags"), class_="no"))
    for veto in row["vetoed"]:
        facts = f"{veto['drop_reason']}, cosine {_figure(veto['dense'])}, risk {_figure(veto['fn_probability'])}"
        body = clip(str(veto.get("text") or veto["doc_id"]), CLIP)
        items.append(tag("li", body, " ", tag("span", facts, class_="tags"), class_="veto"))
    about = f"{row['domain']}, rule {row['rule']}, stage {row['stage']}, batch {row['batch']}, "
    place = tag("p", about, tag("span", row["example_id"], class_="id"), class_="tags")
    return tag("div", tag("h3", clip(row["query"], 160)), place, tag("ul", items), class_="card")
