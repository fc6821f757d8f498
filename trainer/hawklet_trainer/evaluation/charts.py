"""The drawings of a report."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from hawklet_trainer.evaluation.line_chart import COLOURS, Axis, Line, across, line_chart, up, upright

if TYPE_CHECKING:  # so that drawing loads no torch
    from hawklet_trainer.evaluation.calibration import Bin
    from hawklet_trainer.evaluation.ranking import ClassRanking, Curve
    from hawklet_trainer.evaluation.robustness import CorruptionCurve
    from hawklet_trainer.training.terms import EpochRecord

_NAMED = 5
"""Curves that have a colour and a name where there are more than there are colours."""


def training_curves(records: Sequence[EpochRecord], kept: int) -> list[tuple[str, Markup]]:
    """Title and drawing of loss, accuracy, learning rate and speed by epoch, where they were measured.

    Args:
        records: Lines of results.csv.
        kept: Epoch whose weights were kept, marked where there are others.
    """
    drawn = [
        ("Loss", {"train": _by_epoch(records, "train_loss"), "val": _by_epoch(records, "val_loss")}),
        ("Accuracy, %", {"train": _by_epoch(records, "train_top1"), "val": _by_epoch(records, "val_top1")}),
        ("Learning rate", {"of the fastest layers": _by_epoch(records, "lr")}),
        ("Images per second", {"learned from": _by_epoch(records, "images_per_second")}),
    ]
    return [(title, _epoch_chart(title, lines, kept)) for title, lines in drawn if any(lines.values())]


def _by_epoch(records: Sequence[EpochRecord], figure: str) -> list[tuple[float, float]]:
    """Epoch 0 was not trained in, so it has figures of val alone."""
    values = [(float(record.epoch), float(getattr(record, figure)), record) for record in records]
    return [
        (epoch, value)
        for epoch, value, record in values
        if math.isfinite(value) and (record.epoch > 0 or figure.startswith("val"))
    ]


def _epoch_chart(title: str, lines: dict[str, list[tuple[float, float]]], kept: int) -> Markup:
    every = [point for points in lines.values() for point in points]
    x = Axis.over("epoch", [0.0, *(epoch for epoch, _ in every)], whole=True)
    y = Axis.over("", [value for _, value in every])
    shown = [
        Line(name, points, f"s{number}", f"{points[-1][1]:.3g}" if points else "")
        for number, (name, points) in enumerate(lines.items())
    ]
    mark = [upright(kept, x, "kept")] if any(epoch != kept for epoch, _ in every) else []
    return line_chart(f"{title} by epoch", x, y, shown, mark)


def reliability(before: Sequence[Bin], after: Sequence[Bin] | None) -> Markup:
    """Accuracy over confidence: on the diagonal, confidence means probability.

    A disc's area tells how many pictures have that confidence; rings show the same model at temperature 1. Without a
    temperature, that is without ``after``, ``before`` has the discs.
    """
    x, y = Axis.of_shares("confidence"), Axis.of_shares("named rightly")
    diagonal = f'<line class="diagonal" x1="{across(0, x)}" y1="{up(0, y)}" x2="{across(1, x)}" y2="{up(1, y)}"/>'
    kinds = [("after", before)] if after is None else [("before", before), ("after", after)]
    lines = [
        Line(kind, [(one.confidence, one.accuracy) for one in bins if one.count], kind, keyed=False)
        for kind, bins in kinds
    ]
    discs = [_disc(one, sum(other.count for other in bins), kind, x, y) for kind, bins in kinds for one in bins]
    return line_chart("Accuracy over confidence", x, y, lines, [Markup(diagonal), *discs])  # noqa: S704 -- numbers


def _disc(one: Bin, total: int, kind: str, x: Axis, y: Axis) -> Markup:
    if not one.count:
        return Markup()
    radius = 3 + 13 * (one.count / total) ** 0.5
    told = f"{one.count} pictures: {one.confidence:.0%} sure, {one.accuracy:.0%} right"
    return Markup(  # noqa: S704 -- numbers
        f'<circle class="{kind}" cx="{across(one.confidence, x)}" cy="{up(one.accuracy, y)}" r="{radius:.1f}">'
        f"<title>{told}</title></circle>"
    )


def precision_recall(rankings: Sequence[ClassRanking]) -> Markup:
    """Precision over recall, a line for each class."""
    axes = Axis.of_shares("recall"), Axis.of_shares("precision")
    lines = _class_lines(rankings, lambda one: one.precision_recall, lambda one: one.average_precision)
    return line_chart("Precision over recall", *axes, lines)


def roc(rankings: Sequence[ClassRanking]) -> Markup:
    """True over false positive rate, a line for each class."""
    axes = Axis.of_shares("of other pictures taken for it"), Axis.of_shares("of its pictures found")
    return line_chart(
        "True over false positive rate", *axes, _class_lines(rankings, lambda one: one.roc, lambda one: one.auc)
    )


def _class_lines(
    rankings: Sequence[ClassRanking],
    curve: Callable[[ClassRanking], Curve],
    area: Callable[[ClassRanking], float],
) -> list[Line]:
    """Few classes have a colour each, the same in every chart; of many only the worst ones do, and lie above."""
    named = rankings if len(rankings) <= COLOURS else sorted(rankings, key=area)[:_NAMED]
    labels = {one.label for one in named}
    faint = [Line(one.label, curve(one), "faint", keyed=False) for one in rankings if one.label not in labels]
    return faint + [Line(one.label, curve(one), f"s{number}", f"{area(one):.1f}") for number, one in enumerate(named)]


def robustness(curves: Sequence[CorruptionCurve], clean: float) -> Markup:
    """Accuracy over the strength of each corruption, from the pictures as they are."""
    strengths = [0.0, *(float(number) for number in range(1, len(curves[0].top1) + 1))]
    y = Axis("accuracy, %", 0.0, 100.0, (0, 25, 50, 75, 100))
    lines = [
        Line(curve.name, list(zip(strengths, (clean, *curve.top1), strict=True)), f"s{number}", f"{curve.mean:.1f}")
        for number, curve in enumerate(curves)
    ]
    return line_chart("Accuracy over strength", Axis.over("strength", strengths, whole=True), y, lines)
