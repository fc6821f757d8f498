"""What SIGINT and SIGTERM do to a command that takes long."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any


class StopRequest:
    """Whether somebody asked for an early end, by a first SIGINT.

    Args:
        heard: Called at that moment, to say so.
        worthwhile: Whether there is anything to keep; where not, the first SIGINT breaks off as the second does.
    """

    def __init__(self, heard: Callable[[], None], worthwhile: Callable[[], bool] = lambda: True):
        self.asked = False
        self._heard, self._worthwhile = heard, worthwhile

    @contextmanager
    def heeding_signals(self) -> Iterator[None]:
        """The first SIGINT asks for an early end; a second one breaks off, as SIGTERM does.

        Broken off is by an exception, KeyboardInterrupt or SystemExit, so that half-written files are cleared away.
        """
        with _handled({signal.SIGINT: self._ask, signal.SIGTERM: _break_off}):
            yield

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked or not self._worthwhile():
            raise KeyboardInterrupt
        self.asked = True
        self._heard()


@contextmanager
def breaking_off() -> Iterator[None]:
    """SIGTERM breaks off by SystemExit, as SIGINT does by KeyboardInterrupt without more ado."""
    with _handled({signal.SIGTERM: _break_off}):
        yield


def _break_off(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


@contextmanager
def _handled(handlers: Mapping[signal.Signals, Callable[[int, FrameType | None], Any]]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        with _sending_swallowed_again():
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_SIGNALS = {KeyboardInterrupt: signal.SIGINT, SystemExit: signal.SIGTERM}
_AGAIN_S = 0.05


@contextmanager
def _sending_swallowed_again() -> Iterator[None]:
    """What breaks off is raised wherever the program happens to be. In a destructor or a weak reference's callback
    Python drops it, and the signal would be lost: it is sent again a moment later."""
    before = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        number = _SIGNALS.get(unraisable.exc_type)
        if number is None:
            before(unraisable)
        else:
            timer = threading.Timer(_AGAIN_S, os.kill, (os.getpid(), number))
            timer.daemon = True
            timer.start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before
