"""The learning rate's course."""

from __future__ import annotations

import pytest

from hawklet_trainer.training.schedule import share_of_highest
from hawklet_trainer.training.terms import Schedule


def test_a_cosine_warms_up_for_as_many_steps_as_asked_and_ends_at_zero() -> None:
    shares = [share_of_highest(Schedule.COSINE, step / 100, step, 10) for step in range(101)]
    assert shares[0] == pytest.approx(0.1) and max(shares) == shares[9]
    assert shares[50] == pytest.approx(0.5) and shares[100] == pytest.approx(0.0)
    assert shares[9:] == sorted(shares[9:], reverse=True)


def test_one_cycle_rises_for_thirty_per_cent_of_the_way_and_falls_to_zero() -> None:
    shares = [share_of_highest(Schedule.ONE_CYCLE, step / 100, step, 10) for step in range(101)]
    assert shares[0] == pytest.approx(1 / 25) and shares[30] == pytest.approx(1.0) and shares[100] == pytest.approx(0)
    assert shares[:31] == sorted(shares[:31]) and shares[30:] == sorted(shares[30:], reverse=True)


@pytest.mark.parametrize("schedule", Schedule)
def test_past_the_end_the_rate_stays_zero(schedule: Schedule) -> None:
    assert share_of_highest(schedule, 1.7, 999, 10) == pytest.approx(0.0)
