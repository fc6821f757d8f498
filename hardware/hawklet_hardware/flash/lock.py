"""One flash or measurement at a time on a board, and no lock that is left behind when the connection breaks."""

from __future__ import annotations

import getpass
import socket
from types import TracebackType

from hawklet.errors import FlashError
from hawklet_hardware.flash.beats import BEATS_MISSED_S
from hawklet_hardware.flash.companion import Companion
from hawklet_hardware.flash.probe import BoardState
from hawklet_hardware.ssh import Connection

_MARK = "hawklet-lock:"

# Runs on the board's bare Python. The kernel frees the lock with the process.
_HOLDER = """
import fcntl, os, select, sys, time
path, who = sys.argv[1:]
folder = os.path.dirname(path)
os.makedirs(folder, exist_ok=True)

def take(path):
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    for attempt in range(30):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except OSError:
            time.sleep(0.1)
    holder = os.read(fd, 200).decode(errors="replace")
    print("MARK" + "busy " + (holder or "an earlier connection, which is still switching there"), flush=True)
    sys.exit(0)

fd = take(path)
# A flash whose connection was cut may still be switching, which it ends by itself.
os.close(take(os.path.join(folder, "activate.lock")))
os.ftruncate(fd, 0)
os.write(fd, who.encode())
print("MARK" + "locked", flush=True)
while select.select([0], [], [], SILENCE)[0] and os.read(0, 64):
    pass
""".replace("MARK", _MARK).replace("SILENCE", str(BEATS_MISSED_S))


class FlashLock:
    """Held while its block runs; use it as a context manager.

    Args:
        connection: The open connection.
        python: An interpreter on the board.
        path: The lock file there.
        who: What another flash is told about this one.
    """

    def __init__(self, connection: Connection, python: str, path: str, who: str) -> None:
        self._connection = connection
        self._command = [python, "-c", _HOLDER, path, who]
        self._holder: Companion | None = None

    def __enter__(self) -> FlashLock:
        """Take the lock.

        Raises:
            FlashError: another flash or measurement holds it, or the folder cannot be written.
        """
        self._holder = holder = Companion(self._connection, self._command, _MARK)
        answer = holder.next_words()
        if answer != "locked":
            reason = answer or holder.last_words()
            self.__exit__(None, None, None)
            if answer.startswith("busy"):
                raise FlashError(
                    f"only one flash may run on a board at a time, and no measurement beside it; wait for the one of "
                    f"{answer[5:]}"
                )
            raise FlashError(f"the board's folder cannot be locked: {reason or 'no answer'}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._holder is not None:
            self._holder.__exit__(kind, error, trace)


def flash_lock(connection: Connection, python: str, state: BoardState) -> FlashLock:
    """The lock that every change of a board, and every measurement there, is made under."""
    return FlashLock(connection, python, f"{state.prefix}/flash.lock", f"{getpass.getuser()} on {socket.gethostname()}")
