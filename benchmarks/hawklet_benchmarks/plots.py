"""Inline SVG plots for the report: no script, no font, nothing to load; colours come from the page's style sheet.

Every function returns one ``<svg>`` element as markup that is safe to put into a page: names are escaped here. Times
are milliseconds. Colours are CSS classes ``series-N`` and ``part-N``, so that light and dark are the page's affair.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from markupsafe import Markup, escape

_WIDTH = 920
_LEFT, _RIGHT = 170, 24
_AXIS = 34  # height of the axis below a plot
_MAX_POINTS = 500
SERIES_COLOURS = 6
"""``series-0`` .. ``series-5``; more results repeat them."""


@dataclass(frozen=True)
class Series:
    """One result's times."""

    name: str
    runs: tuple[tuple[float, ...], ...]
    """One tuple per process, in order of time."""

    @property
    def times(self) -> npt.NDArray[np.float64]:
        """All of them: ``float64 [n]``."""
        return np.concatenate([np.asarray(run, dtype=np.float64) for run in self.runs])


@dataclass(frozen=True)
class Whisker:
    """An estimate with its interval."""

    name: str
    value: float
    low: float
    high: float
    significant: bool


class _Scale:
    """Data -> pixels along one axis."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        if high <= low:
            low, high = low - 0.5, high + 0.5
        self.low, self.high, self._start, self._end = low, high, start, end

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self._start + share * (self._end - self._start), 1)

    def ticks(self, count: int = 6) -> list[float]:
        """Round numbers within the domain."""
        rough = (self.high - self.low) / count
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
        first = math.ceil(self.low / step - 1e-9)
        return [round(index * step, 10) for index in range(first, math.floor(self.high / step + 1e-9) + 1)]


def distribution(series: Sequence[Series]) -> Markup:
    """A violin with its box (quartiles, median, 1st to 99th percentile, 90th percentile) per result."""
    scale = _times_scale(series)
    row = 74
    height = row * len(series) + _AXIS
    parts = [_x_axis(scale, height, "ms")]
    for index, one in enumerate(series):
        middle = row * index + row / 2 + 6
        parts.append(_label(one.name, middle))
        parts.append(f'<g class="series-{index % SERIES_COLOURS}">{_violin(one.times, scale, middle, 26)}')
        parts.append(f"{_box(one.times, scale, middle)}</g>")
    return _svg(height, parts, "Distribution of times")


def cumulative(series: Sequence[Series]) -> Markup:
    """Share of frames (percent) that took at most so long."""
    scale = _times_scale(series)
    top, bottom = 10, 250
    vertical = _Scale(0, 100, bottom, top)
    parts = [_x_axis(scale, bottom + _AXIS, "ms")]
    for share in (0, 25, 50, 75, 90, 99):
        y = vertical(share)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        # 99 would stand upon the 90's label otherwise; it sits above its own line.
        parts.append(f'<text class="tick" x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{share} %</text>')
    for index, one in enumerate(series):
        ordered = np.sort(one.times)
        picks = np.unique(np.linspace(0, len(ordered) - 1, min(len(ordered), _MAX_POINTS)).astype(int))
        points = " ".join(
            f"{scale(min(max(ordered[i], scale.low), scale.high))},{vertical(100 * (i + 1) / len(ordered))}"
            for i in picks
        )
        parts.append(f'<polyline class="curve series-{index % SERIES_COLOURS}" points="{points}"/>')
    return _svg(bottom + _AXIS, parts, "Cumulative distribution")


def history(series: Sequence[Series]) -> Markup:
    """Times in the order they were measured; a gap where a new process begins."""
    row = 84
    height = row * len(series) + 8
    everything = np.concatenate([one.times for one in series])
    low, high = float(everything.min()), float(np.quantile(everything, 0.995)) * 1.02
    parts = []
    for index, one in enumerate(series):
        top, bottom = row * index + 10, row * (index + 1) - 10
        vertical = _Scale(low, high, bottom, top)
        parts.append(_label(one.name, (top + bottom) / 2))
        for value in (low, high):
            parts.append(
                f'<text class="tick" x="{_LEFT - 8}" y="{vertical(value) + 4}" text-anchor="end">{_short(value)}</text>'
            )
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{bottom}" y2="{bottom}"/>')
        parts.extend(_history_lines(one, vertical, index))
    return _svg(height, parts, "Times in order of measurement")


def stacked(rows: Sequence[tuple[str, Mapping[str, float]]]) -> Markup:
    """One bar per result, its parts one after the other; the same parts in the same order in every row."""
    row = 46
    height = row * len(rows) + _AXIS
    longest = max(sum(parts.values()) for _, parts in rows)
    scale = _Scale(0, longest * 1.08, _LEFT, _WIDTH - _RIGHT)
    drawn = [_x_axis(scale, height, "ms")]
    for index, (name, values) in enumerate(rows):
        top = row * index + 8
        drawn.append(_label(name, top + 14))
        position = 0.0
        for part, (title, value) in enumerate(values.items()):
            left, right = scale(position), scale(position + value)
            drawn.append(
                f'<rect class="part-{part}" x="{left}" y="{top}" width="{max(right - left, 0.5):.1f}" height="28">'
                f"<title>{escape(title)}: {value:.3f} ms</title></rect>"
            )
            if right - left > 46:
                x = (left + right) / 2
                drawn.append(
                    f'<text class="inside" x="{x:.1f}" y="{top + 18}" text-anchor="middle">{_short(value)}</text>'
                )
            position += value
        drawn.append(f'<text class="total" x="{scale(position) + 6}" y="{top + 18}">{_short(position)}</text>')
    return _svg(height, drawn, "Parts")


def whiskers(rows: Sequence[Whisker]) -> Markup:
    """Speed-ups with their 95 % intervals about the line of no difference."""
    row = 34
    height = row * len(rows) + _AXIS
    low, high = min(r.low for r in rows), max(r.high for r in rows)
    pad = max(high - low, 0.02) * 0.12
    scale = _Scale(min(low, 1.0) - pad, max(high, 1.0) + pad, _LEFT, _WIDTH - _RIGHT)
    parts = [_x_axis(scale, height, "times as fast as the baseline")]
    one = scale(1.0)
    parts.append(f'<line class="unity" x1="{one}" x2="{one}" y1="0" y2="{height - _AXIS}"/>')
    for index, line in enumerate(rows):
        y = row * index + row / 2
        kind = "unclear" if not line.significant else ("faster" if line.value > 1 else "slower")
        parts.append(_label(line.name, y))
        parts.append(
            f'<g class="{kind}">'
            f'<line class="interval" x1="{scale(line.low)}" x2="{scale(line.high)}" y1="{y}" y2="{y}"/>'
            f'<circle cx="{scale(line.value)}" cy="{y}" r="5"/>'
            f"<title>{line.value:.3f} ({line.low:.3f}..{line.high:.3f})</title></g>"
        )
    return _svg(height, parts, "Speed-up with 95 % intervals")


@dataclass(frozen=True)
class Point:
    """One result on the map of accuracy and time."""

    name: str
    ms: float
    accuracy: float
    """Percent."""
    megabytes: float


def tradeoff(points: Sequence[Point]) -> Markup:
    """Accuracy over time; the disc's area is the file's size. Upper left is better."""
    bottom = 270
    slowest = max(p.ms for p in points)
    scale = _Scale(0, slowest * 1.25, _LEFT, _WIDTH - _RIGHT)
    low, high = min(p.accuracy for p in points), max(p.accuracy for p in points)
    pad = max(high - low, 1.0) * 0.4
    vertical = _Scale(max(0.0, low - pad), min(100.0, high + pad), bottom - 44, 48)
    parts = [_x_axis(scale, bottom + _AXIS, "ms (p50)")]
    for tick in vertical.ticks(5):
        y = vertical(tick)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{tick:g} %</text>')
    largest = max(p.megabytes for p in points)
    for index, point in enumerate(points):
        x, y = scale(point.ms), vertical(point.accuracy)
        radius = 6 + 20 * math.sqrt(point.megabytes / largest)
        parts.append(
            f'<g class="series-{index % SERIES_COLOURS}"><circle class="disc" cx="{x}" cy="{y}" r="{radius:.1f}"/>'
        )
        parts.append(f'<circle cx="{x}" cy="{y}" r="2.5"/></g>')
        text = f"{point.name}: {point.accuracy:.2f} %, {_short(point.ms)} ms, {point.megabytes:.2f} MB"
        # Above and below in turn, so that the words of near neighbours do not meet.
        text_y = y - radius - 6 if index % 2 == 0 else y + radius + 15
        anchor = "middle" if _LEFT + 110 < x < _WIDTH - _RIGHT - 110 else ("start" if x < _WIDTH / 2 else "end")
        parts.append(f'<text class="note" x="{x}" y="{text_y:.1f}" text-anchor="{anchor}">{escape(text)}</text>')
    return _svg(bottom + _AXIS, parts, "Accuracy over time")


def _times_scale(series: Sequence[Series]) -> _Scale:
    """From the fastest to nearly the slowest; from 0 when results lie far apart, so that lengths can be compared."""
    low = min(float(one.times.min()) for one in series)
    high = max(float(np.quantile(one.times, 0.995)) for one in series)
    low = 0.0 if high > 2.5 * low else low - 0.05 * (high - low)
    return _Scale(low, high + 0.03 * (high - low), _LEFT, _WIDTH - _RIGHT)


def _violin(times: npt.NDArray[np.float64], scale: _Scale, middle: float, half: float) -> str:
    """Density of the times (Gaussian kernel; bandwidth by Silverman's rule, 1986, with the quartile range)."""
    quartiles = np.quantile(times, [0.25, 0.75])
    spread = min(float(times.std()), float(quartiles[1] - quartiles[0]) / 1.34) or float(times.std()) or 1e-6
    bandwidth = 0.9 * spread * len(times) ** -0.2
    low, high = max(scale.low, float(times.min()) - 2 * bandwidth), min(scale.high, float(times.max()) + 2 * bandwidth)
    grid = np.linspace(low, high, 140)
    picks = times if len(times) <= 4000 else times[:: len(times) // 4000]
    density = np.exp(-0.5 * ((grid[:, None] - picks[None, :]) / bandwidth) ** 2).sum(axis=1)
    widths = density / density.max() * half
    upper = [f"{scale(x)},{middle - w:.1f}" for x, w in zip(grid, widths, strict=True)]
    lower = [f"{scale(x)},{middle + w:.1f}" for x, w in zip(grid[::-1], widths[::-1], strict=True)]
    return f'<polygon class="violin" points="{" ".join([*upper, *lower])}"/>'


def _box(times: npt.NDArray[np.float64], scale: _Scale, middle: float) -> str:
    p1, p25, p50, p75, p90, p99 = (
        scale(min(max(v, scale.low), scale.high)) for v in np.quantile(times, [0.01, 0.25, 0.5, 0.75, 0.9, 0.99])
    )
    return (
        f'<line class="whisker" x1="{p1}" x2="{p99}" y1="{middle}" y2="{middle}"/>'
        f'<rect class="box" x="{p25}" y="{middle - 7}" width="{max(p75 - p25, 1):.1f}" height="14" rx="2"/>'
        f'<line class="median" x1="{p50}" x2="{p50}" y1="{middle - 12}" y2="{middle + 12}"/>'
        f'<line class="whisker" x1="{p90}" x2="{p90}" y1="{middle - 6}" y2="{middle + 6}"/>'
        f"<title>median {np.median(times):.3f} ms, p90 {np.quantile(times, 0.9):.3f} ms</title>"
    )


def _history_lines(one: Series, vertical: _Scale, index: int) -> list[str]:
    gap = 0.01 * len(one.times)
    across = _Scale(0, len(one.times) + gap * (len(one.runs) - 1), _LEFT, _WIDTH - _RIGHT)
    # At most _MAX_POINTS points a result: of each bin the largest, so that no spike is lost.
    thinning = max(1, len(one.times) // _MAX_POINTS)
    lines, position = [], 0.0
    for run in one.runs:
        points = [
            f"{across(position + start)},{vertical(min(max(run[start : start + thinning]), vertical.high))}"
            for start in range(0, len(run), thinning)
        ]
        lines.append(f'<polyline class="trace series-{index % SERIES_COLOURS}" points="{" ".join(points)}"/>')
        position += len(run) + gap
    return lines


def _x_axis(scale: _Scale, height: float, unit: str) -> str:
    base = height - _AXIS
    parts = []
    for tick in scale.ticks(8):
        x = scale(tick)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="0" y2="{base}"/>')
        parts.append(f'<text class="tick" x="{x}" y="{base + 15}" text-anchor="middle">{tick:g}</text>')
    parts.append(f'<text class="tick" x="{_WIDTH - _RIGHT}" y="{base + 30}" text-anchor="end">{escape(unit)}</text>')
    return "".join(parts)


def _label(name: str, middle: float) -> str:
    shown = name if len(name) <= 22 else name[:10] + "…" + name[-11:]
    return f'<text class="label" x="8" y="{middle + 4:.1f}">{escape(shown)}<title>{escape(name)}</title></text>'


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _svg(height: float, parts: Sequence[str], title: str) -> Markup:
    body = "".join(parts)
    return Markup(  # noqa: S704 -- names were escaped where they entered, the rest is numbers and our own words
        f'<svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">{body}</svg>'
    )
