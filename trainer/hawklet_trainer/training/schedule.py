"""The learning rate's course over a training, as shares of its highest."""

from __future__ import annotations

import math

from hawklet_trainer.training.terms import Schedule

_LOWEST = 1 / 25
_RISE = 0.3


def share_of_highest(schedule: Schedule, passed: float, done: int, warm_up: int) -> float:
    """The next step's learning rate by the highest.

    Args:
        schedule: Which course.
        passed: Share of the training that is over, 0..1, of its steps or of its time.
        done: Steps done.
        warm_up: Steps of warm-up; a one-cycle course has its own.
    """
    passed = min(1.0, passed)
    if schedule is Schedule.ONE_CYCLE:
        return _one_cycle(passed)
    return min(1.0, (done + 1) / warm_up) * _falling(passed)


def _one_cycle(passed: float) -> float:
    if passed < _RISE:
        return _LOWEST + (1.0 - _LOWEST) * (1.0 - _falling(passed / _RISE))
    return _falling((passed - _RISE) / (1.0 - _RISE))


def _falling(passed: float) -> float:
    """From 1 to 0 along half a cosine."""
    return 0.5 * (1.0 + math.cos(math.pi * passed))
