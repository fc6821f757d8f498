"""Cameras that are asked again and again whether a frame has come."""

from __future__ import annotations

import time
from abc import abstractmethod

from hawklet.cameras.exclusive import ExclusiveCamera
from hawklet.errors import CameraError
from hawklet.spec import Frame

SILENCE_S = 5.0
"""Seconds without a frame after which a camera counts as gone."""
_TURN_S = 0.2
"""Seconds of one turn of waiting, after which a wish to stop is seen."""


class PolledCamera(ExclusiveCamera):
    """A live camera that can be waited for in short turns, so that it neither hangs nor keeps a stop waiting."""

    live = True

    @abstractmethod
    def poll(self, seconds: float) -> Frame | None:
        """Wait at most so long for the next frame; None if there was none, or a damaged one.

        Raises:
            CameraError: the device failed or was unplugged.
        """

    def next_frame(self) -> Frame | None:
        """See :meth:`ExclusiveCamera.next_frame`."""
        give_up_at = time.monotonic() + SILENCE_S
        while not self.closing:
            frame = self.poll(_TURN_S)
            if frame is not None:
                return frame
            if time.monotonic() >= give_up_at:
                raise CameraError(f"{self.description} sent nothing for {SILENCE_S:.0f} s; is its cable loose?")
        return None
