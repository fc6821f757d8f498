"""What a terminal shows of a search: a line for each trial, and a bar for the one that trains."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from hawklet_trainer.run import convert_command
from hawklet_trainer.signals import StopRequest
from hawklet_trainer.terminal_lines import print_line
from hawklet_trainer.training.terms import Progress, Step
from hawklet_trainer.tuning.outcome import Outcome
from hawklet_trainer.tuning.trial_runs import run_of


class SearchConsole(Progress):
    """Shows trials; ends the search after the current one at the first SIGINT."""

    def __init__(self, console: Console):
        self.console = console
        self._stop = StopRequest(self._say_ending)
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[loss]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._bars.add_task("", visible=False, loss="") if console.is_terminal else None

    def __enter__(self) -> SearchConsole:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bars.stop()

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        print_line(self.console, line)

    def phase(self, title: str, steps: int) -> None:
        if self._task is not None:
            self._bars.reset(self._task, description=title, total=steps, visible=True, loss="")

    def step(self, step: Step) -> None:
        if self._task is not None:
            self._bars.update(self._task, advance=1, loss="" if math.isnan(step.loss) else f"loss {step.loss:.3f}")

    def should_stop(self) -> bool:
        return self._stop.asked

    @contextmanager
    def heeding_signals(self) -> Iterator[None]:
        """The first SIGINT ends the search after the current trial; a second one breaks off, as SIGTERM does.

        Broken off is by an exception, so that the trial is put back to be tried again.
        """
        try:
            with self._stop.heeding_signals():
                yield
        except (KeyboardInterrupt, SystemExit):
            self.say("broken off; the search goes on with the same command, and this trial is tried again")
            raise

    def _say_ending(self) -> None:
        self.say("ending the search after this trial (press again to break off)")


def print_outcome(console: Console, outcome: Outcome) -> None:
    """The best trials, where the report is, and what to type next."""
    if outcome.best:
        console.print(_table(outcome))
    for line in _lines(outcome):
        print_line(console, line)


def _table(outcome: Outcome) -> Table:
    latency = any(record.latency_ms is not None for record in outcome.best)
    columns = ["trial", "val", "test", *(["ms"] if latency else []), "run"]
    table = Table(*columns, box=None, header_style="bold")
    for record in outcome.best:
        tested = outcome.tests.get(record.number)
        cells = [str(record.number), f"{record.top1:.1f} %", f"{tested['top1']:.1f} %" if tested else "-"]
        cells += [f"{record.latency_ms:.3g}"] if record.latency_ms is not None else []
        here = record.number in outcome.here
        table.add_row(*cells, str(outcome.folder / run_of(record.number)) if here else f"on {record.host}")
    return table


_ENDED = {"trials": "all trials are done", "time": "the time is over", "request": "ended as asked"}


def _lines(outcome: Outcome) -> list[str]:
    counts = ", ".join(f"{count} {state}" for state, count in outcome.counts().items())
    lines = [f"{_ENDED[outcome.ended]}: {counts}"]
    if outcome.best and (usual := outcome.usual) is not None:
        gain = (outcome.best[0].top1 or 0.0) - (usual.top1 or 0.0)
        lines.append(f"on val {gain:+.1f} points against what hawklet train does by itself (trial {usual.number})")
    lines.append(f"report: {outcome.folder / 'report.html'}")
    lines += [f"next:   {command}" for command in _next(outcome)]
    return lines


def _next(outcome: Outcome) -> list[str]:
    here = [record.number for record in outcome.best if record.number in outcome.here]
    return [convert_command(outcome.folder / run_of(number), outcome.model_of(number)) for number in here[:1]]
