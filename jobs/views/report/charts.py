"""Small charts as the marks of an SVG: where each lies; a template draws them, the style sheet has their colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from jobs.views.report.page import clip

_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 10, 34


@dataclass(frozen=True)
class Mark:
    """One element of a chart; its text is shown where it is text, and else when it is pointed at."""

    kind: str
    attributes: Mapping[str, object]
    text: str = ""


@dataclass(frozen=True)
class Chart:
    """Everything that one SVG shows."""

    label: str
    width: int
    height: int
    marks: Sequence[Mark]


def histogram(
    edges: Sequence[float],
    series: Mapping[str, Sequence[int]],
    label: str,
    marker: tuple[float, str] | None = None,
    width: int = 640,
    height: int = 220,
) -> Chart:
    """Return paired bars per bin, each series as the share of its own total, so that sets of other size compare."""
    shares = {name: _shares(counts) for name, counts in series.items()}
    top = _nice(max((share for each in shares.values() for share in each), default=0.0) or 1.0)
    plot_width, plot_height = width - _LEFT - _RIGHT, height - _TOP - _BOTTOM
    low, high = edges[0], edges[-1]

    def x(value: float) -> float:
        return _LEFT + (value - low) / (high - low) * plot_width

    def y(share: float) -> float:
        return _TOP + plot_height * (1 - share / top)

    bars = []
    for at, (name, each) in enumerate(shares.items()):
        for number, share in enumerate(each):
            slot = (x(edges[number + 1]) - x(edges[number]) - 2) / len(shares)
            start = x(edges[number]) + 1 + at * slot
            hint = f"{name}, {edges[number]:.2f} to {edges[number + 1]:.2f}: {series[name][number]:,} ({share:.1%})"
            size = {"width": f"{slot:.1f}", "height": f"{_TOP + plot_height - y(share):.1f}"}
            bars.append(Mark("rect", {"x": f"{start:.1f}", "y": f"{y(share):.1f}", **size, "class": f"s{at}"}, hint))
    grid = [_rule(y(top * part), width, f"{top * part:.0%}") for part in (0, 0.5, 1)]
    ticks = [_tick(x(edges[i]), height, f"{edges[i]:.1f}") for i in range(0, len(edges), max(1, (len(edges) - 1) // 5))]
    mark = () if marker is None or not low <= marker[0] <= high else _marker(x(marker[0]), height, marker[1])
    return Chart(label, width, height, [*chain(*grid), *bars, *ticks, *mark])


def line_chart(points: Sequence[tuple[float, float]], label: str, width: int = 640, height: int = 200) -> Chart:
    """Return a curve: the values as they are, and over them their running mean."""
    low, high = min(v for _, v in points), max(v for _, v in points)
    floor, ceiling = (0.0, _nice(high)) if low >= 0 and low < high / 2 else (low, high if high > low else low + 1)
    first, last = points[0][0], points[-1][0]
    plot_width, plot_height = width - _LEFT - _RIGHT, height - _TOP - _BOTTOM

    def place(step: float, value: float) -> str:
        across = (step - first) / ((last - first) or 1)
        return f"{_LEFT + across * plot_width:.1f},{_TOP + plot_height * (1 - (value - floor) / (ceiling - floor)):.1f}"

    shown = _thin(points)
    means = _running_means(shown)
    curves = [
        Mark("polyline", {"points": " ".join(place(*point) for point in each), "class": name})
        for name, each in (("raw", shown), ("mean", means))
    ]
    levels = [floor + (ceiling - floor) * part for part in (0, 0.5, 1)]
    grid = [_rule(_TOP + plot_height * (1 - at / 2), width, f"{level:.3g}") for at, level in enumerate(levels)]
    ends = [_tick(_LEFT, height, f"step {first:.0f}", "start"), _tick(width - _RIGHT, height, f"{last:.0f}", "end")]
    return Chart(label, width, height, [*chain(*grid), *curves, *ends])


def curves(
    series: Mapping[str, Sequence[tuple[float, float]]],
    chosen: tuple[float, float] | None,
    label: str,
    width: int = 640,
    height: int = 260,
) -> Chart:
    """Return shares (0 to 1) against another figure: a line a series, or a dot; one point marked."""
    points = [*chain(*series.values()), *([chosen] if chosen else [])]
    low, high = min(x for x, _ in points), max(x for x, _ in points)
    low, high = (low, high) if high > low else (low - 0.05, high + 0.05)
    top = _nice(max(y for _, y in points) or 1.0)

    def place(point: tuple[float, float]) -> tuple[str, str]:
        across, up = (point[0] - low) / (high - low), point[1] / top
        x = _LEFT + across * (width - _LEFT - _RIGHT)
        return f"{x:.1f}", f"{_TOP + (1 - up) * (height - _TOP - _BOTTOM):.1f}"

    marks = []
    for at, (name, each) in enumerate(series.items()):
        ordered = sorted(each)
        if len(ordered) > 1:
            path = " ".join(",".join(place(point)) for point in ordered)
            marks.append(Mark("polyline", {"points": path, "class": f"s{at}", "fill": "none"}))
        for point in ordered:
            x, y = place(point)
            hint = f"{name}: {point[1]:.1%} at {point[0]:.3f}"
            marks.append(Mark("circle", {"cx": x, "cy": y, "r": 3, "class": f"s{at}"}, hint))
    if chosen:
        x, y = place(chosen)
        hint = f"chosen: {chosen[1]:.1%} at {chosen[0]:.3f}"
        marks.append(Mark("circle", {"cx": x, "cy": y, "r": 8, "class": "chosen", "fill": "none"}, hint))
    levels = [_rule(_TOP + (height - _TOP - _BOTTOM) * (1 - part), width, f"{top * part:.0%}") for part in (0, 0.5, 1)]
    ends = [
        _tick(_LEFT, height, f"{low:.2f}", "start"),
        _tick(width - _RIGHT, height, f"{high:.2f}", "end"),
    ]
    return Chart(label, width, height, [*chain(*levels), *marks, *ends])


def intervals(rows: Sequence[tuple[str, float, float, float]], label: str, width: int = 640) -> Chart:
    """Return a forest plot: per row (name, value, low, high) a dot with its interval, and a line at zero."""
    left, step = 130, 22
    height = _TOP + step * len(rows) + _BOTTOM
    low, high = min(0.0, *(row[2] for row in rows)), max(0.0, *(row[3] for row in rows))
    span = (high - low) or 1.0

    def x(value: float) -> float:
        return left + (value - low) / span * (width - left - 40)

    upright = {"x1": f"{x(0):.1f}", "x2": f"{x(0):.1f}", "y1": _TOP, "y2": height - _BOTTOM + 4}
    marks = [Mark("line", {**upright, "class": "zero"})]
    for number, (name, value, start, end) in enumerate(rows):
        y = _TOP + step * number + step / 2
        sure = "sure" if start > 0 or end < 0 else "unsure"
        hint = f"{name}: {value:+.4f} [{start:+.4f}, {end:+.4f}]"
        across = {"x1": f"{x(start):.1f}", "x2": f"{x(end):.1f}", "y1": y, "y2": y}
        marks += [
            Mark("text", {"x": left - 12, "y": y + 4, "text-anchor": "end"}, clip(name, 20)),
            Mark("line", {**across, "class": f"range {sure}"}),
            Mark("circle", {"cx": f"{x(value):.1f}", "cy": y, "r": 4, "class": sure}, hint),
        ]
    marks += [_tick(x(at), height, f"{at:+.3f}" if at else "0") for at in sorted({low, 0.0, high})]
    return Chart(label, width, height, marks)


def _rule(y: float, width: int, label: str) -> tuple[Mark, Mark]:
    across = {"x1": _LEFT, "x2": width - _RIGHT, "y1": f"{y:.1f}", "y2": f"{y:.1f}", "class": "grid"}
    return Mark("line", across), Mark("text", {"x": _LEFT - 6, "y": f"{y + 4:.1f}", "text-anchor": "end"}, label)


def _tick(x: float, height: int, label: str, anchor: str = "middle") -> Mark:
    return Mark("text", {"x": f"{x:.1f}", "y": height - _BOTTOM + 18, "text-anchor": anchor}, label)


def _marker(x: float, height: int, label: str) -> tuple[Mark, Mark]:
    upright = {"x1": f"{x:.1f}", "x2": f"{x:.1f}", "y1": _TOP, "y2": height - _BOTTOM, "class": "zero"}
    return Mark("line", upright), Mark("text", {"x": f"{x + 5:.1f}", "y": _TOP + 10}, label)


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts) or 1
    return [count / total for count in counts]


def _nice(value: float) -> float:
    """Return the next round number at or above the value: 1, 2, 2.5 or 5 times a power of ten."""
    power = 1e-6
    while power * 10 <= value:
        power *= 10
    return next(power * step for step in (1, 2, 2.5, 5, 10) if power * step >= value * (1 - 1e-9))


def _thin(points: Sequence[tuple[float, float]], most: int = 400) -> list[tuple[float, float]]:
    """Return at most ``most`` points: the mean of equal stretches."""
    size = -(-len(points) // most)
    return [_mean(points[start : start + size]) for start in range(0, len(points), size)]


def _running_means(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    reach = max(1, len(points) // 20)
    return [(step, _mean(points[max(0, at - reach) : at + reach + 1])[1]) for at, (step, _) in enumerate(points)]


def _mean(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return sum(p[0] for p in points) / len(points), sum(p[1] for p in points) / len(points)
