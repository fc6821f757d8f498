"""A stand-in for picamera2 that needs no Pi and keeps its rules, so that code which passes here works there.

As there: it is configured before it is started and not while it runs; one program owns a camera at a time; only known
formats, and what the camera cannot deliver is replaced without a word (``camera_configuration()`` tells); frames take
their duration from exposure to delivery; at most ``buffer_count`` requests are out at once and each must be released; a
capture that waits for a frame keeps ``stop()`` waiting.

Stricter than there: ``start()`` never configures by itself, and what would wait for ever raises ``RuntimeError``.

Pictures show a bright square that moves one pixel a frame over a field whose left half is red, in real time.
"""

from __future__ import annotations

import concurrent.futures
import math
import time
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

_CHANNELS = {"BGR888": (0, 1, 2), "RGB888": (2, 1, 0), "XBGR8888": (0, 1, 2, 3), "XRGB8888": (2, 1, 0, 3)}
"""Which of R, G, B, 255 each byte of a pixel holds in memory."""
_KNOWN = {*_CHANNELS, "RGB161616", "BGR161616", "YUV420", "YVU420", "NV12", "NV21", "YUYV", "YVYU", "UYVY", "VYUY"}
_SMALLEST, _LARGEST = (64, 64), (1456, 1088)
_FRAME_US = (1_000, 1_000_000, 33_333)
"""Shortest, longest and usual duration of a frame, microseconds."""


class MockRequest:
    """One frame with its metadata; valid until released."""

    def __init__(self, owner: Picamera2, number: int, exposed_ns: int) -> None:
        self._owner, self._number, self._exposed_ns = owner, number, exposed_ns
        self._main = dict(owner.camera_configuration()["main"])
        self._released = False

    def make_array(self, name: str) -> npt.NDArray[np.uint8]:
        """uint8 [H, W, channels] in the byte order of the configured format."""
        self._require_held()
        if name != "main":
            raise RuntimeError(f"Stream {name!r} is not defined")
        width, height = self._main["size"]
        if self._main["format"] not in _CHANNELS:
            return np.full((height, width, 2), 128, dtype=np.uint8)
        pixels = np.full((height, width, 4), 40, dtype=np.uint8)
        pixels[..., 3] = 255
        pixels[:, : width // 2, 0] = 200
        left = self._number % max(1, width - 32)
        pixels[height // 2 : height // 2 + 32, left : left + 32, :3] = 250
        return pixels[..., list(_CHANNELS[self._main["format"]])]

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
            raise RuntimeError("CompletedRequest: lock now has negative ref_count")


class MockJob:
    """A capture that waits for its frame."""

    def __init__(self, owner: Picamera2) -> None:
        self._owner = owner
        self._asked_ns = _now_ns()
        self._cancelled = False

    def cancel(self) -> None:
        """Let it never have a result."""
        self._cancelled = True

    def get_result(self, timeout: float | None = None) -> MockRequest:
        """The request, once its frame is there; TimeoutError if that takes longer than ``timeout`` seconds."""
        if self._cancelled:
            raise concurrent.futures.CancelledError
        wait_s = self._owner.seconds_until_frame(self._asked_ns)
        if timeout is None and math.isinf(wait_s):
            raise RuntimeError("this would wait for ever: the camera is silent, or every buffer is held")
        if timeout is not None and wait_s > timeout:
            time.sleep(timeout)
            raise concurrent.futures.TimeoutError
        time.sleep(wait_s)
        return self._owner.deliver(self, self._asked_ns)


class Picamera2:
    """The part of ``picamera2.Picamera2`` that :mod:`hawklet.cameras.picamera2` uses."""

    cameras: ClassVar[list[dict[str, Any]]] = [
        {"Model": "mock", "Num": 0, "Location": 2, "Rotation": 0, "Id": "/base/soc/i2c0mux/i2c@1/mock@10"}
    ]
    """What is attached; one with ``/usb`` in its Id is a USB camera, which delivers YUYV whatever is asked."""
    silent: ClassVar[bool] = False
    """True: the cable came loose; no frame arrives any more."""
    _owned: ClassVar[set[int]] = set()

    @classmethod
    def global_camera_info(cls) -> list[dict[str, Any]]:
        """What cameras there are."""
        return [dict(camera) for camera in cls.cameras]

    def __init__(self, camera_num: int = 0) -> None:
        info = self.global_camera_info()[camera_num]
        if camera_num in self._owned:
            busy = RuntimeError("Failed to acquire camera: Device or resource busy")
            raise RuntimeError("Camera __init__ sequence did not complete.") from busy
        self._owned.add(camera_num)
        self._number = camera_num
        self._is_usb = "/usb" in info["Id"]
        self._open, self._running = True, False
        self._configuration: dict[str, Any] = {}
        self._jobs: list[MockJob] = []
        self.camera_properties = {"Model": info["Model"]}
        self.frame_duration_us = _FRAME_US[2]
        self.outstanding = 0
        self._started_ns = 0
        self._next = 0

    @property
    def camera_controls(self) -> dict[str, tuple[Any, Any, Any]]:
        """Smallest, largest and usual value of each control."""
        return {} if self._is_usb else {"FrameDurationLimits": _FRAME_US}

    def create_video_configuration(
        self,
        main: dict[str, Any] | None = None,
        buffer_count: int = 6,
        controls: dict[str, Any] | None = None,
        queue: bool = True,
    ) -> dict[str, Any]:
        """A configuration for :meth:`configure`; odd sizes become even ones."""
        self._require_open()
        stream = {"format": "XBGR8888", "size": (1280, 720)}
        for key, value in (main or {}).items():
            if key not in stream:
                raise ValueError(f"Bad key {key!r}: valid stream configuration keys are {tuple(stream)}")
            stream[key] = value
        width, height = stream["size"]
        stream["size"] = (int(width) - int(width) % 2, int(height) - int(height) % 2)
        return {"main": stream, "buffer_count": buffer_count, "queue": queue, "controls": controls or {}}

    def configure(self, configuration: dict[str, Any]) -> None:
        """Set size, format and rate; not while running."""
        self._require_open()
        if self._running:
            raise RuntimeError("Camera must be stopped before configuring")
        self._configuration = {}
        main = dict(configuration["main"])
        if main["format"] not in _KNOWN:
            raise RuntimeError(f"Bad format {main['format']} in stream main")
        if type(main["size"]) is not tuple or len(main["size"]) != 2:
            raise RuntimeError("size in main stream should be (width, height)")
        if main["size"][0] % 2 or main["size"][1] % 2:
            raise RuntimeError("width and height should be even")
        self._configuration = {**configuration, "main": self._adjusted(main)}
        self.set_controls(configuration["controls"])

    def _adjusted(self, main: dict[str, Any]) -> dict[str, Any]:
        bounds = zip(main["size"], _SMALLEST, _LARGEST, strict=True)
        size = tuple(min(max(wanted, least), most) for wanted, least, most in bounds)
        pixel_format = main["format"] if main["format"] in _CHANNELS else "XBGR8888"
        return {"size": size, "format": "YUYV" if self._is_usb else pixel_format}

    def camera_configuration(self) -> dict[str, Any]:
        """The configuration as the camera took it."""
        return self._configuration

    def set_controls(self, controls: dict[str, Any]) -> None:
        """Set controls, which take effect with the next frame."""
        for name in controls:
            if name not in self.camera_controls:
                raise RuntimeError(f"Control {name} is not advertised by libcamera")
        shortest, longest, _ = _FRAME_US
        wanted = controls.get("FrameDurationLimits", (self.frame_duration_us,))[0]
        self.frame_duration_us = min(max(wanted, shortest), longest)

    def start(self) -> None:
        """Begin to deliver; nothing happens if it does already."""
        self._require_open()
        if not self._configuration:
            raise RuntimeError("Camera has not been configured")
        if not self._running:
            self._running = True
            self._started_ns, self._next = _now_ns(), 0

    def capture_request(self, wait: bool | float | None = None) -> MockRequest | MockJob:
        """The next frame to be finished, waiting at most ``wait`` seconds; with False the job that waits for it."""
        if not self._running:
            raise RuntimeError("this would wait for ever: the camera does not run")
        job = MockJob(self)
        self._jobs.append(job)
        if wait is False:
            return job
        return job.get_result(None if wait in (None, True) else float(wait))

    def seconds_until_frame(self, asked_ns: int) -> float:
        """How long a capture asked for at that moment has to wait from now on; infinite without camera or buffer."""
        if self.silent or self.outstanding >= self._configuration["buffer_count"]:
            return math.inf
        _, finished_ns = self._frame_for(asked_ns)
        return max(0, finished_ns - _now_ns()) / 1e9

    def deliver(self, job: MockJob, asked_ns: int) -> MockRequest:
        """Hand the frame to the job, which thereby ends."""
        number, finished_ns = self._frame_for(asked_ns)
        self._jobs.remove(job)
        self.outstanding += 1
        self._next = number + 1
        return MockRequest(self, number, finished_ns - self.frame_duration_us * 1000)

    def _frame_for(self, asked_ns: int) -> tuple[int, int]:
        """Number of the frame, and when it is finished; with a queue, the last one finished before it was asked for."""
        duration_ns = self.frame_duration_us * 1000
        finished = (asked_ns - self._started_ns) // duration_ns  # frame n is finished at (n + 1) durations
        number = max(self._next, finished - 1 if self._configuration["queue"] else finished)
        return number, self._started_ns + (number + 1) * duration_ns

    def cancel_all_and_flush(self) -> None:
        """Forget the captures that still wait."""
        for job in self._jobs:
            job.cancel()
        self._jobs = []

    def stop(self) -> None:
        """No more frames; the configuration stays."""
        if self._running and self._jobs and math.isinf(self.seconds_until_frame(_now_ns())):
            raise RuntimeError("this would wait for ever: a capture waits for its frame; cancel_all_and_flush() first")
        self._jobs = []
        self._running = False

    def close(self) -> None:
        """Let others have the camera; a second call does nothing."""
        if self._open:
            self.stop()
            self._open = False
            self._configuration = {}
            self._owned.discard(self._number)

    def _require_open(self) -> None:
        if not self._open:
            raise RuntimeError("Camera not opened")


def _now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
