"""How fast it goes, on a clock that the test moves."""

from __future__ import annotations

import math

import pytest

from hawklet_trainer.watching.pace import Pace, clock_text


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _steps(pace: Pace, clock: Clock, count: int, seconds: float, pictures: int = 32) -> None:
    for _ in range(count):
        clock.now += seconds
        pace.step(pictures)


def test_before_the_first_step_nothing_is_known(clock: Clock) -> None:
    pace = Pace(clock)
    assert math.isnan(pace.seconds_per_step) and math.isnan(pace.images_per_second)


def test_the_first_step_counts_until_there_is_another(clock: Clock) -> None:
    pace = Pace(clock)
    _steps(pace, clock, 1, 10.0)
    assert pace.seconds_per_step == 10.0
    _steps(pace, clock, 4, 0.5)
    assert pace.seconds_per_step == 0.5 and pace.images_per_second == 64.0


def test_judging_is_not_learning(clock: Clock) -> None:
    pace = Pace(clock)
    _steps(pace, clock, 4, 0.5)
    clock.now += 3.0
    pace.judged()
    _steps(pace, clock, 4, 0.5)
    assert pace.judging == 3.0 and pace.seconds_per_step == 0.5


def test_it_follows_a_machine_that_becomes_busy(clock: Clock) -> None:
    pace = Pace(clock)
    _steps(pace, clock, 200, 0.5)
    _steps(pace, clock, 60, 2.0)
    assert pace.seconds_per_step == 2.0


def test_steps_without_pictures_have_a_pace_and_no_images(clock: Clock) -> None:
    pace = Pace(clock)
    _steps(pace, clock, 3, 1.0, pictures=0)
    assert pace.seconds_per_step == 1.0 and math.isnan(pace.images_per_second)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (9.4, "0:09"), (59.6, "1:00"), (750, "12:30"), (3723, "1:02:03"), (math.nan, ""), (-5, "0:00")],
)
def test_times_read_as_on_a_clock(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text
