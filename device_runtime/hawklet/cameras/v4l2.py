"""USB and other Video4Linux cameras through linuxpy, with the kernel's timestamps and sequence numbers."""

from __future__ import annotations

import errno
import io
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from hawklet.cameras import Camera, CameraOptions
from hawklet.errors import CameraError, CameraNotFoundError, MissingDependencyError
from hawklet.spec import Frame, Pixels

_BUFFERS = 3
_FORMATS = (("MJPEG", "MJPG"), ("YUYV", "YUYV"))
"""Taken in this order: linuxpy's name and the four-character code. MJPEG, as USB carries few raw frames a second."""
_MOST_DAMAGED = 30
"""Damaged frames in a row after which the camera counts as failed."""


class V4l2Camera(Camera):
    """Frames of ``/dev/videoN``.

    Args:
        path: The device.
        options: Size (default 640x480) and frames a second; the driver may choose the nearest it has, and
            ``description`` says what it chose.
        library: linuxpy's ``video.device``, or a stand-in that keeps its rules.
    """

    live = True

    def __init__(self, path: str, options: CameraOptions, library: ModuleType | None = None) -> None:
        linuxpy = library or _load()
        self._path = path
        self._device: Any = None
        try:
            device = linuxpy.Device(path)
            device.open()
            self._device = device
            self._code = _choose_format(device, path)
            self._capture: Any = linuxpy.VideoCapture(device, size=_BUFFERS)
            self._capture.set_format(options.width or 640, options.height or 480, self._code)
            if options.fps is not None:
                self._capture.set_fps(options.fps)
            self._capture.open()
        except OSError as error:
            self.close()
            raise _mapped(error, path) from error
        self._frames: Iterator[Any] = iter(self._capture)
        self.description = f"{path} ({self._code})"
        self._first: int | None = None

    def read(self) -> Frame | None:
        """See :meth:`Camera.read`; a frame that arrives damaged is passed over."""
        for _ in range(_MOST_DAMAGED):
            if self._device is None:
                return None
            try:
                raw = next(self._frames, None)
            except OSError as error:
                raise _mapped(error, self._path) from error
            if raw is None:
                raise CameraError(f"{self._path} stopped sending frames; was it unplugged?")
            number = self._number(raw)
            image = decode_mjpeg(bytes(raw)) if self._code == "MJPG" else decode_yuyv(bytes(raw), raw.width, raw.height)
            if image is not None:
                return Frame(image, captured_at=self._moment(raw), index=number)
        raise CameraError(f"{self._path} sent {_MOST_DAMAGED} damaged frames in a row; try another cable or --size")

    def _moment(self, raw: Any) -> float:
        # Drivers stamp with the monotonic clock; the few that do not are recognised by times far from now.
        now = time.monotonic()
        return float(raw.timestamp) if abs(now - raw.timestamp) < 60 else now

    def _number(self, raw: Any) -> int:
        if self._first is None:
            self._first = raw.frame_nb
        return int(raw.frame_nb - self._first)

    def close(self) -> None:
        """Stop the stream and close the device."""
        device, self._device = self._device, None
        if device is None:
            return
        try:
            if getattr(self, "_capture", None) is not None:
                self._capture.close()
        except OSError:
            pass  # unplugged: there is nothing left to stop
        finally:
            device.close()


def open_v4l2(source: str, options: CameraOptions) -> V4l2Camera:
    """Open ``/dev/videoN``."""
    return V4l2Camera(source, options)


def decode_mjpeg(data: bytes) -> Pixels | None:
    """uint8 [H, W, 3] RGB of one JPEG frame; None if it is damaged."""
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
            return np.array(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError):
        return None


def decode_yuyv(data: bytes, width: int, height: int) -> Pixels | None:
    """uint8 [H, W, 3] RGB of one YUYV (4:2:2, BT.601) frame; None if it is cut short.

    Raises:
        MissingDependencyError: PyAV, which converts it, is not installed.
    """
    if len(data) < width * height * 2:
        return None
    try:
        import av
    except ImportError as error:
        raise MissingDependencyError.for_extra("PyAV", "camera", "a camera that sends raw YUYV frames") from error
    packed = np.frombuffer(data, dtype=np.uint8, count=width * height * 2).reshape(height, width, 2)
    return np.asarray(av.VideoFrame.from_ndarray(packed, format="yuyv422").to_ndarray(format="rgb24"), dtype=np.uint8)


def _load() -> ModuleType:
    try:
        import linuxpy.video.device
    except ImportError as error:
        raise MissingDependencyError.for_extra("linuxpy", "camera", "a /dev/video camera") from error
    library: ModuleType = linuxpy.video.device
    return library


def _choose_format(device: Any, path: str) -> str:
    offered = {entry.pixel_format.name for entry in device.info.formats}
    for name, code in _FORMATS:
        if name in offered:
            return code
    raise CameraError(
        f"{path} must offer MJPEG or YUYV frames, it offers {', '.join(sorted(offered)) or 'none'}; "
        "a camera has several /dev/video nodes, of which the first delivers pictures"
    )


def _mapped(error: OSError, path: str) -> CameraError:
    if isinstance(error, CameraError):
        return error
    known = {
        errno.ENOENT: f"there is no {path}; see: ls /dev/video*",
        errno.EACCES: f"{path} may not be opened; run: sudo usermod -aG video $USER, and log in again",
        errno.EBUSY: f"{path} is in use by another program",
        errno.ENODEV: f"{path} was unplugged",
    }
    text = known.get(error.errno or 0, f"{path} failed: {error.strerror or error}")
    return CameraNotFoundError(text) if error.errno == errno.ENOENT else CameraError(text)
