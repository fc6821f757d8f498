"""What must not be released while a thread still reads from it."""

from __future__ import annotations

import threading
from abc import abstractmethod

from hawklet.cameras import Camera
from hawklet.spec import Frame


class ExclusiveCamera(Camera):
    """A source that is closed from one thread while another may wait in :meth:`read`.

    Its library must not lose the device during a call, so whoever comes last releases it: :meth:`close`, or the
    :meth:`read` that was under way. An implementer provides :meth:`next_frame` and :meth:`release`, and calls
    ``super().__init__()`` before the device is opened.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._in_use = False
        self._released = False
        self.closing = False
        """Whether :meth:`close` was called, so that a long wait can be given up."""

    @abstractmethod
    def next_frame(self) -> Frame | None:
        """See :meth:`Camera.read`; never called once the source is closing."""

    @abstractmethod
    def release(self) -> None:
        """Give the device back; called once."""

    def read(self) -> Frame | None:
        """See :meth:`Camera.read`; for one thread at a time."""
        with self._turn:
            if self.closing:
                return None
            self._in_use = True
        try:
            return self.next_frame()
        finally:
            with self._turn:
                self._in_use = False
                if self.closing:
                    self._release_once()

    def close(self) -> None:
        """Release the device; if another thread waits in :meth:`read`, that releases it when it returns."""
        with self._turn:
            self.closing = True
            if not self._in_use:
                self._release_once()

    def _release_once(self) -> None:
        if not self._released:
            self._released = True
            self.release()
