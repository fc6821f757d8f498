"""Set results side by side: which is faster, how surely, and under which differing conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hawklet.errors import ResultError, UsageError
from hawklet_benchmarks.intervals import Interval, ratio_interval
from hawklet_benchmarks.result import CLOCKS, FRAME, METRICS, Result

_QUANTILES = (("p50", 0.5), ("p90", 0.9))


@dataclass(frozen=True)
class Named:
    """A result and what to call it."""

    name: str
    """The file's name without ``.json``, or as much of its path as tells it from the others."""
    result: Result


@dataclass(frozen=True)
class Difference:
    """A condition in which results differ."""

    condition: str
    values: tuple[str, ...]
    """One per result, in order."""
    unfair: bool
    """It makes the comparison unfair, so that it must be asked for with ``--anyway``."""
    why: str
    """Why it is unfair and what to do; empty when it is not."""


@dataclass(frozen=True)
class Verdict:
    """How one result compares with the baseline, for one metric and quantile."""

    baseline: str
    other: str
    metric: str
    quantile: str
    """``p50`` or ``p90``."""
    speedup: Interval
    """The baseline's time over the other's: above 1, the other is faster."""
    processes: int
    """Of the side that had fewer. One says nothing of how processes differ, so it bears no verdict."""

    @property
    def significant(self) -> bool:
        """Whether the 95 % interval excludes "no difference"."""
        return self.processes > 1 and not self.speedup.low <= 1.0 <= self.speedup.high

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        low, high = self.speedup.low, self.speedup.high
        if self.processes < 2:
            return (
                f"whether {self.other} is faster than {self.baseline} cannot be told from a single process "
                f"({self.speedup.value:.2f}x at {self.quantile}); measure with --processes 5"
            )
        if not self.significant:
            return (
                f"no difference between {self.other} and {self.baseline} can be shown at {self.quantile} "
                f"({self.speedup.value:.2f}x, 95 % interval {low:.2f}..{high:.2f})"
            )
        if self.speedup.value >= 1:
            word, factor, low, high = "faster", self.speedup.value, low, high
        else:
            word, factor, low, high = "slower", 1 / self.speedup.value, 1 / high, 1 / low
        digits = 2 if factor >= 1.1 else 3  # 1.00x faster (1.00..1.01) would say nothing
        return (
            f"{self.other} is {factor:.{digits}f}x {word} than {self.baseline} at {self.quantile} "
            f"(95 % interval {low:.{digits}f}..{high:.{digits}f})"
        )


@dataclass(frozen=True)
class Comparison:
    """Several results, the first of which is the baseline."""

    results: tuple[Named, ...]
    metric: str
    clock: str
    verdicts: tuple[Verdict, ...]
    """Of ``metric``: each other result at p50, then at p90."""
    stages: tuple[Verdict, ...]
    """Of every metric that all results share: each other result at p50."""
    differences: tuple[Difference, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; the results themselves stay in their files."""
        return {
            "schema": "hawklet-comparison/1",
            "metric": self.metric,
            "clock": self.clock,
            "baseline": self.results[0].name,
            "results": [named.name for named in self.results],
            "verdicts": [_verdict_to_dict(verdict) for verdict in self.verdicts],
            "stages": [_verdict_to_dict(verdict) for verdict in self.stages],
            "differences": [asdict(difference) for difference in self.differences],
        }


def load_named(paths: Sequence[Path]) -> list[Named]:
    """Read results and name each by as little of its path as tells it from the others.

    Raises:
        ResultError: a file is missing, damaged, or no result of this schema.
        UsageError: a file is given twice.
    """
    if len({path.resolve() for path in paths}) != len(paths):
        raise UsageError("compare takes different files, got one of them twice")
    stems = [path.name.removesuffix(".json") for path in paths]
    names = [stem if stems.count(stem) == 1 else str(path) for stem, path in zip(stems, paths, strict=True)]
    return [Named(name, Result.load(path)) for name, path in zip(names, paths, strict=True)]


def compare(results: Sequence[Named], *, metric: str = FRAME, clock: str = "wall", anyway: bool = False) -> Comparison:
    """Compare results with the first of them.

    Args:
        results: At least two.
        metric: One of :data:`hawklet_benchmarks.result.METRICS`.
        clock: ``wall`` or ``cpu``.
        anyway: Compare although conditions make it unfair.

    Raises:
        ResultError: a result lacks the metric, or the comparison would be unfair.
        UsageError: fewer than two results, or an unknown metric or clock.
    """
    if len(results) < 2:
        raise UsageError(f"compare takes at least two results, got {len(results)}")
    if metric not in METRICS:
        raise UsageError(f"--metric must be one of {', '.join(METRICS)}, got {metric}")
    if clock not in CLOCKS:
        raise UsageError(f"--clock must be one of {', '.join(CLOCKS)}, got {clock}")
    for named in results:
        if metric not in named.result.metrics:
            raise ResultError(
                f"results of different metrics cannot be compared: {named.name} has no {metric}, "
                f"only {', '.join(named.result.metrics)}; choose another --metric"
            )
    differences = find_differences(results)
    unfair = [difference for difference in differences if difference.unfair]
    if unfair and not anyway:
        reasons = "; ".join(f"{d.condition}: {' / '.join(d.values)} ({d.why})" for d in unfair)
        raise ResultError(f"this comparison would be unfair: {reasons}; to see it nevertheless, add --anyway")
    baseline, others = results[0], results[1:]
    shared = [m for m in METRICS if all(m in named.result.metrics for named in results)]
    return Comparison(
        results=tuple(results),
        metric=metric,
        clock=clock,
        verdicts=tuple(
            _judge(baseline, other, metric, clock, *quantile) for other in others for quantile in _QUANTILES
        ),
        stages=tuple(_judge(baseline, other, m, clock, *_QUANTILES[0]) for m in shared for other in others),
        differences=tuple(differences),
    )


def _judge(baseline: Named, other: Named, metric: str, clock: str, label: str, q: float) -> Verdict:
    speedup = ratio_interval(baseline.result.samples(metric, clock), other.result.samples(metric, clock), q)
    return Verdict(
        baseline.name, other.name, metric, label, speedup, min(len(baseline.result.runs), len(other.result.runs))
    )


def find_differences(results: Sequence[Named]) -> list[Difference]:
    """Conditions in which results differ, and those that are unfair although they are the same (throttling).

    A different model, variant or board is what one compares, so it is listed and never unfair.
    """
    plain = [named.result for named in results]
    found = [
        _difference("threads", [str(r.engine.threads) for r in plain], "measure both with the same --threads"),
        _difference(
            "picture size",
            [f"{r.picture.width}x{r.picture.height}" for r in plain],
            "measure both with the same --image",
        ),
        _difference("governor", [r.before.governor for r in plain], _governor_way_out(plain)),
        _throttling(plain),
    ]
    found += [
        _difference("picture", [f"{r.picture.source} {r.picture.sha256[:8]}" for r in plain]),
        _difference("model", [f"{r.model.name} {r.model.sha256[:8]}" for r in plain]),
        _difference("variant", [r.model.variant or "bare" for r in plain]),
        _difference("board", [r.machine.board_name for r in plain]),
        _difference("memory", [f"{r.machine.ram_mb} MiB" for r in plain]),
        _difference("CPUs allowed", [str(len(r.machine.affinity)) for r in plain]),
        _difference("OS", [r.machine.os for r in plain]),
        _difference("kernel", [r.machine.kernel for r in plain]),
        _difference("Python", [r.machine.python for r in plain]),
        _difference("runtime", [r.engine.runtime for r in plain]),
        _difference("accelerator", [r.engine.accelerator for r in plain]),
        _difference("hawklet", [r.hawklet_version for r in plain]),
    ]
    libraries = sorted({name for r in plain for name in r.machine.libraries})
    found += [_difference(name, [r.machine.libraries.get(name, "not there") for r in plain]) for name in libraries]
    return [difference for difference in found if difference is not None]


def _difference(condition: str, values: list[str], why: str = "") -> Difference | None:
    if len(set(values)) == 1:
        return None
    return Difference(condition, tuple(value or "unknown" for value in values), bool(why), why)


def _governor_way_out(results: list[Result]) -> str:
    """Between boards the governor is part of what is compared; on one board it is a disturbance."""
    same_board = len({(r.machine.board, r.machine.soc) for r in results}) == 1
    return "on one board, measure both under the same governor" if same_board else ""


def _throttling(results: list[Result]) -> Difference | None:
    if not any(r.throttled for r in results):
        return None
    values = tuple(", ".join(r.throttled) or "no" for r in results)
    return Difference("throttled", values, True, "cool the board, check its power supply, measure anew")


def _verdict_to_dict(verdict: Verdict) -> dict[str, Any]:
    return asdict(verdict) | {"significant": verdict.significant, "sentence": verdict.sentence}
