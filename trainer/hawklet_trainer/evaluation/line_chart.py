"""Inline SVG line charts for reports: no script, no font, nothing to load.

Colours are classes of the page's style sheet (``s0`` .. ``s7``, ``faint``, ``before``, ``after``), so that light and
dark are its affair.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

COLOURS = 8
"""``s0`` .. ``s7``."""
_WIDTH, _HEIGHT = 460, 242
_LEFT, _TOP, _RIGHT, _BOTTOM = 46, 24, 448, 210


@dataclass(frozen=True)
class Line:
    """One line."""

    name: str
    points: Sequence[tuple[float, float]]
    """(x, y), x ascending."""
    style: str
    """Class of the style sheet."""
    told: str = ""
    """What the key says besides the name."""
    keyed: bool = True
    """Whether it is in the key."""


@dataclass(frozen=True)
class Axis:
    """One axis."""

    title: str
    """May be empty."""
    low: float
    high: float
    ticks: Sequence[float]
    percent: bool = False
    """Whether ticks are written a hundred times as large."""

    @classmethod
    def over(cls, title: str, values: Sequence[float], whole: bool = False) -> Axis:
        """From a little below the least value to a little above the greatest, with ticks at round numbers.

        Not below zero, where no value is.

        Args:
            title: What it measures.
            values: What is drawn; may be empty.
            whole: From the least value to the greatest exactly, with ticks at whole numbers.
        """
        low, high = min(values, default=0.0), max(values, default=1.0)
        if whole:
            high = max(high, low + 1)
            return cls(title, low, high, [tick for tick in round_ticks(low, high) if tick == round(tick)])
        room = 0.05 * (high - low) or 0.05 * abs(low) or 0.5  # a flat line stands in the middle
        bottom, top = low - room if low < 0 else max(0.0, low - room), high + room
        return cls(title, bottom, top, round_ticks(bottom, top))

    @classmethod
    def of_shares(cls, title: str) -> Axis:
        """From 0 to 1, written in percent."""
        return cls(f"{title}, %", 0.0, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0), percent=True)


def round_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About ``count`` round numbers from ``low`` to ``high``, which is greater."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]


def line_chart(title: str, x: Axis, y: Axis, lines: Sequence[Line], more: Sequence[Markup] = ()) -> Markup:
    """One ``<svg>`` and its key; names are escaped here.

    Args:
        title: For those who cannot see it.
        x: From left to right.
        y: From below upwards.
        lines: Those that come later lie above.
        more: Elements to draw below the lines, in the drawing's own units.
    """
    parts = [*_x_grid(x), *_y_grid(y), *more, *(_polyline(line, x, y) for line in lines if line.points)]
    drawing = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
    return Markup(drawing + _key(lines))  # noqa: S704 -- names were escaped where they entered


def across(value: float, axis: Axis) -> float:
    """Where a value of the x axis is, units of the drawing."""
    return round(_LEFT + (value - axis.low) / (axis.high - axis.low) * (_RIGHT - _LEFT), 1)


def up(value: float, axis: Axis) -> float:
    """Where a value of the y axis is, units of the drawing."""
    return round(_BOTTOM - (value - axis.low) / (axis.high - axis.low) * (_BOTTOM - _TOP), 1)


def upright(value: float, axis: Axis, told: str) -> Markup:
    """A dashed line across the drawing at a value of the x axis, and what it says above it; for ``more``."""
    at = across(value, axis)
    return Markup(  # noqa: S704 -- escaped here
        f'<line class="diagonal" x1="{at}" x2="{at}" y1="{_TOP}" y2="{_BOTTOM}"/>'
        f'<text x="{at}" y="{_TOP - 6}" text-anchor="middle">{escape(told)}</text>'
    )


def _x_grid(axis: Axis) -> list[str]:
    ticks = [
        f'<text x="{across(tick, axis)}" y="{_BOTTOM + 16}" text-anchor="middle">{_written(tick, axis)}</text>'
        for tick in axis.ticks
    ]
    return [*ticks, f'<text x="{_RIGHT}" y="{_BOTTOM + 31}" text-anchor="end">{escape(axis.title)}</text>']


def _y_grid(axis: Axis) -> list[str]:
    ticks = [
        f'<line class="grid" x1="{_LEFT}" x2="{_RIGHT}" y1="{up(tick, axis)}" y2="{up(tick, axis)}"/>'
        f'<text x="{_LEFT - 7}" y="{up(tick, axis) + 4}" text-anchor="end">{_written(tick, axis)}</text>'
        for tick in axis.ticks
    ]
    return [*ticks, f'<text x="2" y="10">{escape(axis.title)}</text>']


def _written(tick: float, axis: Axis) -> str:
    return f"{100 * tick if axis.percent else tick:.4g}"


def _polyline(line: Line, x: Axis, y: Axis) -> str:
    points = list(line.points) if len(line.points) > 1 else [*line.points, *line.points]
    drawn = " ".join(f"{across(a, x)},{up(b, y)}" for a, b in points)
    return f'<polyline class="line {line.style}" points="{drawn}"><title>{escape(line.name)}</title></polyline>'


def _key(lines: Sequence[Line]) -> str:
    entries = "".join(_entry(line) for line in lines if line.keyed and line.points)
    return f'<div class="key">{entries}</div>' if entries else ""


def _entry(line: Line) -> str:
    told = f" <b>{escape(line.told)}</b>" if line.told else ""
    return f'<span><i class="{line.style}"></i>{escape(line.name)}{told}</span>'
