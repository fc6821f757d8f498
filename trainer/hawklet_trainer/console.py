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
from torch import nn

from hawklet_trainer.loop import EpochRecord, Progress
from hawklet_trainer.train import TrainResult


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

    def phase(self, title: str, steps: int) -> None:
        if self._task is not None:
            self._bars.reset(self._task, description=title, total=steps, visible=True, loss="")

    def step(self, loss: float) -> None:
        if self._task is not None:
            self._bars.update(self._task, advance=1, loss="" if math.isnan(loss) else f"loss {loss:.3f}")

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
    def stopping_at_sigint(self) -> Iterator[None]:
        """The first SIGINT asks the training to end and to keep what it has; a second one interrupts."""

        def ask(number: int, frame: FrameType | None) -> None:
            if self.stop:
                raise KeyboardInterrupt
            self.stop = True
            self.say("stopping after this step and keeping the best so far (press again to break off)")

        before = signal.signal(signal.SIGINT, ask)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def print_result(console: Console, result: TrainResult) -> None:
    """The closing table, where the report is, and what to type next."""
    table = Table("split", "pictures", "accuracy", "macro F1", box=None, header_style="bold")
    for split, metrics in (("val", result.val), ("test", result.test)):
        if metrics is not None:
            count = sum(entry.support for entry in metrics.per_class)
            table.add_row(split, str(count), f"{metrics.top1:.1f} %", f"{metrics.macro_f1:.1f} %")
    console.print(table)
    folder = result.run.folder
    for line in (
        f"trained in {result.seconds / 60:.1f} minutes",
        f"report: {folder / 'report.html'}",
        f"next:   hawklet convert {folder}",
    ):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
