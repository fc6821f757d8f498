"""How much of the time that a training may take is over."""

from __future__ import annotations

import time


class TimeLimit:
    """Measures it.

    Args:
        minutes: That fine-tuning may take; None: any.
    """

    def __init__(self, minutes: float | None):
        self._minutes, self._start = minutes, 0.0
        self.share = 0.0
        """0..1, as all processes know it."""

    def start(self, spent: float) -> None:
        """Begin to count, with so many seconds spent before."""
        self._start = time.perf_counter() - spent
        self.share = 0.0 if self._minutes is None else spent / (60.0 * self._minutes)

    @property
    def seconds(self) -> float:
        """Spent."""
        return time.perf_counter() - self._start

    def measure(self) -> float:
        """The share, now; 0 where there is no limit."""
        return 0.0 if self._minutes is None else self.seconds / (60.0 * self._minutes)

    @property
    def is_over(self) -> bool:
        """Whether no step is to follow."""
        return self.share >= 1.0
