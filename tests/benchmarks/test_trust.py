from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hawklet_benchmarks.result import Executed, Warmup
from hawklet_benchmarks.trust import doubts, is_unstable
from hawklet_hardware.sensors import Throttle
from made_results import PI5, QUIET, made_result


def test_a_quiet_measurement_raises_no_doubts() -> None:
    assert doubts(made_result()) == ()
    assert not is_unstable(made_result())


def test_a_scattered_measurement_is_said_to_be_unstable_with_what_to_try() -> None:
    result = made_result(noise=1.5, rounds=20)
    assert is_unstable(result)
    assert doubts(result)[0].startswith("unstable: the median frame time is known to +-")
    assert "add --" in doubts(result)[0]


def test_an_unstable_measurement_under_a_moving_clock_is_told_how_to_fix_it() -> None:
    result = made_result(noise=1.5, rounds=20, before=replace(QUIET, governor="ondemand"))
    assert "the governor is ondemand" in doubts(result)[0]


HOT = replace(QUIET, throttle=Throttle(("under-voltage",), (), "vcgencmd"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"after": HOT}, "held back (under-voltage)"),
        ({"after": replace(QUIET, cpu_ticks=2000, steal_ticks=100)}, "gave 10 % of CPU time to others"),
        ({"before": replace(QUIET, pressure_cpu_percent=40.0)}, "tasks waited for a CPU 40 % of the time"),
        ({"before": replace(QUIET, pressure_cpu_percent=None, load_1min=3.9)}, "load 3.9 on 4 cores"),
        ({"machine": replace(PI5, affinity=(0,))}, "4 threads shared 1 CPUs; set --threads 1"),
    ],
)
def test_what_disturbed_a_measurement_is_said(change: dict[str, Any], words: str) -> None:
    assert any(words in doubt for doubt in doubts(made_result(**change)))


def test_an_old_load_is_not_held_against_a_machine_that_reports_no_pressure_now() -> None:
    assert doubts(made_result(before=replace(QUIET, load_1min=3.9, pressure_cpu_percent=0.0))) == ()


def test_a_process_that_never_came_to_rest_is_counted() -> None:
    made = made_result()
    runs = (replace(made.runs[0], warmup=Warmup(9, 1.0, False)), *made.runs[1:])
    assert any("1 of 5 processes had not come to rest" in doubt for doubt in doubts(replace(made, runs=runs)))


def test_one_thread_needs_one_cpu() -> None:
    result = made_result(machine=replace(PI5, affinity=(2,)), engine=Executed("x", "CPU", 1))
    assert doubts(result) == ()
