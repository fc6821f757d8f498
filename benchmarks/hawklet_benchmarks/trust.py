"""Why a result may not be trusted, in words, each with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hawklet_benchmarks.conditions import Moment, steal_percent
from hawklet_benchmarks.intervals import quantile, quantile_interval

if TYPE_CHECKING:
    from hawklet_benchmarks.result import Result

UNSTABLE = 0.05
"""Half the 95 % interval of the median over the median, from which on a number is called unstable."""

_STEAL_PERCENT = 2.0
_PRESSURE_PERCENT = 10.0
_LOAD_PER_CORE = 0.5


def doubts(result: Result) -> tuple[str, ...]:
    """What makes the numbers of ``result`` less trustworthy; empty when nothing does."""
    return tuple([*_instability(result), *_disturbances(result)])


def is_unstable(result: Result) -> bool:
    """Whether the median frame time is known too loosely to be quoted."""
    return quantile_interval(result.samples()).relative_width > UNSTABLE


def _instability(result: Result) -> Iterator[str]:
    interval = quantile_interval(result.samples())
    if interval.relative_width > UNSTABLE:
        yield (
            f"unstable: the median frame time is known to +-{100 * interval.relative_width:.0f} % only "
            f"({interval.low:.2f}..{interval.high:.2f} ms); {_way_out(result)}"
        )
    restless = sum(not run.warmup.steady for run in result.runs)
    if restless:
        yield (
            f"{restless} of {len(result.runs)} processes had not come to rest when the warm-up ended; "
            "measure longer: add --seconds 60"
        )


def _way_out(result: Result) -> str:
    medians = [quantile([run], 0.5) for run in result.samples()]
    hint = ""
    if result.before.governor and result.before.governor != "performance":
        hint = (
            f", or fix the clock (the governor is {result.before.governor}): "
            "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
        )
    if len(medians) > 1 and max(medians) > 1.1 * min(medians):
        return f"processes differ from each other, so measure more of them: add --processes 15 --seconds 30{hint}"
    return f"stop other programs and measure longer: add --seconds 60{hint}"


def _disturbances(result: Result) -> Iterator[str]:
    machine, before = result.machine, result.before
    if result.throttled:
        yield f"the board was held back ({', '.join(result.throttled)}); cool it, check its power supply, measure anew"
    if (steal := steal_percent(before, result.after)) > _STEAL_PERCENT:
        yield f"the hypervisor gave {steal:.0f} % of CPU time to others; compare CPU times: hawklet compare --clock cpu"
    if busy := _busy(before, machine.cores):
        yield (
            f"the machine was busy before the measurement ({busy}); "
            "stop other programs, or compare CPU times: hawklet compare --clock cpu"
        )
    if len(machine.affinity) < result.engine.threads:
        yield (
            f"{result.engine.threads} threads shared {len(machine.affinity)} CPUs; "
            f"set --threads {len(machine.affinity)} or less"
        )


def _busy(before: Moment, cores: int) -> str:
    """What shows that others used the CPUs; the load is a minute old, so it is asked only where there is no PSI."""
    if before.pressure_cpu_percent is not None:
        waiting = before.pressure_cpu_percent
        return f"tasks waited for a CPU {waiting:.0f} % of the time" if waiting > _PRESSURE_PERCENT else ""
    return f"load {before.load_1min:.1f} on {cores} cores" if before.load_1min > _LOAD_PER_CORE * cores else ""
