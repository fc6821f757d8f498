"""A clock of the time that a training costs: of the wall, and of the CPU in its process and in those it has started."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

_OWN_AND_WAITED_FOR = slice(11, 15)
"""utime, stime, cutime and cstime among what follows the name in ``/proc/PID/stat``, ticks (proc(5))."""


class Spent(NamedTuple):
    """Time that was spent, seconds."""

    wall: float
    cpu: float
    """User and system, of the process and its children."""

    def since(self, before: Spent) -> Spent:
        """What was spent from another moment on."""
        return Spent(self.wall - before.wall, self.cpu - before.cpu)


def spent_until_now() -> Spent:
    """Since the machine was started, and by this process and all of its children, running ones too."""
    ended = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    running = sum(_cpu_of(child.pid) for child in multiprocessing.active_children() if child.pid)
    return Spent(time.monotonic(), sum(usage.ru_utime + usage.ru_stime for usage in ended) + running)


def _cpu_of(process: int) -> float:
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
    except OSError:
        return 0.0  # it has just ended, and is counted among the children that were waited for next time
    return sum(int(ticks) for ticks in fields[_OWN_AND_WAITED_FOR]) / os.sysconf("SC_CLK_TCK")


class Clock:
    """What a process has spent since it was started, without what happened while the clock was stopped.

    Args:
        started: When the process was started, ``time.monotonic()`` of whoever did it, so that imports count.
        now: What was spent until now.
    """

    def __init__(self, started: float, now: Callable[[], Spent] = spent_until_now) -> None:
        self._now = now
        self._before = Spent(started, 0.0)

    def read(self) -> Spent:
        """What counts so far."""
        return self._now().since(self._before)

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Nothing counts within."""
        begin = self._now()
        try:
            yield
        finally:
            wall, cpu = self._now().since(begin)
            self._before = Spent(self._before.wall + wall, self._before.cpu + cpu)
