"""A program on the board that lives as long as we do, and ends by itself when the connection breaks.

The program ends when its input closes (a clean break) or when beats are missed (:mod:`hawklet_hardware.flash.beats`);
what it holds, it frees then.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from types import TracebackType

import paramiko

from hawklet.errors import FlashError
from hawklet_hardware.flash.beats import BEAT, BEAT_S
from hawklet_hardware.ssh import SILENCE_S, Connection, mapped_errors

_GONE = (OSError, EOFError, paramiko.SSHException)
"""On a connection that is gone; whoever uses the connection is told so there."""


class Companion:
    """The running program; use it as a context manager.

    Args:
        connection: The open connection.
        command: What to start on the board.
        mark: What its own lines begin with: a login shell's start-up files may say something of their own first.
        silence_s: Give up when it says nothing for so long, seconds.

    Raises:
        FlashError: the connection was lost.
    """

    def __init__(self, connection: Connection, command: Sequence[str], mark: str, silence_s: float = SILENCE_S) -> None:
        self._target = connection.target
        self._mark = mark
        self._stop = threading.Event()
        self._sending = threading.Lock()
        self._channel = connection.start(command, silence_s)
        self._lines = self._channel.makefile("rb")
        threading.Thread(target=self._beat, daemon=True).start()

    def __enter__(self) -> Companion:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        with contextlib.suppress(*_GONE):
            self._channel.close()

    def next_words(self) -> str:
        """Its next marked line, without the mark; empty when it has ended."""
        with mapped_errors(f"{self._target}"):
            while raw := self._lines.readline():
                line = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
                if line.startswith(self._mark):
                    return line.removeprefix(self._mark).strip()
        return ""

    def last_words(self) -> str:
        """The last line of what it said on its standard error, once it has ended."""
        with mapped_errors(f"{self._target}"):
            return (
                str(self._channel.makefile_stderr("rb").read().decode("utf-8", "replace")).strip().rpartition("\n")[2]
            )

    def tell(self, line: bytes) -> None:
        """Send it a line.

        Raises:
            FlashError: the connection was lost.
        """
        with mapped_errors(f"{self._target}"), self._sending:
            self._channel.sendall(line + b"\n")

    def finish(self) -> int:
        """Close its input, and wait until it has ended.

        Returns:
            Its exit status.

        Raises:
            FlashError: the connection was lost.
        """
        with mapped_errors(f"{self._target}"):
            self._stop.set()
            with contextlib.suppress(OSError):  # it has ended already
                self._channel.shutdown_write()
            while self._lines.readline():
                pass
            status = int(self._channel.recv_exit_status())
        if status < 0:
            raise FlashError(f"the connection to {self._target} was lost; try again")
        return status

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_S):
            try:
                with self._sending:
                    self._channel.sendall(BEAT)
            except _GONE:
                return
