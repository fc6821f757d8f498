"""Inline SVG for the report: no script, no font, nothing to load; colours are classes of the page's style sheet.

Drawings are 460 units wide, so that their words stay readable on a telephone, where they fill the page's width.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from hawklet_converter.verification.verification import ClassChange

_WIDTH = 460
_SHARES = (0, 25, 50, 75, 100)
_STEP = 10  # percent; where the axis of classes may begin
_ROW = 30
_NAMES = 150
"""Width kept for class names."""
_NAME_LETTERS = 20


def class_changes(changes: Sequence[ClassChange]) -> Markup:
    """Top-1 of each class, percent: a ring for the reference, a disc for the variant, a line where they differ."""
    height = _ROW * len(changes) + 26
    base = height - 22
    low = _axis_start(changes)
    parts = []
    for share in _SHARES:
        percent = low + share / 100 * (100 - low)
        x = _along(percent, low)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="4" y2="{base}"/>')
        parts.append(f'<text x="{x}" y="{base + 16}" text-anchor="middle">{percent:g}</text>')
    parts += [_change(one, low, _ROW * index + _ROW / 2 + 2) for index, one in enumerate(changes)]
    return _svg(height, parts, "Top-1 of each class, before and after")


def _axis_start(changes: Sequence[ClassChange]) -> float:
    """A round number below every class, so that small changes are seen: only places are read here, not lengths."""
    lowest = min(min(one.reference, one.variant) for one in changes)
    return min(100 - 2 * _STEP, max(0, lowest // _STEP * _STEP))


def _along(percent: float, low: float) -> float:
    return round(_NAMES + (percent - low) / (100 - low) * (_WIDTH - _NAMES - 22), 1)


def _change(one: ClassChange, low: float, y: float) -> str:
    kind = "better" if one.variant > one.reference else "worse" if one.variant < one.reference else "same"
    before, after = _along(one.reference, low), _along(one.variant, low)
    told = f"{one.label}: {one.reference:.1f} -> {one.variant:.1f} % of {one.pictures} pictures"
    return (
        f'<g class="{kind}">{_name(one.label, y)}'
        f'<line class="move" x1="{before}" x2="{after}" y1="{y}" y2="{y}"/>'
        f'<circle class="ring" cx="{before}" cy="{y}" r="6"/><circle class="dot" cx="{after}" cy="{y}" r="4"/>'
        f"<title>{escape(told)}</title></g>"
    )


def _name(label: str, y: float) -> str:
    shown = label if len(label) <= _NAME_LETTERS else label[: _NAME_LETTERS - 1] + "…"
    return f'<text class="name" x="0" y="{y + 4}">{escape(shown)}</text>'


def _svg(height: float, parts: Sequence[str], title: str) -> Markup:
    body = "".join(parts)
    return Markup(  # noqa: S704 -- names were escaped where they entered, the rest is numbers and our own words
        f'<svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">{body}</svg>'
    )
