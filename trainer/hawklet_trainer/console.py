"""How a training looks on a terminal: a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text
from torch import nn

from hawklet_trainer.evaluation.metrics import Metrics
from hawklet_trainer.finish import TrainResult
from hawklet_trainer.models.registry import is_own
from hawklet_trainer.training.terms import EpochRecord, Progress, Step


class ConsoleProgress(Progress):
    """Shows phases and epochs; stops the training cleanly at the first SIGINT."""

    def __init__(self, console: Console):
        self.console = console
        self.stop = False
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[loss]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = None if not console.is_terminal else self._bars.add_task("", visible=False, loss="")

    def __enter__(self) -> ConsoleProgress:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bars.stop()

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def resumed(self, records: list[EpochRecord]) -> None:
        self.say(f"epochs done before: {records[-1].epoch}")

    def phase(self, title: str, steps: int) -> None:
        if self._task is not None:
            self._bars.reset(self._task, description=title, total=steps, visible=True, loss="")

    def step(self, step: Step) -> None:
        if self._task is not None:
            self._bars.update(self._task, advance=1, loss="" if math.isnan(step.loss) else f"loss {step.loss:.3f}")

    def epoch(self, record: EpochRecord, net: nn.Module, best: bool) -> None:
        if record.epoch:
            mark = "  best" if best else ""
            self.say(
                f"epoch {record.epoch:3d}  loss {record.train_loss:.3f}  val loss {record.val_loss:.3f}  "
                f"val {record.val_top1:5.1f} %  {record.seconds:5.1f} s{mark}"
            )

    def should_stop(self) -> bool:
        return self.stop

    @contextmanager
    def heeding_signals(self) -> Iterator[None]:
        """The first SIGINT asks the training to end and to keep what it has; a second one breaks off, as SIGTERM does.

        Broken off is by an exception, KeyboardInterrupt or SystemExit, so that half-written files are cleared away.
        """

        def ask(number: int, frame: FrameType | None) -> None:
            if self.stop:
                raise KeyboardInterrupt
            self.stop = True
            self.say("stopping after this step and keeping the best so far (press again to break off)")

        def break_off(number: int, frame: FrameType | None) -> None:
            raise SystemExit(128 + number)

        handlers = {signal.SIGINT: ask, signal.SIGTERM: break_off}
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


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
        f"trained in {result.seconds / 60:.1f} minutes",
        f"report: {folder / 'report.html'}",
        f"next:   hawklet convert {folder}{f' --model {model}' if is_own(model) else ''}",
    ):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def print_metrics(console: Console, metrics: Metrics) -> None:
    """A line for each class and the figures over all."""
    table = Table("class", "precision", "recall", "F1", "pictures", box=None, header_style="bold")
    for entry in metrics.per_class:
        values = (entry.precision, entry.recall, entry.f1)
        figures = (f"{value:.1f} %" if entry.support else "-" for value in values)
        table.add_row(Text(entry.label), *figures, str(entry.support))
    console.print(table)
    count = sum(entry.support for entry in metrics.per_class)
    line = f"top-1 {metrics.top1:.1f} %, macro F1 {metrics.macro_f1:.1f} %, {count} pictures"
    console.print(line, markup=False, highlight=False, soft_wrap=True)
