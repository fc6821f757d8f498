"""A tracker that a training neither waits for nor fails by."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import Queue

from hawklet.errors import OutputError
from hawklet_trainer.finish import TrainResult
from hawklet_trainer.trackers.tracker import Settings, Tracker
from hawklet_trainer.training.terms import EpochRecord

PATIENCE_S = 60.0
"""How long the end of a training waits for a tracker, seconds."""
_BROKEN_OFF_S = 5.0
"""The same where it was broken off, and somebody waits for it to be gone."""


class Unfailing(Tracker):
    """Tells another tracker in a thread of its own, one thing after the other.

    What it could not be told is kept and tried again with the next thing, so that a server may be away for a while. The
    first failure is said at once, from that thread, and what is missing in the end is said then.

    Args:
        tracker: The other one.
        say: Called with one line for each thing worth knowing; from any thread.
        patience: How long :meth:`end` waits for it, seconds.
    """

    def __init__(self, tracker: Tracker, say: Callable[[str], None], patience: float = PATIENCE_S):
        self.name = tracker.name
        self._tracker = tracker
        self._say = say
        self._patience = patience
        self._warned = False
        self._untold: deque[Callable[[], None]] = deque()
        self._queue: Queue[Callable[[], None] | None] = Queue()
        self._thread = threading.Thread(target=self._work, name="tracker", daemon=True)

    def begin(self, settings: Settings) -> None:
        self._thread.start()
        self._queue.put(partial(self._tracker.begin, settings))

    def epoch(self, record: EpochRecord) -> None:
        self._queue.put(partial(self._tracker.epoch, record))

    def end(self, result: TrainResult | None) -> None:
        self._queue.put(partial(self._tracker.end, result))
        self._queue.put(None)
        self._thread.join(self._patience if result is not None else min(self._patience, _BROKEN_OFF_S))
        if self._thread.is_alive() or self._untold:
            self._say(f"warning: {self.name} was not told everything; it is all in the run folder")

    def _work(self) -> None:
        while (call := self._queue.get()) is not None:
            self._untold.append(call)
            self._tell()

    def _tell(self) -> None:
        try:
            while self._untold:
                self._untold[0]()
                self._untold.popleft()
        except (OutputError, OSError) as error:
            if not self._warned:
                self._warned = True
                self._say(f"warning: {_one_line(error)}; training goes on, and it is tried again")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
