"""A stand-in for picamera2 that needs no Pi and keeps its rules, so that code which passes here works there.

It is configured before it is started, and delivers only while it runs; one program owns a camera at a time; only known
formats; at most ``buffer_count`` requests are out at once and each must be released. Pictures show a bright square
that moves one pixel a frame over a field whose left half is red, at the configured rate in real time.
"""

from __future__ import annotations

import time
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

_CHANNELS = {"BGR888": (0, 1, 2), "RGB888": (2, 1, 0)}
"""Which of R, G, B each byte of a pixel holds in memory."""


class MockRequest:
    """One frame with its metadata; valid until released."""

    def __init__(self, owner: Picamera2, number: int, exposed_ns: int) -> None:
        self._owner, self._number, self._exposed_ns = owner, number, exposed_ns
        self._released = False

    def make_array(self, name: str) -> npt.NDArray[np.uint8]:
        """uint8 [H, W, 3] in the byte order of the configured format."""
        self._require_held()
        if name != "main":
            raise RuntimeError(f"Stream {name!r} is not defined")
        width, height = self._owner.main["size"]
        rgb = np.full((height, width, 3), 40, dtype=np.uint8)
        rgb[:, : width // 2, 0] = 200
        left = self._number % max(1, width - 32)
        rgb[height // 2 : height // 2 + 32, left : left + 32] = 250
        return rgb[..., list(_CHANNELS[self._owner.main["format"]])]

    def get_metadata(self) -> dict[str, Any]:
        """SensorTimestamp in nanoseconds of the boot clock, FrameDuration in microseconds."""
        self._require_held()
        return {"SensorTimestamp": self._exposed_ns, "FrameDuration": self._owner.frame_duration_us}

    def release(self) -> None:
        """Give the buffer back; twice is an error."""
        self._require_held()
        self._released = True
        self._owner.outstanding -= 1

    def _require_held(self) -> None:
        if self._released:
            raise RuntimeError("request used after it was released")


class Picamera2:
    """The part of ``picamera2.Picamera2`` that :mod:`hawklet.cameras.picamera2` uses."""

    cameras: ClassVar[list[dict[str, Any]]] = [{"Model": "mock", "Num": 0, "Location": 2, "Rotation": 0}]
    _owned: ClassVar[set[int]] = set()

    @classmethod
    def global_camera_info(cls) -> list[dict[str, Any]]:
        """What cameras there are."""
        return [dict(camera) for camera in cls.cameras]

    def __init__(self, camera_num: int = 0) -> None:
        if camera_num >= len(self.cameras):
            raise IndexError("list index out of range")
        if camera_num in self._owned:
            raise RuntimeError("Camera __init__ sequence did not complete.")
        self._owned.add(camera_num)
        self._number = camera_num
        self._state = "available"
        self.camera_properties = {"Model": self.cameras[camera_num]["Model"]}
        self.main: dict[str, Any] = {}
        self.frame_duration_us = 33_333
        self.outstanding = 0
        self._buffers = 0
        self._started_ns = 0
        self._next = 0

    def create_video_configuration(
        self, main: dict[str, Any], buffer_count: int = 6, queue: bool = True, controls: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """A configuration for :meth:`configure`."""
        return {"main": main, "buffer_count": buffer_count, "queue": queue, "controls": controls or {}}

    def configure(self, configuration: dict[str, Any]) -> None:
        """Set size, format and rate; not while running."""
        if self._state not in ("available", "configured"):
            raise RuntimeError("Camera must be stopped before configuring")
        main = configuration["main"]
        if main["format"] not in _CHANNELS:
            raise RuntimeError(f"Bad format {main['format']} in stream main")
        if main["size"][0] % 2 or main["size"][1] % 2:
            raise RuntimeError(f"Bad size {main['size']} in stream main")
        self.main, self._buffers = main, configuration["buffer_count"]
        limits = configuration["controls"].get("FrameDurationLimits")
        self.frame_duration_us = limits[0] if limits else 33_333
        self._state = "configured"

    def start(self) -> None:
        """Begin to deliver."""
        if self._state != "configured":
            raise RuntimeError("Camera has not been configured")
        self._state = "running"
        self._started_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self._next = 0

    def capture_request(self, wait: bool | float = True) -> MockRequest:
        """The next frame exposed from now on."""
        if self._state != "running":
            raise RuntimeError("Camera is not running")
        if self.outstanding >= self._buffers:
            raise TimeoutError(f"all {self._buffers} buffers are held; requests must be released")
        step = self.frame_duration_us * 1000
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self._next = max(self._next, -(-(now - self._started_ns) // step))
        exposed_ns = self._started_ns + self._next * step
        time.sleep(max(0, exposed_ns - now) / 1e9)
        self.outstanding += 1
        self._next += 1
        return MockRequest(self, self._next - 1, exposed_ns)

    def stop(self) -> None:
        """No more frames; the configuration stays."""
        if self._state == "running":
            self._state = "configured"

    def close(self) -> None:
        """Let others have the camera."""
        self.stop()
        self._state = "closed"
        self._owned.discard(self._number)
