"""How fast a training goes, and what is left of it by that."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

_RECENT = 50
"""Steps whose mean is the pace: enough to be steady, few enough to follow a machine that becomes busy."""


class Pace:
    """The time that steps take, and judging on val between them.

    Args:
        clock: Seconds that only ever grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.judging = 0.0
        """Seconds that judging took the last time; 0 before the first."""
        self._clock = clock
        self.restart()

    def restart(self) -> None:
        """Another kind of step begins; nothing is known of it."""
        self._recent: deque[tuple[float, int]] = deque(maxlen=_RECENT)
        self._first = True
        self._mark = self._clock()

    def step(self, pictures: int) -> None:
        """A step of so many pictures is done."""
        seconds = self._lap()
        if self._first and self._recent:  # what the first took to warm up is not the pace
            self._recent.clear()
            self._first = False
        self._recent.append((seconds, pictures))

    def judged(self) -> None:
        """What passed since the last step was judging."""
        self.judging = self._lap()

    @property
    def seconds_per_step(self) -> float:
        """NaN before the first step."""
        return sum(seconds for seconds, _ in self._recent) / len(self._recent) if self._recent else math.nan

    @property
    def images_per_second(self) -> float:
        """NaN before the first step, or where steps tell of no pictures."""
        seconds = sum(seconds for seconds, _ in self._recent)
        pictures = sum(pictures for _, pictures in self._recent)
        return pictures / seconds if pictures and seconds else math.nan

    def _lap(self) -> float:
        now = self._clock()
        seconds, self._mark = now - self._mark, now
        return seconds


def clock_text(seconds: float) -> str:
    """As ``0:09``, ``12:30`` or ``1:02:03``; empty where it is not known."""
    if not math.isfinite(seconds):
        return ""
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
