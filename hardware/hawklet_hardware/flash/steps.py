"""Progress of work on a board, a line for each step."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator


class Steps:
    """Says each step with the time it took."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self._start = time.monotonic()

    @contextlib.contextmanager
    def step(self, what: str) -> Iterator[None]:
        """One step, said when it is done."""
        began = time.monotonic()
        yield
        now = time.monotonic()
        self.say(f"{now - self._start:6.1f} s  {what} ({now - began:.1f} s)")
