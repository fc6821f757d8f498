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
    swallowed = _Swallowed(sys.unraisablehook)
    sys.unraisablehook = swallowed
    try:
        yield
        swallowed.raise_what_is_left()
    finally:
        swallowed.forget()
        sys.unraisablehook = swallowed.otherwise
        for number, handler in before.items():
            signal.signal(number, handler)


_AGAIN_S = 0.05


class _Swallowed:
    """Hears of exceptions that Python drops, and sends the signals again that they came of, a moment later.

    What breaks off is raised wherever the program happens to be; in a destructor or a weak reference's callback it
    would be lost.

    Args:
        otherwise: Told of all other dropped exceptions.
    """

    def __init__(self, otherwise: Callable[[Any], Any]):
        self.otherwise = otherwise
        self._left: tuple[signal.Signals, threading.Timer] | None = None

    def __call__(self, dropped: Any) -> None:
        """As ``sys.unraisablehook``."""
        number = _signal_of(dropped.exc_value)
        if number is None:
            self.otherwise(dropped)
            return
        timer = threading.Timer(_AGAIN_S, os.kill, (os.getpid(), number))
        timer.daemon = True
        self._left = (number, timer)
        timer.start()

    def raise_what_is_left(self) -> None:
        """Send at once what was to be sent later."""
        left = self._left if self._left is not None and not self._left[1].finished.is_set() else None
        self.forget()
        if left is not None:
            signal.raise_signal(left[0])

    def forget(self) -> None:
        """Send nothing later."""
        if self._left is not None:
            self._left[1].cancel()
        self._left = None


def _signal_of(error: BaseException | None) -> signal.Signals | None:
    """What the exception was raised for, if for a signal."""
    if isinstance(error, KeyboardInterrupt):
        return signal.SIGINT
    if isinstance(error, SystemExit) and error.code == 128 + signal.SIGTERM:
        return signal.SIGTERM
    return None
