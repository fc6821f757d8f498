"""What a terminal shows of a cross-validation."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from hawklet_trainer.crossval.cross_validate import CrossvalResult
from hawklet_trainer.terminal_lines import print_line
from hawklet_trainer.time_text import duration


def print_result(console: Console, result: CrossvalResult) -> None:
    """A line for each fold, their mean and spread, and where the report is."""
    table = Table("fold", "pictures", "accuracy", "macro F1", "on val", "time", box=None, header_style="bold")
    for fold in result.folds:
        figures = (f"{value:.1f} %" for value in (fold.top1, fold.macro_f1, fold.val_top1))
        table.add_row(str(fold.fold), str(fold.test), *figures, duration(fold.seconds))
    console.print(table)
    for line in lines_of(result):
        print_line(console, line)


def lines_of(result: CrossvalResult) -> list[str]:
    """What is below the table."""
    top1 = result.top1
    return [
        f"accuracy {top1.mean:.1f} % in the mean, standard deviation {top1.deviation:.1f} points from fold to fold",
        f"95 % interval of the mean {top1.wide_low:.1f} to {top1.wide_high:.1f} %, corrected for folds not being "
        "independent",
        f"mistakes and confusion: {result.folder / 'report.html'}",
        f"every picture's answer: {result.folder / 'out_of_fold.csv'}",
    ]
