"""What a terminal shows of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hawklet_trainer.evaluation.analysis import Analysis
from hawklet_trainer.evaluation.confused_pairs import ConfusedPair
from hawklet_trainer.evaluation.intervals import Interval
from hawklet_trainer.evaluation.robustness import Robustness
from hawklet_trainer.terminal_lines import print_line

_PAIRS = 3


def print_analysis(console: Console, analysis: Analysis) -> None:
    """A line for each class and the figures over all."""
    table = Table("class", "precision", "recall", "95 % interval", "F1", "pictures", box=None, header_style="bold")
    for entry, interval in zip(analysis.metrics.per_class, analysis.intervals.recall, strict=True):
        precision, recall, f1 = (
            f"{value:.1f} %" if entry.support else "-" for value in (entry.precision, entry.recall, entry.f1)
        )
        table.add_row(
            Text(entry.label), precision, recall, _written(interval) if interval else "-", f1, str(entry.support)
        )
    console.print(table)
    for line in (*_figures(analysis), *_confused(analysis.pairs)):
        print_line(console, line)


def print_robustness(console: Console, robustness: Robustness) -> None:
    """A line for each kind of corruption."""
    strengths = range(1, len(robustness.curves[0].top1) + 1)
    table = Table("worse by", *map(str, strengths), "mean", box=None, header_style="bold")
    for curve in robustness.curves:
        table.add_row(curve.name, *(f"{value:.0f} %" for value in curve.top1), f"{curve.mean:.1f} %")
    console.print(table)
    some = f" of {robustness.out_of}" if robustness.pictures < robustness.out_of else ""
    line = (
        f"made worse: {robustness.mean:.1f} % in place of {robustness.clean:.1f} %, {robustness.relative:.0f} % is "
        f"left; {robustness.pictures}{some} pictures"
    )
    print_line(console, line)


def _figures(analysis: Analysis) -> list[str]:
    metrics, intervals = analysis.metrics, analysis.intervals
    top5 = "" if metrics.top5 is None else f"top-5 {metrics.top5:.1f} %, "
    lines = [
        f"top-1 {metrics.top1:.1f} % ({_written(intervals.top1)}), {top5}macro F1 {metrics.macro_f1:.1f} % "
        f"({_written(intervals.macro_f1)}), {metrics.pictures} pictures"
    ]
    error = f"calibration error (ECE) {analysis.unscaled.ece:.1f} points"
    if analysis.scaled and analysis.scaling:
        error += f", {analysis.scaled.ece:.1f} at temperature {analysis.scaling.temperature:.2f}"
    by_chance = (analysis.scaled or analysis.unscaled).ece_by_chance
    return [*lines, f"{error} ({by_chance:.1f} would be chance alone)"]


def _confused(pairs: Sequence[ConfusedPair]) -> list[str]:
    shown = [f"{pair.first} and {pair.second} ({pair.pictures})" for pair in pairs[:_PAIRS]]
    return [f"taken for each other most: {', '.join(shown)}"] if shown else []


def _written(interval: Interval) -> str:
    return f"{interval.low:.1f} to {interval.high:.1f}"
