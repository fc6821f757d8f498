"""``report.html`` of a cross-validation: one file, opens offline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hawklet import __version__
from hawklet.safefiles import write_text
from hawklet_trainer.crossval.fold_run import FoldFigures
from hawklet_trainer.crossval.record import Begun
from hawklet_trainer.crossval.spread import Spread
from hawklet_trainer.evaluation.analysis import Analysis
from hawklet_trainer.evaluation.explaining import unexplained
from hawklet_trainer.evaluation.sections import pages, sections_of

_WIDTH = 460.0
"""Of the drawing of the folds, its own units."""
_NOT_EXPLAINED = "Every fold has a network of its own: hawklet evaluate of a fold's run shows what it saw."


@dataclass(frozen=True)
class Content:
    """What the report shows."""

    begun: Begun
    folds: tuple[FoldFigures, ...]
    top1: Spread
    macro_f1: Spread
    analysis: Analysis
    """Of all pictures, each answered by the network that was trained without it."""


def write_report(folder: Path, content: Content) -> None:
    """Write ``report.html``, whole or not at all."""
    page = (
        pages()
        .get_template("crossval.html.j2")
        .render(
            begun=content.begun,
            folds=content.folds,
            top1=content.top1,
            macro_f1=content.macro_f1,
            strip=_strip(content.folds, content.top1),
            one_picture=100.0 / min(figures.test for figures in content.folds),
            seconds=sum(figures.seconds for figures in content.folds),
            shown=sections_of("all pictures, each left out of training", content.analysis, unexplained(_NOT_EXPLAINED)),
            rejecting=None,
            version=__version__,
        )
    )
    write_text(folder / "report.html", page)


@dataclass(frozen=True)
class _Strip:
    """Every fold's accuracy on one line, with the mean and its intervals; positions in the drawing."""

    points: list[tuple[float, str]]
    mean: float
    interval: tuple[float, float]
    wide: tuple[float, float]
    ticks: list[tuple[float, str]]


def _strip(folds: Sequence[FoldFigures], top1: Spread) -> _Strip:
    values = [figures.top1 for figures in folds]
    low, high = min(*values, top1.wide_low), max(*values, top1.wide_high)
    if high - low < 1.0:
        low, high = max(0.0, low - 1.0), min(100.0, high + 1.0)

    def x(value: float) -> float:
        return round(_WIDTH * (min(high, max(low, value)) - low) / (high - low), 1)

    ticks = [low + share * (high - low) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return _Strip(
        [(x(figures.top1), f"fold {figures.fold}: {figures.top1:.1f} %") for figures in folds],
        x(top1.mean),
        (x(top1.low), x(top1.high)),
        (x(top1.wide_low), x(top1.wide_high)),
        [(x(value), f"{value:.1f} %") for value in ticks],
    )
