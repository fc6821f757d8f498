"""How a training looks on a terminal while it goes on, and what it came to."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from torch import nn

from hawklet_trainer.finish import TrainResult
from hawklet_trainer.models.own import is_own
from hawklet_trainer.signals import StopRequest
from hawklet_trainer.terminal_lines import print_line
from hawklet_trainer.time_text import duration
from hawklet_trainer.training.terms import EpochRecord, Progress, Step, TrainConfig
from hawklet_trainer.watching.epoch_table import epoch_line, epoch_row, titles
from hawklet_trainer.watching.live_view import LiveView
from hawklet_trainer.watching.standing import Standing

_ROWS_BELOW_TITLES = 20
"""Every so many rows the titles are printed again."""
_REDRAWN_PER_SECOND = 4


class ConsoleProgress(Progress):
    """Shows phases and epochs; stops the training cleanly at the first SIGINT.

    On a terminal finished epochs are the rows of a table, and the one that is under way its last row, drawn anew a few
    times a second above a bar. Elsewhere every epoch is a line that needs no titles. What is said goes above.

    Args:
        console: Where.
        clock: Seconds that only ever grow.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic):
        self.console = console
        self._stop = StopRequest(self._say_stopping, lambda: self._learned)
        self._learned = False
        """Whether there is anything to keep."""
        self._standing = Standing(clock)
        self._rows = 0
        self._view = LiveView(self._standing)
        self._live = _live(console, self._view) if console.is_interactive else None

    def __enter__(self) -> ConsoleProgress:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, line: str) -> None:
        """Print a line above what is drawn anew."""
        self._view.titled = True
        print_line(self.console, line)

    def begun(self, config: TrainConfig) -> None:
        self._learned = False
        self._standing.begun(config)

    def resumed(self, records: list[EpochRecord]) -> None:
        self._learned = True
        self._standing.resumed(records)
        self.say(f"epochs done before: {records[-1].epoch}")

    def phase(self, title: str, steps: int) -> None:
        self._standing.phase(title, steps)

    def step(self, step: Step) -> None:
        self._standing.step(step)

    def epoch(self, record: EpochRecord, net: nn.Module, kept: bool) -> None:
        self._learned = True
        self._standing.epoch(record)
        if record.epoch == 0:  # its accuracy is said, and it has hardly anything else
            return
        if self._live is None:
            print_line(self.console, epoch_line(record, kept))
        else:
            self._print_row(record, kept)

    def _print_row(self, record: EpochRecord, kept: bool) -> None:
        width = self.console.width
        lines = [epoch_row(record, width, kept)]
        if self._view.titled or self._rows % _ROWS_BELOW_TITLES == 0:
            lines.insert(0, titles(width))
        self._view.titled = False
        self._rows += 1
        self.console.print(*lines, sep="\n", highlight=False)

    def should_stop(self) -> bool:
        return self._stop.asked

    def heeding_signals(self) -> AbstractContextManager[None]:
        """The first SIGINT asks the training to end and to keep what it has, where it has anything; see
        :class:`StopRequest`.
        """
        return self._stop.heeding_signals()

    def _say_stopping(self) -> None:
        self.say("stopping after this step and keeping what is worth keeping so far (press again to break off)")


def _live(console: Console, view: LiveView) -> Live:
    return Live(view, console=console, refresh_per_second=_REDRAWN_PER_SECOND, transient=True)


def print_result(console: Console, result: TrainResult) -> None:
    """The closing table, where the report is, and what to type next."""
    table = Table("split", "pictures", "accuracy", "macro F1", box=None, header_style="bold")
    for split, metrics in (("val", result.val), ("test", result.test)):
        if metrics is not None:
            count = sum(entry.support for entry in metrics.per_class)
            table.add_row(split, str(count), f"{metrics.top1:.1f} %", f"{metrics.macro_f1:.1f} %")
    console.print(table)
    folder, model = result.run.folder, result.run.model
    for line in (
        f"trained in {duration(result.seconds)}",
        f"report: {folder / 'report.html'}",
        f"next:   hawklet convert {folder}{f' --model {model}' if is_own(model) else ''}",
    ):
        print_line(console, line)
