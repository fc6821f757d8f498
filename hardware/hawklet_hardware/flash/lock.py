"""One flash at a time on a board, and no lock that is left behind when the connection breaks."""

from __future__ import annotations

import contextlib
import threading
from types import TracebackType

import paramiko

from hawklet.errors import FlashError
from hawklet_hardware.ssh import Connection, mapped_errors

_BEAT_S = 20.0
_MARK = "hawklet-lock:"
"""Before the holder's word: a login shell's start-up files may say something of their own first."""

# Runs on the board's bare Python. The kernel frees the lock with the process, and the process ends when its input
# closes (a clean break) or stays silent for four beats (a board or a laptop that vanished from the network).
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
while select.select([0], [], [], 80)[0] and os.read(0, 64):
    pass
""".replace("MARK", _MARK)


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
        self._stop = threading.Event()
        self._channel: paramiko.Channel | None = None

    def __enter__(self) -> FlashLock:
        """Take the lock.

        Raises:
            FlashError: another flash holds it, or the folder cannot be written.
        """
        self._channel = channel = self._connection.start(self._command)
        with mapped_errors(f"{self._connection.target}"):
            answer = _first_words(channel)
        if answer != "locked":
            channel.close()
            if answer.startswith("busy"):
                raise FlashError(f"only one flash may run on a board at a time; wait for the one of {answer[5:]}")
            raise FlashError(f"the board's folder cannot be locked: {answer or 'no answer'}")
        threading.Thread(target=self._beat, args=(channel,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._channel is not None:
            # On a connection that is already gone there is nothing to close.
            with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                self._channel.close()

    def _beat(self, channel: paramiko.Channel) -> None:
        while not self._stop.wait(_BEAT_S):
            try:
                channel.sendall(b".")
            except (OSError, EOFError, paramiko.SSHException):
                return  # whoever is using the connection is told so there


def _first_words(channel: paramiko.Channel) -> str:
    """What the holder says, or the last line of its error."""
    for raw in channel.makefile("rb"):
        line = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
        if line.startswith(_MARK):
            return line.removeprefix(_MARK).strip()
    return str(channel.makefile_stderr("rb").read().decode("utf-8", "replace")).strip().rpartition("\n")[2]
