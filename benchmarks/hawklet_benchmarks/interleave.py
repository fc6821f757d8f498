"""Ratios of CPU times that hold on a noisy machine: contestants take turns, and only the ratio is quoted.

Wall time on a shared machine varies by a factor of two; CPU time of contestants that run one after the other, round
by round, varies by a few percent, because whatever slows the machine slows all of them alike.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from hawklet import __version__, safefiles
from hawklet_benchmarks.conditions import read_machine, read_moment
from hawklet_benchmarks.intervals import Interval, pooled, ratio_interval

SCHEMA = "hawklet-suite/1"


@dataclass(frozen=True)
class Claim:
    """A ratio that was measured, and the limit that this project sets itself."""

    name: str
    ratio: Interval
    limit: float | None
    """None: measured for information."""

    @property
    def holds(self) -> bool:
        """Whether the measured ratio is within the limit."""
        return self.limit is None or self.ratio.value <= self.limit

    @property
    def sentence(self) -> str:
        """The outcome in words."""
        measured = f"{self.name}: {self.ratio.value:.3f} (95 % interval {self.ratio.low:.3f}..{self.ratio.high:.3f})"
        if self.limit is None:
            return f"{measured}, for information"
        return f"{measured}, at most {self.limit:g}: {'holds' if self.holds else 'MISSED'}"


@dataclass(frozen=True)
class SuiteResult:
    """What one suite measured of this project."""

    suite: str
    subject: str
    """What was measured, in words."""
    cpu_ms: Mapping[str, tuple[float, ...]]
    """Contestant -> CPU milliseconds, one entry a round; the contestants of a round ran one after the other."""
    claims: tuple[Claim, ...]

    def medians(self) -> dict[str, float]:
        """Contestant -> median CPU milliseconds."""
        return {name: median(times) for name, times in self.cpu_ms.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, with the conditions of this moment; no host name and no path."""
        machine, moment = asdict(read_machine()), asdict(read_moment())
        machine["kernel"] = ".".join(re.findall(r"\d+", machine["kernel"])[:2])  # a builder's suffix can name a host
        return {
            "schema": SCHEMA,
            "suite": self.suite,
            "subject": self.subject,
            "hawklet_version": __version__,
            "machine": machine,
            "after": moment,
            "medians_cpu_ms": {name: round(value, 4) for name, value in self.medians().items()},
            "claims": [asdict(claim) | {"holds": claim.holds} for claim in self.claims],
            "cpu_ms": {name: [round(value, 4) for value in times] for name, times in self.cpu_ms.items()},
        }


def take_turns(contestants: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, tuple[float, ...]]:
    """Let every contestant run once a round, in an order that alternates; each returns its own CPU milliseconds."""
    names = list(contestants)
    times: dict[str, list[float]] = {name: [] for name in names}
    for index in range(rounds):
        for name in names if index % 2 == 0 else reversed(names):
            times[name].append(contestants[name]())
    return {name: tuple(values) for name, values in times.items()}


def cpu_ratio(cpu_ms: Mapping[str, Sequence[float]], above: str, below: str) -> Interval:
    """The ratio of two contestants' median CPU times, with its 95 % interval."""
    return ratio_interval([cpu_ms[above]], [cpu_ms[below]])


def cpu_of_call(function: Callable[[], object], calls: int) -> Callable[[], float]:
    """A contestant: CPU milliseconds of one call, as the mean of ``calls`` calls."""

    def measured() -> float:
        begin = time.process_time_ns()
        for _ in range(calls):
            function()
        return (time.process_time_ns() - begin) / 1e6 / calls

    return measured


def cpu_of_command(command: Sequence[str]) -> Callable[[], float]:
    """A contestant: CPU milliseconds (user and system) of a whole process."""

    def measured() -> float:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with exit code {process.returncode}")
        return 1000 * (usage.ru_utime + usage.ru_stime)

    return measured


def finish(result: SuiteResult, *, as_json: bool, output: Path | None) -> int:
    """Print a suite's outcome, write it if asked; exit code 1 when a claim is missed."""
    data = result.to_dict()
    if output:
        safefiles.write_json(output, data)
    if as_json:
        import json

        print(json.dumps(data))
    else:
        machine = data["machine"]
        print(f"{result.suite}: {result.subject}")
        print(f"{machine['board_name']}, {machine['cores']} cores, {machine['os']}, {machine['python']}")
        for name, value in result.medians().items():
            print(f"  {name:34} {value:9.3f} ms CPU (median of {len(pooled([result.cpu_ms[name]]))})")
        for claim in result.claims:
            print(claim.sentence)
    return 0 if all(claim.holds for claim in result.claims) else 1


def warm(contestants: Mapping[str, Callable[[], float]], rounds: int) -> None:
    """Run the contestants without keeping the times."""
    for _ in range(rounds):
        for contestant in contestants.values():
            contestant()
