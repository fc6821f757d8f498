"""What ``bench`` and ``compare`` print."""

from __future__ import annotations

from collections.abc import Callable

import click
import numpy as np

from hawklet_benchmarks.compare import Comparison
from hawklet_benchmarks.intervals import pooled
from hawklet_benchmarks.result import FRAME, Result, Start
from hawklet_benchmarks.table import Table, show
from hawklet_benchmarks.worker import INVOKE

_COLUMNS: tuple[tuple[str, Callable[[np.ndarray[tuple[int, ...], np.dtype[np.float64]]], float]], ...] = (
    ("p50", lambda times: float(np.quantile(times, 0.5))),
    ("p90", lambda times: float(np.quantile(times, 0.9))),
    ("p99", lambda times: float(np.quantile(times, 0.99))),
    ("min", lambda times: float(times.min())),
    ("mean", lambda times: float(times.mean())),
)
STATISTICS = tuple(name for name, _ in _COLUMNS)


def percentiles(result: Result, metric: str, clock: str = "wall") -> dict[str, float]:
    """``p50``, ``p90``, ``p99``, ``min`` and ``mean`` of a metric, milliseconds."""
    times = pooled(result.samples(metric, clock))
    return {name: statistic(times) for name, statistic in _COLUMNS}


def start_medians(result: Result) -> dict[str, float]:
    """Median over the processes of each part of a cold start, milliseconds."""
    parts: dict[str, Callable[[Start], float]] = {
        "interpreter": lambda start: start.interpreter_ms,
        "imports": lambda start: start.import_ms,
        "load": lambda start: start.load_ms,
        "first inference": lambda start: start.first_ms,
        "total": lambda start: start.total_ms,
    }
    return {name: float(np.median([part(run.start) for run in result.runs])) for name, part in parts.items()}


def peak_rss_mb(result: Result) -> float:
    """Largest of the processes, MiB."""
    return max(run.peak_rss_mb for run in result.runs)


def show_result(result: Result) -> None:
    """Print a measurement for a reader."""
    for line in _heading(result):
        click.echo(line)
    click.echo()
    rows = [
        (_METRIC_NAMES.get(metric, metric), *_cells(percentiles(result, metric)), f"{_cpu_p50(result, metric):.3f}")
        for metric in result.metrics
    ]
    show(Table(("ms", *STATISTICS, "CPU p50"), rows))
    click.echo()
    for line in _closing(result):
        click.echo(line)


_METRIC_NAMES = {FRAME: "frame (in memory -> answer)", INVOKE: "bare invoke"}


def _heading(result: Result) -> list[str]:
    model, engine, machine = result.model, result.engine, result.machine
    precision = f", {model.precision}" if model.precision else ""
    accuracy = f", top-1 {model.accuracy:.2f} %" if model.accuracy is not None else ""
    plural = "" if engine.threads == 1 else "s"
    return [
        f"{model.name} ({model.variant or model.format}{precision}, {model.bytes / 1e6:.2f} MB{accuracy})",
        f"{engine.runtime}, {engine.accelerator}, {engine.threads} thread{plural}",
        f"{machine.board_name}, {machine.cores} cores, {machine.os}; {_moment_line(result)}",
        f"picture {result.picture.width}x{result.picture.height} ({result.picture.source}), "
        f"{result.rounds} rounds in {len(result.runs)} processes, {_warmup_line(result)}",
    ]


def _moment_line(result: Result) -> str:
    before, after = result.before, result.after
    hot = [max(moment.temperatures_c.values()) for moment in (before, after) if moment.temperatures_c]
    parts = [f"governor {before.governor or 'unknown'}"]
    parts.append(f"{hot[0]:.0f} -> {hot[-1]:.0f} C" if hot else "temperature unknown")
    throttle = ", ".join(result.throttled) or ("no" if after.throttle else "unknown")
    return ", ".join([*parts, f"throttled: {throttle}"])


def _warmup_line(result: Result) -> str:
    rounds = [run.warmup.rounds for run in result.runs]
    steady = sum(run.warmup.steady for run in result.runs)
    span = f"{min(rounds)}..{max(rounds)}" if min(rounds) != max(rounds) else f"{rounds[0]}"
    return f"each after {span} rounds of warm-up (steady in {steady} of {len(rounds)})"


def _closing(result: Result) -> list[str]:
    start = start_medians(result)
    parts = ", ".join(f"{name} {value:.0f}" for name, value in start.items() if name != "total")
    lines = [
        f"frames/s     {result.frames_per_second:.1f}",
        f"cold start   {start['total']:.0f} ms ({parts}); files in the page cache",
        f"peak memory  {peak_rss_mb(result):.0f} MiB",
    ]
    return lines + [f"warning: {warning}" for warning in result.warnings]


def _cells(statistics: dict[str, float]) -> tuple[str, ...]:
    return tuple(f"{value:.3f}" for value in statistics.values())


def _cpu_p50(result: Result, metric: str) -> float:
    return percentiles(result, metric, "cpu")["p50"]


def show_comparison(comparison: Comparison) -> None:
    """Print a comparison for a reader."""
    for verdict in comparison.verdicts:
        click.echo(verdict.sentence)
    click.echo()
    show(_overview(comparison))
    click.echo()
    show(_stage_table(comparison))
    if comparison.differences:
        click.echo()
        rows = [(_marked(d.condition, d.unfair), *d.values) for d in comparison.differences]
        show(Table(("conditions that differ", *(named.name for named in comparison.results)), rows))
    for named in comparison.results:
        for warning in named.result.warnings:
            click.echo(f"warning: {named.name}: {warning}")


def _marked(condition: str, unfair: bool) -> str:
    return f"{condition} (unfair)" if unfair else condition


def _overview(comparison: Comparison) -> Table:
    rows = []
    for named in comparison.results:
        result = named.result
        times = percentiles(result, comparison.metric, comparison.clock)
        accuracy = "-" if result.model.accuracy is None else f"{result.model.accuracy:.2f}"
        cells = [f"{times[name]:.3f}" for name in ("p50", "p90", "p99")]
        cells += [f"{result.frames_per_second:.1f}", f"{start_medians(result)['total']:.0f}"]
        cells += [f"{peak_rss_mb(result):.0f}", f"{result.model.bytes / 1e6:.2f}", accuracy]
        rows.append((named.name, *cells))
    title = f"{comparison.metric}, {comparison.clock} ms"
    return Table((title, "p50", "p90", "p99", "frames/s", "cold start ms", "peak MiB", "MB", "top-1 %"), rows)


def _stage_table(comparison: Comparison) -> Table:
    names = [named.name for named in comparison.results]
    metrics = list(dict.fromkeys(verdict.metric for verdict in comparison.stages))
    rows = []
    for metric in metrics:
        cells = [f"{percentiles(named.result, metric, comparison.clock)['p50']:.3f}" for named in comparison.results]
        for verdict in comparison.stages:
            if verdict.metric == metric:
                speedup = verdict.speedup
                cells.append(
                    f"{speedup.value:.2f}x {speedup.low:.2f}..{speedup.high:.2f}" if verdict.significant else "~"
                )
        rows.append((metric, *cells))
    headers = (f"p50, {comparison.clock} ms", *names, *(f"{name} is faster by" for name in names[1:]))
    return Table(headers, rows)
