"""The HTML report of a comparison: one file that opens offline, in light and dark."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from hawklet import safefiles
from hawklet_benchmarks import plots
from hawklet_benchmarks.compare import Comparison, Named
from hawklet_benchmarks.conditions import steal_percent
from hawklet_benchmarks.result import Result
from hawklet_benchmarks.summary import STATISTICS, peak_rss_mb, percentiles, start_medians
from hawklet_benchmarks.worker import STAGES

_START_PARTS = ("interpreter", "imports", "load", "first inference")


@dataclass(frozen=True)
class _Row:
    """One condition, side by side."""

    name: str
    values: tuple[str, ...]
    differs: bool
    unfair: bool


def write_report(comparison: Comparison, path: str | os.PathLike[str]) -> None:
    """Write the report, whole or not at all."""
    safefiles.write_text(path, render(comparison))


def render(comparison: Comparison) -> str:
    """The report as one HTML document without references to anything outside it."""
    environment = Environment(
        loader=PackageLoader("hawklet_benchmarks"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("report.html.j2").render(_page(comparison))


def _page(comparison: Comparison) -> dict[str, Any]:
    named, metric, clock = comparison.results, comparison.metric, comparison.clock
    series = [plots.Series(one.name, one.result.samples(metric, clock)) for one in named]
    return {
        "comparison": comparison,
        "statistics": STATISTICS,
        "overview": [_overview(one, metric, clock) for one in named],
        "distribution": plots.distribution(series),
        "cumulative": plots.cumulative(series),
        "history": plots.history(series),
        "speedups": plots.whiskers(_speedups(comparison)),
        "stages": plots.stacked([(one.name, _stages(one.result, clock)) for one in named]),
        "stage_names": STAGES,
        "stage_rows": _stage_rows(comparison),
        "starts": plots.stacked([(one.name, _start(one.result)) for one in named]),
        "start_names": _START_PARTS,
        "tradeoff": _tradeoff(named, metric, clock),
        "conditions": _conditions(comparison),
        "series_colours": plots.SERIES_COLOURS,
    }


def _overview(one: Named, metric: str, clock: str) -> dict[str, Any]:
    result = one.result
    return {
        "name": one.name,
        "result": result,
        "times": percentiles(result, metric, clock),
        "start_ms": start_medians(result)["total"],
        "peak_mb": peak_rss_mb(result),
    }


def _speedups(comparison: Comparison) -> list[plots.Whisker]:
    several = len(comparison.results) > 2
    return [
        plots.Whisker(
            f"{verdict.metric} {verdict.other}" if several else verdict.metric,
            verdict.speedup.value,
            verdict.speedup.low,
            verdict.speedup.high,
            verdict.significant,
        )
        for verdict in comparison.stages
    ]


def _stages(result: Result, clock: str) -> dict[str, float]:
    return {stage: percentiles(result, stage, clock)["p50"] for stage in STAGES}


def _stage_rows(comparison: Comparison) -> list[dict[str, Any]]:
    metrics = dict.fromkeys(verdict.metric for verdict in comparison.stages)
    return [
        {
            "metric": metric,
            "times": [percentiles(one.result, metric, comparison.clock)["p50"] for one in comparison.results],
            "verdicts": [verdict for verdict in comparison.stages if verdict.metric == metric],
        }
        for metric in metrics
    ]


def _start(result: Result) -> dict[str, float]:
    medians = start_medians(result)
    return {part: medians[part] for part in _START_PARTS}


def _tradeoff(named: Sequence[Named], metric: str, clock: str) -> Any:
    points = [
        plots.Point(
            one.name,
            percentiles(one.result, metric, clock)["p50"],
            one.result.model.accuracy,
            one.result.model.bytes / 1e6,
        )
        for one in named
        if one.result.model.accuracy is not None
    ]
    return plots.tradeoff(points) if len(points) > 1 else None


_CONDITIONS: tuple[tuple[str, Callable[[Result], str]], ...] = (
    ("model", lambda r: r.model.name),
    ("model digest", lambda r: r.model.sha256[:12]),
    ("variant", lambda r: r.model.variant or "bare model"),
    ("precision", lambda r: r.model.precision or "not stated"),
    ("float operations", lambda r: ", ".join(r.model.float_ops) or "none stated"),
    ("input", lambda r: f"{'x'.join(str(n) for n in r.model.input_shape)} {r.model.input_dtype}"),
    ("resize", lambda r: f"{r.model.fit}, {r.model.interpolation}"),
    ("runtime", lambda r: r.engine.runtime),
    ("accelerator", lambda r: r.engine.accelerator),
    ("threads", lambda r: str(r.engine.threads)),
    ("picture", lambda r: f"{r.picture.source}, {r.picture.width}x{r.picture.height}, {r.picture.sha256[:8]}"),
    ("board", lambda r: r.machine.board_name),
    ("chip", lambda r: f"{r.machine.soc}, {r.machine.architecture}, {r.machine.cores} cores"),
    ("CPUs allowed", lambda r: ", ".join(str(cpu) for cpu in r.machine.affinity)),
    ("memory", lambda r: f"{r.machine.ram_mb} MiB"),
    ("virtual machine", lambda r: "yes" if r.machine.virtual else "no"),
    ("OS", lambda r: r.machine.os),
    ("kernel", lambda r: r.machine.kernel),
    ("Python", lambda r: r.machine.python),
    ("libraries", lambda r: ", ".join(f"{name} {version}" for name, version in r.machine.libraries.items())),
    ("hawklet", lambda r: r.hawklet_version),
    ("governor", lambda r: r.before.governor or "unknown"),
    ("clocks, MHz", lambda r: _before_after(_clocks(r.before.clocks_mhz), _clocks(r.after.clocks_mhz))),
    ("hottest zone, C", lambda r: _before_after(_hottest(r.before), _hottest(r.after))),
    ("throttled", lambda r: ", ".join(r.throttled) or ("no" if r.after.throttle else "unknown")),
    ("load, 1 min", lambda r: _before_after(f"{r.before.load_1min:.2f}", f"{r.after.load_1min:.2f}")),
    ("CPU pressure, %", lambda r: _before_after(_pressure(r.before), _pressure(r.after))),
    ("stolen by others, %", lambda r: f"{steal_percent(r.before, r.after):.1f}"),
    ("measured", lambda r: r.created),
    ("rounds", lambda r: f"{r.rounds} in {len(r.runs)} processes"),
)
# Read anew at every measurement, so of course they differ: not worth a mark.
_FLEETING = frozenset({"measured", "rounds", "load, 1 min", "CPU pressure, %", "stolen by others, %", "clocks, MHz"})


def _conditions(comparison: Comparison) -> list[_Row]:
    unfair = {difference.condition for difference in comparison.differences if difference.unfair}
    rows = []
    for name, read in _CONDITIONS:
        values = tuple(read(one.result) for one in comparison.results)
        differs = len(set(values)) > 1 and name not in _FLEETING
        rows.append(_Row(name, values, differs, name in unfair or (name == "picture" and "picture size" in unfair)))
    return rows


def _clocks(clocks: Any) -> str:
    values = [round(value) for value in clocks.values()]
    return "unknown" if not values else str(values[0]) if len(set(values)) == 1 else f"{min(values)}..{max(values)}"


def _hottest(moment: Any) -> str:
    return f"{max(moment.temperatures_c.values()):.0f}" if moment.temperatures_c else "unknown"


def _pressure(moment: Any) -> str:
    return "unknown" if moment.pressure_cpu_percent is None else f"{moment.pressure_cpu_percent:.1f}"


def _before_after(before: str, after: str) -> str:
    return before if before == after else f"{before} → {after}"
