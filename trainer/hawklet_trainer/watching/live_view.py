"""The lines at the bottom of a terminal that are drawn anew while a training goes on."""

from __future__ import annotations

import math

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hawklet_trainer.training.terms import EpochRecord
from hawklet_trainer.watching.epoch_table import epoch_row, titles
from hawklet_trainer.watching.pace import clock_text
from hawklet_trainer.watching.standing import Standing

_NARROW = 70
"""With fewer letters a line, what is left is said in fewer words."""


class LiveView:
    """The epoch that is under way as a row, a bar with what is left, and the best so far."""

    def __init__(self, standing: Standing):
        self.titled = True
        """Whether the row needs its titles, since what is printed above it is no row."""
        self._standing = standing

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Drawn for the width that the terminal has now."""
        yield Group(*self._lines(options.max_width))

    def _lines(self, width: int) -> list[RenderableType]:
        now = self._standing
        if not now.title:
            return []
        if not now.in_epochs or now.is_over:
            return [_bar(now, width)]
        above = [titles(width)] if self.titled else []
        return [*above, epoch_row(_under_way(now), width, style="cyan"), _bar(now, width), _best(now, width)]


def _under_way(now: Standing) -> EpochRecord:
    """The epoch so far; val is not judged before its end."""
    return EpochRecord(
        now.number,
        now.title,
        now.lr,
        now.loss.value,
        math.nan,
        math.nan,
        now.epoch_seconds,
        now.top1.value,
        now.pace.images_per_second,
    )


def _bar(now: Standing, width: int) -> RenderableType:
    line = Table.grid(padding=(0, 1), expand=True)
    line.add_column(no_wrap=True)
    line.add_column(ratio=1)
    line.add_column(no_wrap=True)
    steps, done = now.steps_of_epoch, now.done_of_epoch
    bar = ProgressBar(
        total=steps or None,
        completed=done,
        pulse=not steps,
        complete_style="cyan",
        finished_style="cyan",
        pulse_style="cyan",
    )
    counted = f"{done}/{steps}" if steps else ""
    line.add_row(Text(_what(now), "bold"), bar, Text("  ".join(filter(None, (counted, _left(now, width))))))
    return line


def _what(now: Standing) -> str:
    if not now.in_epochs or now.config is None:
        return now.title
    if now.is_over:
        return "measuring"
    if now.done_of_epoch == now.steps_of_epoch:
        return f"judging {now.number}/{now.config.epochs}"
    return f"epoch {now.number}/{now.config.epochs}"


def _left(now: Standing, width: int) -> str:
    """Such as ``0:09 left, at most 4:12 in all``."""
    epoch, training = clock_text(now.left_of_epoch), clock_text(now.left_of_training)
    if not epoch or now.is_over:
        return ""
    if not training:
        return f"{epoch} left"
    at_most = "at most " if now.patience_left is not None else ""
    return f"{epoch}, {at_most}{training}" if width < _NARROW else f"{epoch} left, {at_most}{training} in all"


def _best(now: Standing, width: int) -> RenderableType:
    if now.best is None:
        return Text("")
    best = Text(f"best: epoch {now.best.epoch}, val {now.best.val_top1:.1f} %", "green", no_wrap=True)
    if now.patience_left is None or width < _NARROW:
        return best
    ends = f"none of the next {now.patience_left} is" if now.patience_left > 1 else "the next is not"
    return best.append(f"; ends if {ends} better", "default")
