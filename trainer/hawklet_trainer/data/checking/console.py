"""A check on a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from hawklet_trainer.data.checking.check import Checked
from hawklet_trainer.data.checking.finding import Finding, Severity
from hawklet_trainer.data.checking.watcher import Watcher
from hawklet_trainer.data.tally import counted
from hawklet_trainer.terminal_lines import print_line

_COLOURS = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}


class ConsoleWatcher(Watcher):
    """A bar on a terminal, and nothing elsewhere."""

    def __init__(self, console: Console) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )

    def __enter__(self) -> ConsoleWatcher:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bars.stop()

    def phase(self, title: str, total: int) -> Callable[[int], None]:
        """See :meth:`Watcher.phase`."""
        task = self._bars.add_task(title, total=total)
        return lambda count: self._bars.advance(task, count)


def print_check(console: Console, checked: Checked) -> None:
    """A line for each finding, what was not looked for, and the sum."""
    if checked.findings:
        console.print(_table(checked))
    for line in checked.not_looked_for():
        _say(console, line)
    _say(console, _sum(checked))


def _table(checked: Checked) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("", "found", "what"):
        table.add_column(name, justify="right" if name == "found" else "left", overflow="fold")
    for finding in checked.findings:
        severity = finding.rule.severity
        what = Text(finding.found.sentence)
        example = _example(checked, finding)
        if example:
            what.append(f"\n{example}", style="dim")
        table.add_row(Text(severity.value, style=_COLOURS[severity]), str(finding.count), what)
    return table


def _example(checked: Checked, finding: Finding) -> str:
    catalogue = checked.evidence.catalogue
    if finding.found.sets:
        return "such as " + " and ".join(catalogue.name(position) for position in finding.found.sets[0][:3])
    if not finding.found.pictures:
        return ""
    first = finding.found.pictures[0]
    detail = finding.found.details.get(first, "")
    return f"such as {catalogue.name(first)}" + (f" ({detail})" if detail else "")


def _sum(checked: Checked) -> str:
    catalogue = checked.evidence.catalogue
    totals = ((checked.count(severity), severity.value) for severity in Severity)
    counts = ", ".join(f"{count} {name}{'s' if count != 1 else ''}" for count, name in totals)
    return f"{counted(len(catalogue), len(catalogue.labels))}: {counts}"


def next_step(checked: Checked, page: Path | None) -> str:
    """What to type next."""
    source = shlex.quote(str(checked.source))
    if not checked.findings:
        return f"hawklet train {source}"
    if page is None:
        return f"hawklet data check {source} --html check.html, and look at it"
    return f"hawklet data check {source} --fix NEW, for an index without what was found"


def _say(console: Console, line: str) -> None:
    print_line(console, line)
