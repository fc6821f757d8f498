"""The drawings of a search: how it went, what options led where, and what accuracy costs in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from hawklet_trainer.evaluation.line_chart import Axis, Line, across, line_chart, up
from hawklet_trainer.tuning.dimension import Dimension, Range, flag, value_text
from hawklet_trainer.tuning.outcome import COMPLETE, PRUNED, TrialRecord

_SHARE_SHOWN = 2.0
"""Ranges of accuracy that are drawn below the median; a trial that came to nothing would press the rest together."""


def history(records: Sequence[TrialRecord]) -> Markup:
    """Accuracy over the number of the trial, and the best so far as a line; empty where nothing was measured."""
    shown = [(record, record.top1) for record in records if record.top1 is not None]
    if not shown:
        return Markup()
    x = Axis.over("trial", [0.0, *(float(record.number) for record, _ in shown)], whole=True)
    y = _accuracy([top1 for _, top1 in shown])
    marks = [_mark(record, float(record.number), top1, x, y) for record, top1 in shown]
    line = Line("best so far", _above(y, _best_so_far(shown)), "s1")
    return line_chart("Accuracy over trials", x, y, [line], marks)


def pareto(records: Sequence[TrialRecord], best: Sequence[TrialRecord]) -> Markup:
    """Accuracy over latency, and as a line those that no other trial is better than in both."""
    shown = [(record, record.top1, record.latency_ms) for record in records if record.state == COMPLETE]
    points = [(record, top1, ms) for record, top1, ms in shown if top1 is not None and ms is not None]
    if not points:
        return Markup()
    x = Axis.over("ms a picture", [ms for _, _, ms in points])
    y = _accuracy([top1 for _, top1, _ in points])
    marks = [_mark(record, ms, top1, x, y) for record, top1, ms in points]
    front = sorted((record.latency_ms or 0.0, record.top1 or 0.0) for record in best)
    return line_chart("Accuracy over latency", x, y, [Line("none is better in both", _above(y, front), "s1")], marks)


def _accuracy(values: Sequence[float]) -> Axis:
    """The lowest of them may be drawn at the lower edge."""
    ordered = sorted(values)
    middle, highest = ordered[len(ordered) // 2], ordered[-1]
    floor = max(ordered[0], middle - _SHARE_SHOWN * max(highest - middle, 5.0))
    return Axis.over("accuracy on val, %", [floor, highest])


def _above(y: Axis, points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The same points, none below the lower edge, where marks are drawn too."""
    return [(at, max(top1, y.low)) for at, top1 in points]


def _mark(record: TrialRecord, at: float, top1: float, x: Axis, y: Axis) -> Markup:
    kind = "before" if record.state == PRUNED else "after"
    told = f"trial {record.number}: {top1:.1f} %{' when given up' if record.state == PRUNED else ''}"
    return Markup('<circle class="{}" cx="{}" cy="{}" r="4.5"><title>{}</title></circle>').format(
        kind, across(at, x), up(max(top1, y.low), y), told
    )


def _best_so_far(shown: Sequence[tuple[TrialRecord, float]]) -> list[tuple[float, float]]:
    points: list[tuple[float, float]] = []
    best = 0.0
    for record, top1 in shown:
        if record.state != COMPLETE:
            continue
        if points and top1 > best:
            points.append((float(record.number), best))  # so that it rises in a step
        best = max(best, top1)
        points.append((float(record.number), best))
    return points


_WIDTH, _TOP, _BOTTOM, _LEFT, _RIGHT = 1000, 34, 280, 70, 930
_ACCURACY = "val, %"
_LABELS = 8
"""Values of a list that are written on its axis."""


def parallel(
    records: Sequence[TrialRecord], dimensions: Mapping[str, Dimension], best: Sequence[TrialRecord]
) -> Markup:
    """An axis for each option, and the accuracy's; a line for each complete trial, the better the stronger."""
    done = [(record, record.top1) for record in records if record.state == COMPLETE and record.top1 is not None]
    if not done:
        return Markup()
    accuracy = _accuracy([top1 for _, top1 in done])
    steps = (_RIGHT - _LEFT) / len(dimensions)
    at = {name: _LEFT + number * steps for number, name in enumerate([*dimensions, _ACCURACY])}
    titles = {name: flag(name) for name in dimensions} | {_ACCURACY: _ACCURACY}
    ticks = {name: _ticks(dimension) for name, dimension in dimensions.items()}
    ticks[_ACCURACY] = [(_share(tick, accuracy), f"{tick:g}") for tick in accuracy.ticks]
    ranked = sorted(done, key=lambda each: (each[0] in best, each[1]))
    lines = [
        _path(record, top1, _points(record, dimensions, at, _share(top1, accuracy)), rank / len(ranked), record in best)
        for rank, (record, top1) in enumerate(ranked, 1)
    ]
    axes = [_axis(at[name], title) for name, title in titles.items()]
    # Above the lines, which would cross them out.
    labels = [_tick(at[name], share, text) for name, of_axis in ticks.items() for share, text in of_axis]
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="Options and accuracy">{}</svg>').format(
        _WIDTH, _BOTTOM + 20, Markup().join([*axes, *lines, *labels])
    )


def _points(
    record: TrialRecord, dimensions: Mapping[str, Dimension], at: Mapping[str, float], accuracy: float
) -> list[tuple[float, float]]:
    heights = [(at[name], dimension.position(record.params[name])) for name, dimension in dimensions.items()]
    return [*heights, (at[_ACCURACY], accuracy)]


def _share(value: float, axis: Axis) -> float:
    return max(0.0, (value - axis.low) / (axis.high - axis.low))


def _ticks(dimension: Dimension) -> list[tuple[float, str]]:
    if isinstance(dimension, Range):
        ends = (dimension.low, dimension.high)
        return [(dimension.position(value), value_text(value)) for value in ends]
    return [(dimension.position(value), value_text(value)) for value in dimension.values[:_LABELS]]


def _axis(x: float, title: str) -> Markup:
    return Markup(
        '<line class="grid" x1="{x:.0f}" x2="{x:.0f}" y1="{top}" y2="{bottom}"/>'
        '<text x="{x:.0f}" y="14" text-anchor="middle">{title}</text>'
    ).format(x=x, top=_TOP, bottom=_BOTTOM, title=title)


def _tick(x: float, share: float, text: str) -> Markup:
    return Markup('<text class="tick" x="{:.0f}" y="{:.0f}">{}</text>').format(x + 7, _height(share) + 4, text)


def _path(
    record: TrialRecord, top1: float, points: Sequence[tuple[float, float]], strength: float, is_best: bool
) -> Markup:
    drawn = " ".join(f"{x:.0f},{_height(share):.1f}" for x, share in points)
    opacity = 1.0 if is_best else 0.08 + 0.6 * strength**2
    return Markup('<polyline class="line {}" points="{}" stroke-opacity="{:.2f}"><title>{}</title></polyline>').format(
        "s1" if is_best else "s0", drawn, opacity, f"trial {record.number}: {top1:.1f} %"
    )


def _height(share: float) -> float:
    return _BOTTOM - share * (_BOTTOM - _TOP)
