"""A tracker that fails, hangs or comes back: the training goes on, and says so once."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from hawklet.errors import OutputError
from hawklet_trainer.finish import TrainResult
from hawklet_trainer.trackers.tracker import Settings, Tracker
from hawklet_trainer.trackers.unfailing import Unfailing
from hawklet_trainer.training.terms import EpochRecord

Check = Callable[[], None]


class _Server(Tracker):
    """Takes down what it is told, after asking ``check``."""

    name = "a server"

    def __init__(self, check: Check) -> None:
        self.check = check
        self.told: list[object] = []

    def begin(self, settings: Settings) -> None:
        self._take(settings)

    def epoch(self, record: EpochRecord) -> None:
        self._take(record.epoch)

    def end(self, result: TrainResult | None) -> None:
        self._take(result)

    def _take(self, what: object) -> None:
        self.check()
        self.told.append(what)


def _fails() -> None:
    raise OutputError("a server could not be told (Connection refused)")


def _tell(tracker: Tracker, records: list[EpochRecord]) -> None:
    tracker.begin({"lr": 1.0})
    for record in records:
        tracker.epoch(record)


def test_everything_is_told_in_order(records: list[EpochRecord]) -> None:
    said: list[str] = []
    server = _Server(lambda: None)
    tracker = Unfailing(server, said.append)
    _tell(tracker, records)
    tracker.end(None)
    assert server.told == [{"lr": 1.0}, 0, 1, 2, None] and said == []


@pytest.mark.parametrize("error", [OutputError("a server is away"), OSError(28, "No space left on device")])
def test_a_failure_is_said_once_and_what_is_missing_in_the_end(records: list[EpochRecord], error: Exception) -> None:
    def check() -> None:
        raise error

    said: list[str] = []
    tracker = Unfailing(_Server(check), said.append)
    _tell(tracker, records)
    tracker.end(None)
    assert said == [
        f"warning: {error}; training goes on, and it is tried again",
        "warning: a server was not told everything; it is all in the run folder",
    ]


def test_a_server_that_comes_back_is_told_what_it_missed(records: list[EpochRecord]) -> None:
    said: list[str] = []
    tried = threading.Event()

    def check() -> None:
        if not tried.is_set():
            tried.set()
            _fails()

    server = _Server(check)
    tracker = Unfailing(server, said.append)
    tracker.begin({})
    tried.wait()
    for record in records:
        tracker.epoch(record)
    tracker.end(None)
    assert server.told == [{}, 0, 1, 2, None] and len(said) == 1


def test_a_server_that_hangs_is_not_waited_for(records: list[EpochRecord]) -> None:
    said: list[str] = []
    let_go = threading.Event()

    def check() -> None:
        let_go.wait()

    server = _Server(check)
    tracker = Unfailing(server, said.append, patience=0.05)
    _tell(tracker, records)  # returns at once
    tracker.end(None)
    assert server.told == [] and said == ["warning: a server was not told everything; it is all in the run folder"]
    let_go.set()
