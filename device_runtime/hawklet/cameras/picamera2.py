"""The Raspberry Pi's camera through picamera2.

picamera2 comes with Raspberry Pi OS (``sudo apt install python3-picamera2``) and is not on the package index, so the
virtual environment must see the system's packages: ``python3 -m venv --system-site-packages``. Off a Pi,
``HAWKLET_PICAMERA2=mock`` puts :mod:`hawklet.cameras.mock_picamera2` in its place, which keeps the same rules.
"""

from __future__ import annotations

import concurrent.futures
import importlib
import os
import re
import time
from types import ModuleType
from typing import Any

import numpy as np

from hawklet.cameras import Camera, CameraOptions
from hawklet.errors import CameraError, CameraNotFoundError, MissingDependencyError, UsageError
from hawklet.spec import Frame

PIXEL_FORMAT = "BGR888"
"""picamera2 names formats by their bytes from the top of a little-endian word: this one delivers R, G, B in memory."""

_BUFFERS = 3
_SILENCE_S = 5.0
"""Seconds without a frame after which the camera counts as gone."""
_ALIGNMENT = 32
"""Widths of 24-bit formats must be multiples of this, pixels, for rows without padding."""


class PiCamera(Camera):
    """Frames of one camera, each with the sensor's own time of exposure.

    Args:
        number: Which camera, as ``rpicam-hello --list-cameras`` counts them.
        options: Size (default 640x480) and frames a second.
        library: picamera2, or the mock.
    """

    live = True

    def __init__(self, number: int, options: CameraOptions, library: ModuleType | None = None) -> None:
        picamera2 = library or _load()
        _require_camera(picamera2, number)
        width, height = options.width or 640, options.height or 480
        if width % _ALIGNMENT:
            near = max(_ALIGNMENT, round(width / _ALIGNMENT) * _ALIGNMENT)
            raise UsageError(f"--size: the Pi's camera takes widths in steps of {_ALIGNMENT}, got {width}; try {near}")
        try:
            self._camera: Any = picamera2.Picamera2(number)
        except (RuntimeError, IndexError, OSError) as error:
            raise CameraError(f"camera {number} cannot be opened; is another program using it? ({error})") from error
        try:
            self._camera.configure(self._configuration(width, height, options.fps))
            self._camera.start()
        except (RuntimeError, ValueError, OSError) as error:
            self._camera.close()
            raise CameraError(f"camera {number} refuses {width}x{height}: {error}") from error
        self.description = (
            f"camera {number} ({self._camera.camera_properties.get('Model', 'unknown')}), {width}x{height}"
        )
        self._first_ns: int | None = None
        self._index = -1

    def _configuration(self, width: int, height: int, fps: float | None) -> Any:
        controls = {}
        if fps is not None:
            microseconds = round(1e6 / fps)
            controls["FrameDurationLimits"] = (microseconds, microseconds)
        # queue=False: a frame taken is one exposed after the call, never an older one that lay waiting.
        return self._camera.create_video_configuration(
            main={"size": (width, height), "format": PIXEL_FORMAT},
            buffer_count=_BUFFERS,
            queue=False,
            controls=controls,
        )

    def read(self) -> Frame | None:
        """See :meth:`Camera.read`."""
        if self._camera is None:
            return None
        try:
            request = self._camera.capture_request(wait=_SILENCE_S)
            try:
                image = np.ascontiguousarray(request.make_array("main"), dtype=np.uint8)
                metadata = request.get_metadata()
            finally:
                request.release()
        except (concurrent.futures.TimeoutError, TimeoutError) as error:
            raise CameraError(f"{self.description} sent nothing for {_SILENCE_S:.0f} s; is its cable loose?") from error
        except (RuntimeError, OSError) as error:
            raise CameraError(f"{self.description} failed: {error}") from error
        captured_at, index = self._place(metadata)
        return Frame(image, captured_at=captured_at, index=index)

    def _place(self, metadata: dict[str, Any]) -> tuple[float, int]:
        """Moment on the monotonic clock, and number of a frame counted by the sensor's clock, so that gaps show."""
        exposed_ns = int(metadata["SensorTimestamp"])
        if self._first_ns is None:
            self._first_ns = exposed_ns
        duration_ns = float(metadata.get("FrameDuration", 33_333)) * 1e3
        self._index = max(self._index + 1, round((exposed_ns - self._first_ns) / duration_ns))
        # The sensor's clock also counts time asleep; time.monotonic() does not.
        asleep = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
        return exposed_ns / 1e9 - asleep, self._index

    def close(self) -> None:
        """Stop the camera and let others have it."""
        if self._camera is not None:
            self._camera.stop()
            self._camera.close()
            self._camera = None


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
            "picamera2:// needs the system's picamera2, which this Python does not see; on a Raspberry Pi run "
            "'sudo apt install python3-picamera2' and make the environment with "
            f"'python3 -m venv --system-site-packages' ({error})"
        ) from error


def _require_camera(picamera2: ModuleType, number: int) -> None:
    found = picamera2.Picamera2.global_camera_info()
    if number >= len(found):
        there = ", ".join(f"{i}: {camera.get('Model', '?')}" for i, camera in enumerate(found)) or "none"
        raise CameraNotFoundError(f"there is no camera {number}; found {there}; check the cable with the board off")
