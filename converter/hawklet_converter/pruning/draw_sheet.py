"""The Pareto sheet as a drawing: accuracy on the validation pictures over measured milliseconds, a mark for every file.

Inline SVG of our own (docs/decisions/0050-reports-draw-their-own-svg.md): no script, no font, nothing to load. Colours
are classes of the page's style sheet, so light and dark are the page's affair; names are escaped here. Marks are told
apart by shape as well as by colour.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from hawklet_converter.pruning.sheet import NARROWER, PRUNED, SMALLER_INPUT, UNPRUNED, Point, pareto_front

KINDS = {UNPRUNED: "kind-0", PRUNED: "kind-1", SMALLER_INPUT: "kind-2", NARROWER: "kind-3"}
"""Kind of network -> class of its marks."""
_SMALLEST = 3.5
"""Radius of the smallest mark. Areas are the files' shares of the largest one, where that can still be seen."""
_LEAST_POINTS = 8.0
"""Points of accuracy that the drawing shows at least: chance must not look like a cliff."""


@dataclass(frozen=True)
class Size:
    """Of a drawing, in the units of its words, which are 12 high."""

    width: float
    height: float
    name: str
    """Class of the ``<svg>``; the page shows the one that fits."""
    mark: float
    """Radius of the largest mark."""
    spoken: bool
    """Whether there is room to write the numbers of the chosen file."""

    @property
    def plot(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the field of marks."""
        return 44, 34, self.width - 14, self.height - 40


WIDE, NARROW = Size(1040, 430, "wide", 10.0, True), Size(360, 340, "narrow", 7.0, False)
"""For a page of a desk's width and for a telephone's: one drawing scaled to both is unreadable on one of them."""


def draw_sheet(points: Sequence[Point], size: Size) -> Markup:
    """Draw the files that were timed; the first one of the chosen network is ringed and named.

    Args:
        points: Of the sheet.
        size: :data:`WIDE` or :data:`NARROW`.
    """
    timed = [point for point in points if point.ms is not None]
    if not timed:
        return Markup("")
    left, top, right, bottom = size.plot
    across = _axis(0.0, 1.06 * max(_ms(point) for point in timed), left, right)
    low, high = _shown_accuracy([point.val for point in timed])
    up = _axis(low, high, bottom, top)
    area = size.mark**2 / max(point.bytes for point in timed)
    # Small marks last, so that none hides below a large one.
    marks = [_mark(point, across, up, area) for point in sorted(timed, key=lambda point: -point.bytes)]
    parts = [_grid(size, across, up, (low, high), 1.06 * max(map(_ms, timed))), _front(timed, across, up, right)]
    return _svg(size, [*parts, *marks, _ring(timed, across, up, area, size)])


def legend_mark(kind: str, quantized: bool) -> Markup:
    """One mark, 16 units square, for the legend."""
    shape = _shape(kind, 8, 8 if kind != NARROWER else 9, 5)
    return Markup(  # noqa: S704 -- numbers and our own words
        f'<svg class="legend" viewBox="0 0 16 16" aria-hidden="true"><g class="{_classes(kind, quantized)}">{shape}'
        "</g></svg>"
    )


def is_quantized(point: Point) -> bool:
    return not point.variant.startswith("float32")


_Axis = Callable[[float], float]


def _axis(low: float, high: float, start: float, end: float) -> _Axis:
    return lambda value: round(start + (value - low) / (high - low) * (end - start), 1)


def _ms(point: Point) -> float:
    return point.ms or 0.0


def _shown_accuracy(values: Sequence[float]) -> tuple[float, float]:
    """Whole points around all marks, at least :data:`_LEAST_POINTS` of them, none above 100."""
    low, high = math.floor(min(values)) - 1.0, math.ceil(max(values)) + 1.0
    missing = max(0.0, _LEAST_POINTS - (high - low))
    high = min(101.0, high + missing // 2)  # a mark at 100 % needs some room above
    return max(-1.0, min(low, high - _LEAST_POINTS)), high


def _grid(size: Size, across: _Axis, up: _Axis, accuracy: tuple[float, float], most_ms: float) -> str:
    left, top, right, bottom = size.plot
    parts = []
    for percent in _ticks(*accuracy, round((bottom - top) / 50)):
        if 0 <= percent <= 100:
            y = up(percent)
            parts.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>')
            parts.append(f'<text x="{left - 7}" y="{y + 4}" text-anchor="end">{percent:g}</text>')
    for ms in _ticks(0.0, most_ms, round((right - left) / 90)):
        x = across(ms)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{top}" y2="{bottom}"/>')
        parts.append(f'<text x="{x}" y="{bottom + 17}" text-anchor="middle">{ms:g}</text>')
    parts.append(f'<text x="{right}" y="{bottom + 34}" text-anchor="end">one inference, ms</text>')
    parts.append(f'<text x="4" y="{top - 20}">top-1 on validation pictures, %</text>')
    return "".join(parts)


def _ticks(low: float, high: float, count: int) -> list[float]:
    """Round numbers within the range, about ``count`` of them."""
    rough = (high - low) / max(2, count)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough - 1e-12)
    first = math.ceil(low / step - 1e-9)
    return [round(index * step, 10) for index in range(first, math.floor(high / step + 1e-9) + 1)]


def _front(timed: Sequence[Point], across: _Axis, up: _Axis, right: float) -> str:
    """A step line: at each latency the best accuracy of the files that are no slower."""
    names = pareto_front(timed)
    best = sorted((p for p in timed if (p.network, p.variant) in names), key=_ms)
    path = f"M{across(_ms(best[0]))} {up(best[0].val)}"
    path += "".join(f"H{across(_ms(point))}V{up(point.val)}" for point in best[1:])
    return f'<path class="front" d="{path}H{right}"/>'


def _mark(point: Point, across: _Axis, up: _Axis, area: float) -> str:
    shape = _shape(point.kind, across(_ms(point)), up(point.val), _radius(point, area))
    return f'<g class="{_classes(point.kind, is_quantized(point))}">{shape}<title>{escape(_told(point))}</title></g>'


def _classes(kind: str, quantized: bool) -> str:
    return f"mark {KINDS.get(kind, 'kind-0')} {'quantized' if quantized else 'float'}"


def _radius(point: Point, area: float) -> float:
    """``area``: of a mark for each byte, as a radius squared."""
    return max(_SMALLEST, math.sqrt(point.bytes * area))


def _told(point: Point) -> str:
    test = "" if point.test is None else f", {point.test:.1f} % of the test pictures"
    return (
        f"{point.network} ({point.kind}), {point.variant}: {_ms(point):.2f} ms, {point.val:.1f} % of the validation "
        f"pictures{test}, {point.bytes / 1e6:.2f} MB"
    )


def _shape(kind: str, x: float, y: float, r: float) -> str:
    """Of one area for each kind: a disc, a diamond, a square, a triangle."""
    if kind == PRUNED:
        return _polygon(x, y, 1.25 * r, (90, 180, 270, 360))
    if kind == SMALLER_INPUT:
        return _polygon(x, y, 1.25 * r, (45, 135, 225, 315))
    if kind == NARROWER:
        return _polygon(x, y, 1.55 * r, (90, 210, 330))
    return f'<circle cx="{x}" cy="{y}" r="{r:.1f}"/>'


def _polygon(x: float, y: float, r: float, degrees: Sequence[float]) -> str:
    corners = ((x + r * math.cos(math.radians(d)), y - r * math.sin(math.radians(d))) for d in degrees)
    return f'<polygon points="{" ".join(f"{cx:.1f},{cy:.1f}" for cx, cy in corners)}"/>'


def _ring(timed: Sequence[Point], across: _Axis, up: _Axis, area: float, size: Size) -> str:
    chosen = next((point for point in timed if point.chosen), None)
    if chosen is None:
        return ""
    x, y, r = across(_ms(chosen)), up(chosen.val), _radius(chosen, area) * 1.25 + 5
    left, top, right, bottom = size.plot
    above = y - r - 6 > top + 4
    words = f"chosen: {_ms(chosen):.2f} ms, {chosen.val:.1f} %" if size.spoken else "chosen"
    half = 3.4 * len(words)
    # To the left, where fewer marks are: above the front there are none.
    middle = min(max(x + r - half, left + half), right - half)
    return (
        f'<circle class="ring" cx="{x}" cy="{y}" r="{r:.1f}"/>'
        f'<text class="chosen" x="{middle:.1f}" y="{y - r - 6 if above else min(y + r + 15, bottom - 4):.1f}" '
        f'text-anchor="middle">{escape(words)}</text>'
    )


def _svg(size: Size, parts: Sequence[str]) -> Markup:
    body = "".join(parts)
    return Markup(  # noqa: S704 -- names were escaped where they entered, the rest is numbers and our own words
        f'<svg class="sheet {size.name}" viewBox="0 0 {size.width:g} {size.height:g}" role="img" '
        f'aria-label="Accuracy over latency of every file; the table below has the numbers">{body}</svg>'
    )
