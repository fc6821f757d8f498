"""The drawings of a search: how it went, what options led where, and what accuracy costs in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup, escape

from hawklet_trainer.evaluation.line_chart import Axis, Line, across, line_chart, up
from hawklet_trainer.tuning.dimension import Dimension, Range, value_text
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
    line = Line("best so far", _best_so_far(shown), "s1")
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
    return line_chart("Accuracy over latency", x, y, [Line("none is better in both", front, "s1")], marks)


def _accuracy(values: Sequence[float]) -> Axis:
    """The lowest of them may be drawn at the lower edge."""
    ordered = sorted(values)
    middle, highest = ordered[len(ordered) // 2], ordered[-1]
    floor = max(ordered[0], middle - _SHARE_SHOWN * max(highest - middle, 5.0))
    return Axis.over("accuracy on val, %", [floor, highest])


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
_LABELS = 8
"""Values of a list that are written on its axis."""


def parallel(records: Sequence[TrialRecord], dimensions: Mapping[str, Dimension]) -> Markup:
    """An axis for each option, and the accuracy's; a line for each complete trial, the better the stronger."""
    done = [(record, record.top1) for record in records if record.state == COMPLETE and record.top1 is not None]
    if not done:
        return Markup()
    names = list(dimensions)
    accuracy = _accuracy([top1 for _, top1 in done])
    at = {name: _LEFT + number * (_RIGHT - _LEFT) / len(names) for number, name in enumerate([*names, "accuracy"])}
    parts = [_axis(at[name], name, _ticks(dimension)) for name, dimension in dimensions.items()]
    parts.append(_axis(at["accuracy"], "val, %", [(_share(tick, accuracy), f"{tick:g}") for tick in accuracy.ticks]))
    ranked = sorted(done, key=lambda each: each[1])
    for rank, (record, top1) in enumerate(ranked, 1):
        heights = [dimensions[name].position(record.params[name]) for name in names]
        points = [(at[name], height) for name, height in zip(names, heights, strict=True)]
        parts.append(_path(record, top1, [*points, (at["accuracy"], _share(top1, accuracy))], rank, len(ranked)))
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="Options and accuracy">{}</svg>').format(
        _WIDTH, _BOTTOM + 20, Markup().join(parts)
    )


def _share(value: float, axis: Axis) -> float:
    return max(0.0, (value - axis.low) / (axis.high - axis.low))


def _ticks(dimension: Dimension) -> list[tuple[float, str]]:
    if isinstance(dimension, Range):
        ends = (dimension.low, dimension.high)
        return [(dimension.position(value), value_text(value)) for value in ends]
    return [(dimension.position(value), value_text(value)) for value in dimension.values[:_LABELS]]


def _axis(x: float, name: str, ticks: Sequence[tuple[float, str]]) -> Markup:
    labels = Markup().join(
        Markup('<text x="{:.0f}" y="{:.0f}" text-anchor="middle" class="tick">{}</text>').format(
            x, _height(share) + 4, escape(text)
        )
        for share, text in ticks
    )
    return Markup(
        '<line class="grid" x1="{x:.0f}" x2="{x:.0f}" y1="{top}" y2="{bottom}"/>'
        '<text x="{x:.0f}" y="14" text-anchor="middle">{name}</text>{labels}'
    ).format(x=x, top=_TOP, bottom=_BOTTOM, name=name.replace("_", " "), labels=labels)


def _path(record: TrialRecord, top1: float, points: Sequence[tuple[float, float]], rank: int, count: int) -> Markup:
    drawn = " ".join(f"{x:.0f},{_height(share):.1f}" for x, share in points)
    kind = "s1" if rank == count else "s0"
    return Markup('<polyline class="line {}" points="{}" stroke-opacity="{:.2f}"><title>{}</title></polyline>').format(
        kind, drawn, 1.0 if rank == count else 0.08 + 0.6 * (rank / count) ** 2, f"trial {record.number}: {top1:.1f} %"
    )


def _height(share: float) -> float:
    return _BOTTOM - share * (_BOTTOM - _TOP)
