"""Figures with what they must be and what is aimed at, and where they are kept: a JSON file, and a page made of it."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hawklet import __version__, safefiles
from hawklet_benchmarks.conditions import Moment, read_machine, read_moment, steal_percent
from hawklet_benchmarks.intervals import Interval

_LIBRARIES = (
    "torch",
    "torchvision",
    "lightning-fabric",
    "torchao",
    "litert-torch",
    "ai-edge-quantizer",
    "ai-edge-litert",
    "onnx",
    "onnxruntime",
    "torch-pruning",
    "numpy",
    "pillow",
    "scikit-learn",
    "cleanlab",
)
_HEADER = ("what", "must", "aim", "measured", "")


@dataclass(frozen=True)
class Goal:
    """What a figure must be and what is aimed at."""

    must: float
    aim: float
    more: bool
    """More is better."""
    unit: str = ""

    def words(self, bound: float) -> str:
        """A bound with its direction."""
        return f"{'>=' if self.more else '<='} {bound:g}{self.unit}"

    def reached(self, measured: float, bound: float) -> bool:
        """Whether a measured value is on the right side of a bound."""
        return measured >= bound - 1e-9 if self.more else measured <= bound + 1e-9


@dataclass(frozen=True)
class Figure:
    """One measured value."""

    what: str
    measured: float
    goal: Goal | None = None
    """None: for information."""
    unit: str = ""
    note: str = ""

    @property
    def verdict(self) -> str:
        """``aim``, ``must`` or ``MISSED``; empty where there is no goal."""
        if self.goal is None:
            return ""
        if not self.goal.reached(self.measured, self.goal.must):
            return "MISSED"
        return "aim" if self.goal.reached(self.measured, self.goal.aim) else "must"

    def to_row(self) -> dict[str, Any]:
        """Plain JSON types."""
        goal = asdict(self.goal) if self.goal else None
        return {**asdict(self), "measured": round(self.measured, 4), "goal": goal, "verdict": self.verdict}


def cells_of(figure: Figure) -> tuple[str, str, str, str, str]:
    """What, must, aim, measured with its note, verdict."""
    goal, unit = figure.goal, figure.goal.unit if figure.goal else figure.unit
    must, aim = (goal.words(goal.must), goal.words(goal.aim)) if goal else ("", "")
    measured = f"{figure.measured:.4g}{unit}"
    return figure.what, must, aim, f"{measured} ({figure.note})" if figure.note else measured, figure.verdict


def ratio_figure(what: str, ratio: Interval, goal: Goal, note: str) -> Figure:
    """A ratio with its 95 % interval in the note."""
    return Figure(what, ratio.value, goal, note=f"{ratio.low:.3f}..{ratio.high:.3f}; {note}")


def record_row(title: str, figures: Sequence[Figure], before: Moment, seconds: float) -> dict[str, Any]:
    """One row's figures with the conditions that they were measured under."""
    after = read_moment()
    return {
        "title": title,
        "measured_at": before.time,
        "seconds": round(seconds),
        "load_1min": [before.load_1min, after.load_1min],
        "steal_percent": round(steal_percent(before, after), 2),
        "figures": [figure.to_row() for figure in figures],
    }


def conditions() -> dict[str, Any]:
    """What does not change between rows; no host name and no path."""
    machine = read_machine()
    return {
        "cpu": machine.board_name,
        "cores": machine.cores,
        "cpu_flags": sorted(_flags() & {"avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"}),
        "ram_mb": machine.ram_mb,
        "virtual": machine.virtual,
        "os": machine.os,
        "python": platform.python_version(),
        "hawklet": __version__,
        "libraries": {name: version(name) for name in _LIBRARIES},
    }


def _flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    return {flag for line in lines if line.startswith(("flags", "Features")) for flag in line.split()}


@dataclass(frozen=True)
class Page:
    """What a suite's figures are called, and what its page says above them."""

    schema: str
    """Of the JSON file."""
    head: tuple[str, ...]
    """Lines of Markdown."""


class Results:
    """Everything measured so far; a row that is measured again replaces its former figures alone.

    Args:
        suite: Whose figures they are.
        json_file: Where they are kept; None: nowhere.
        page: The Markdown page that is made of them; None: none.
    """

    def __init__(self, suite: Page, json_file: Path | None, page: Path | None) -> None:
        self._suite, self._json, self._page = suite, json_file, page
        self._rows: dict[str, Any] = {}
        if json_file and json_file.is_file():
            self._rows = json.loads(json_file.read_text(encoding="utf-8"))["rows"]

    def put(self, number: int, row: dict[str, Any]) -> None:
        """Keep a row, and write everything anew."""
        self._rows[str(number)] = {**row, "conditions": conditions()}
        self._rows = dict(sorted(self._rows.items(), key=lambda item: int(item[0])))
        if self._json:
            safefiles.write_json(self._json, {"schema": self._suite.schema, "rows": self._rows})
        if self._page:
            safefiles.write_text(self._page, page_of(self._suite, self._rows))


def table_of(figures: Sequence[Figure]) -> str:
    """The table that is printed."""
    rows = [_HEADER, *(cells_of(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    padded = ((cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join("  ".join(row).rstrip() for row in padded)


def page_of(suite: Page, rows: dict[str, Any]) -> str:
    """The Markdown page of a suite."""
    return "\n".join(_page_lines(suite, rows)) + "\n"


def _page_lines(suite: Page, rows: dict[str, Any]) -> Iterator[str]:
    yield from (*suite.head, "")
    for number, row in rows.items():
        yield from _row_lines(number, row)
    yield from _condition_lines(rows)


def _row_lines(number: str, row: dict[str, Any]) -> Iterator[str]:
    yield f"## {number}. {row['title']}"
    yield ""
    yield "| what | must | aim | measured | |"
    yield "|---|---|---|---|---|"
    for figure in row["figures"]:
        yield "| " + " | ".join(cells_of(_figure_from(figure))) + " |"
    before, after = row["load_1min"]
    yield ""
    yield (
        f"{row['measured_at']}, {row['seconds']} s; load of the machine {before:.1f} before and {after:.1f} after, "
        f"{row['steal_percent']:.1f} % of its time stolen by the hypervisor."
    )
    yield ""


def _figure_from(row: dict[str, Any]) -> Figure:
    goal = Goal(**row["goal"]) if row["goal"] else None
    return Figure(row["what"], row["measured"], goal, row["unit"], row["note"])


def _condition_lines(rows: dict[str, Any]) -> Iterator[str]:
    yield "## Conditions"
    yield ""
    by_text: dict[str, list[str]] = {}
    for number, row in rows.items():
        by_text.setdefault(_in_words(row["conditions"]), []).append(number)
    for text, numbers in by_text.items():
        yield f"- Rows {', '.join(numbers)}: {text}"


def _in_words(known: dict[str, Any]) -> str:
    libraries = ", ".join(f"{name} {number}" for name, number in known["libraries"].items())
    return (
        f"{known['cpu']}, {known['cores']} cores{' (virtual)' if known['virtual'] else ''}, "
        f"{', '.join(known['cpu_flags'])}; {known['ram_mb'] / 1024:.0f} GiB; {known['os']}; Python {known['python']}; "
        f"hawklet {known['hawklet']}; {libraries}."
    )
