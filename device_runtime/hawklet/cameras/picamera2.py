"""The Raspberry Pi's camera through picamera2.

picamera2 comes with Raspberry Pi OS (``sudo apt install python3-picamera2``) and is not on the package index, so the
virtual environment must see the system's packages: ``python3 -m venv --system-site-packages``. Off a Pi,
``HAWKLET_PICAMERA2=mock`` puts :mod:`hawklet.cameras.mock_picamera2` in its place, which keeps the same rules.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import importlib
import os
import re
import time
from types import ModuleType
from typing import Any

import numpy as np

from hawklet.cameras import CameraOptions
from hawklet.cameras.polling import PolledCamera
from hawklet.errors import CameraError, CameraNotFoundError, HawkletError, MissingDependencyError, UsageError
from hawklet.spec import Frame

PIXEL_FORMAT = "BGR888"
"""picamera2 names formats by their bytes from the top of a little-endian word: this one delivers R, G, B in memory."""

_BUFFERS = 3
_USUAL_FRAME_US = 33_333
_GET = "'sudo apt install python3-picamera2', and make the environment with 'python3 -m venv --system-site-packages'"


class PiCamera(PolledCamera):
    """Frames of one camera, each with the sensor's own time of exposure.

    Args:
        number: Which camera, as ``rpicam-hello --list-cameras`` counts them.
        options: Size (default 640x480) and frames a second (default 30).
        library: picamera2, or the mock.

    Raises:
        CameraNotFoundError: there is no such camera.
        CameraError: it is in use, or delivers no RGB.
        UsageError: it cannot deliver the size or the rate.
    """

    def __init__(self, number: int, options: CameraOptions, library: ModuleType | None = None) -> None:
        super().__init__()
        picamera2 = library or _load()
        _require_camera(picamera2, number)
        self._camera: Any = _acquire(picamera2, number)
        self._name = f"camera {number}"
        try:
            self._configure(options)
            self._camera.start()
        except HawkletError:
            self.release()
            raise
        except (RuntimeError, ValueError, OSError) as error:
            self.release()
            raise CameraError(f"{self._name} does not start: {error}") from error
        width, height = self._camera.camera_configuration()["main"]["size"]
        self.description = f"{self._name} ({self._camera.camera_properties.get('Model', 'unknown')}), {width}x{height}"
        self._job: Any = None
        self._exposed_ns: int | None = None
        self._index = 0

    def _configure(self, options: CameraOptions) -> None:
        wanted = (options.width or 640, options.height or 480)
        # queue=False: a frame taken is one that was finished after it was asked for, never one that lay waiting.
        configuration = self._camera.create_video_configuration(
            main={"size": wanted, "format": PIXEL_FORMAT}, buffer_count=_BUFFERS, queue=False
        )
        self._camera.configure(configuration)
        # What the camera cannot do, libcamera replaces without a word.
        granted = self._camera.camera_configuration()["main"]
        if granted["format"] != PIXEL_FORMAT:
            raise CameraError(
                f"{self._name} must deliver RGB, it delivers {granted['format']}; a USB camera is read as /dev/videoN"
            )
        if (options.width or options.height) and granted["size"] != wanted:
            size, nearest = ("{}x{}".format(*pair) for pair in (wanted, granted["size"]))
            raise UsageError(f"--size: {self._name} cannot deliver {size}; the nearest it has is {nearest}")
        if options.fps is not None:
            self._set_rate(options.fps)

    def _set_rate(self, fps: float) -> None:
        shortest, longest = self._camera.camera_controls["FrameDurationLimits"][:2]
        microseconds = round(1e6 / fps)
        if not shortest <= microseconds <= longest:
            able = f"{1e6 / longest:.3g} to {1e6 / shortest:.4g}"
            raise UsageError(f"--fps: {self._name} delivers {able} frames/s at this size, got {fps:g}")
        self._camera.set_controls({"FrameDurationLimits": (microseconds, microseconds)})

    def poll(self, seconds: float) -> Frame | None:
        """See :meth:`PolledCamera.poll`."""
        try:
            # A job stays queued until a frame comes for it, so it is asked for again in the next turn, not made anew.
            self._job = self._job or self._camera.capture_request(wait=False)
            request = self._job.get_result(timeout=seconds)
            self._job = None
            return self._take(request)
        except (concurrent.futures.TimeoutError, TimeoutError):
            return None
        except (RuntimeError, OSError) as error:
            self._job = None
            raise CameraError(f"{self.description} failed: {error}") from error

    def _take(self, request: Any) -> Frame:
        try:
            image = np.ascontiguousarray(request.make_array("main"), dtype=np.uint8)
            metadata = request.get_metadata()
        finally:
            request.release()
        captured_at, index = self._place(metadata)
        return Frame(image, captured_at=captured_at, index=index)

    def _place(self, metadata: dict[str, Any]) -> tuple[float, int]:
        """Moment on the monotonic clock, and number of a frame counted by the sensor's clock, so that gaps show."""
        boot_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        exposed_ns = int(metadata.get("SensorTimestamp") or boot_ns)
        if self._exposed_ns is not None:
            duration_ns = (metadata.get("FrameDuration") or _USUAL_FRAME_US) * 1000
            # From frame to frame: counted from the first one, a clock a little off would invent gaps in the long run.
            self._index += max(1, round((exposed_ns - self._exposed_ns) / duration_ns))
        self._exposed_ns = exposed_ns
        # The sensor's clock also counts time asleep; time.monotonic() does not.
        return time.monotonic() - (boot_ns - exposed_ns) / 1e9, self._index

    def release(self) -> None:
        """Stop the camera and let others have it."""
        # A capture that still waits for its frame would keep stop() waiting too: for ever, if the cable is loose.
        for give_up in (self._camera.cancel_all_and_flush, self._camera.stop, self._camera.close):
            with contextlib.suppress(RuntimeError, OSError):  # one that fails even here must not keep the rest back
                give_up()


def open_picamera2(source: str, options: CameraOptions) -> PiCamera:
    """Open ``picamera2://N``; N may be left out for camera 0."""
    number = re.fullmatch(r"picamera2://(\d*)/?", source)
    if number is None:
        raise UsageError(f"the Pi's camera is picamera2://N, as picamera2://0; got {source}")
    return PiCamera(int(number[1] or 0), options)


def _load() -> ModuleType:
    name = {"": "picamera2", "mock": "hawklet.cameras.mock_picamera2"}.get(os.environ.get("HAWKLET_PICAMERA2", ""))
    if name is None:
        raise UsageError(f"HAWKLET_PICAMERA2 may be mock or unset, got {os.environ['HAWKLET_PICAMERA2']}")
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingDependencyError(
            f"picamera2:// needs the system's picamera2, which this Python does not see; on a Raspberry Pi run {_GET} "
            f"({error})"
        ) from error
    except ValueError as error:
        # "numpy.dtype size changed": modules compiled against the system's numpy, loaded beside another.
        raise MissingDependencyError(
            "the system's picamera2 works with the system's numpy alone, and this environment has its own; run: "
            f"pip uninstall numpy ({error})"
        ) from error


def _require_camera(picamera2: ModuleType, number: int) -> None:
    if not hasattr(picamera2.Picamera2, "cancel_all_and_flush"):
        raise MissingDependencyError("picamera2 must be 0.3.20 or newer; run: sudo apt update && sudo apt full-upgrade")
    try:
        found = picamera2.Picamera2.global_camera_info()
    except (RuntimeError, OSError) as error:
        raise CameraError(f"the cameras cannot be listed: {error}; check with: rpicam-hello --list-cameras") from error
    if number >= len(found):
        there = ", ".join(f"{i}: {camera.get('Model', '?')}" for i, camera in enumerate(found)) or "none"
        raise CameraNotFoundError(f"there is no camera {number}; found {there}; check the cable with the board off")


def _acquire(picamera2: ModuleType, number: int) -> Any:
    try:
        return picamera2.Picamera2(number)
    except (RuntimeError, IndexError, OSError) as error:
        reason = error.__cause__ or error  # picamera2 wraps libcamera's words in its own, which say nothing
        raise CameraError(f"camera {number} cannot be opened; is another program using it? ({reason})") from error
