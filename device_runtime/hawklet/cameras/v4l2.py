"""USB and other Video4Linux cameras through linuxpy, with the kernel's timestamps and sequence numbers."""

from __future__ import annotations

import errno
import functools
import io
import time
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from hawklet.cameras import CameraOptions
from hawklet.cameras.polling import PolledCamera
from hawklet.errors import CameraError, CameraNotFoundError, HawkletError, MissingDependencyError, UsageError
from hawklet.spec import Frame, Pixels

_BUFFERS = 3
_FORMATS = {"MJPEG": "MJPG", "YUYV": "YUYV"}
"""linuxpy's name and the four-character code; in this order, as USB carries few raw frames a second."""
_MOST_DAMAGED = 30
"""Damaged frames in a row after which the camera counts as failed."""
_JPEG_BLOCK = 16
"""Some cameras send JPEGs rounded up to whole blocks of so many pixels."""


@dataclass(frozen=True)
class Granted:
    """What the driver made of a wish."""

    code: str
    """``MJPG`` or ``YUYV``."""
    width: int
    height: int
    stride: int
    """Bytes from one row to the next; 0 for MJPEG."""
    fps: float | None
    """Frames a second; None = not asked for, or the driver has no say in it."""


class V4l2Camera(PolledCamera):
    """Frames of ``/dev/videoN``, as MJPEG or YUYV, whichever honours the wishes; MJPEG if both do.

    Args:
        path: The device.
        options: Size (default 640x480, or the nearest the camera has) and frames a second (default: the driver's).
        library: linuxpy's ``video.device``, or a stand-in that keeps its rules.

    Raises:
        CameraNotFoundError: there is no such device.
        CameraError: it is in use, may not be opened, or delivers no pictures.
        UsageError: it cannot deliver the size or the rate.
    """

    def __init__(self, path: str, options: CameraOptions, library: Any = None) -> None:
        super().__init__()
        linuxpy = library or _load()
        self._path = self.description = path
        self._failures = (OSError, linuxpy.V4L2Error)
        self._damaged_flag = linuxpy.BufferFlag.ERROR
        self._capture: Any = None
        self._device: Any = linuxpy.Device(path)
        try:
            self._device.open()
            self._capture = linuxpy.VideoCapture(self._device, size=_BUFFERS)
            self._granted = _negotiate(self._capture, path, options)
            self._capture.open()
        except HawkletError:
            self.release()
            raise
        except self._failures as error:
            self.release()
            raise _mapped(error, path) from error
        self.description = f"{path} ({self._granted.code}), {self._granted.width}x{self._granted.height}"
        self._sequence: int | None = None
        self._index = 0
        self._damaged = 0

    def poll(self, seconds: float) -> Frame | None:
        """See :meth:`PolledCamera.poll`."""
        try:
            raw = self._capture.buffer.frame_reader.read(seconds)
        except BlockingIOError:
            return None
        except self._failures as error:
            raise _mapped(error, self._path) from error
        if raw is None:
            return None
        index = self._count(int(raw.frame_nb))
        image = None if raw.flags & self._damaged_flag else self._decode(bytes(raw))
        if image is None:
            self._damaged += 1
            if self._damaged == _MOST_DAMAGED:
                raise CameraError(
                    f"{self._path} sent {_MOST_DAMAGED} damaged frames in a row; try another cable or --size"
                )
            return None
        self._damaged = 0
        return Frame(image, captured_at=_moment(float(raw.timestamp)), index=index)

    def _decode(self, data: bytes) -> Pixels | None:
        granted = self._granted
        if granted.code == "MJPG":
            return decode_mjpeg(data, granted.width, granted.height)
        return decode_yuyv(data, granted.width, granted.height, granted.stride)

    def _count(self, sequence: int) -> int:
        if self._sequence is not None:
            self._index += max(1, sequence - self._sequence)  # a driver that does not count gives 0 every time
        self._sequence = sequence
        return self._index

    def release(self) -> None:
        """Stop the stream and close the device."""
        try:
            if self._capture is not None:
                self._capture.close()
        except self._failures:
            pass  # unplugged: there is nothing left to stop
        finally:
            self._device.close()


def open_v4l2(source: str, options: CameraOptions) -> V4l2Camera:
    """Open ``/dev/videoN``."""
    return V4l2Camera(source, options)


def _moment(timestamp: float) -> float:
    """Seconds on the monotonic clock: drivers stamp with it, and the few that do not are told by times far from now."""
    now = time.monotonic()
    return min(timestamp, now) if abs(now - timestamp) < 60 else now


def _negotiate(capture: Any, path: str, options: CameraOptions) -> Granted:
    """Set the first format that honours the wishes; without wishes, the first one."""
    offered = {entry.pixel_format.name for entry in capture.formats()}
    granted = [_ask(capture, code, options) for name, code in _FORMATS.items() if name in offered]
    if not granted:
        raise CameraError(
            f"{path} must offer MJPEG or YUYV frames, it offers {', '.join(sorted(offered)) or 'none'}; "
            "a camera has several /dev/video nodes, of which the first delivers pictures"
        )
    chosen = next((each for each in granted if _is_honoured(each, options)), None)
    if chosen is None:
        raise UsageError(_refusal(granted[0], path, options))
    # The driver keeps what was asked last.
    return chosen if chosen is granted[-1] else _ask(capture, chosen.code, options)


def _ask(capture: Any, code: str, options: CameraOptions) -> Granted:
    capture.set_format(options.width or 640, options.height or 480, code)
    fps = _set_rate(capture, options.fps)
    format_ = capture.get_format()
    stride = 0 if code == "MJPG" else max(format_.bytes_per_line, format_.width * 2)
    return Granted(code, format_.width, format_.height, stride, fps)


def _set_rate(capture: Any, fps: float | None) -> float | None:
    if fps is None:
        return None
    try:
        capture.set_fps(fps)
        return float(capture.get_fps())
    except ZeroDivisionError:
        return None  # how linuxpy meets a driver that answers with no interval at all
    except OSError as error:
        if error.errno not in (errno.ENOTTY, errno.EINVAL):
            raise
        return None


def _is_honoured(granted: Granted, options: CameraOptions) -> bool:
    if options.width not in (None, granted.width) or options.height not in (None, granted.height):
        return False
    # Cameras call 29.97 or 30.03 frames a second 30.
    return options.fps is None or (granted.fps is not None and abs(granted.fps / options.fps - 1) < 0.05)


def _refusal(nearest: Granted, path: str, options: CameraOptions) -> str:
    asked = f"{options.width or 640}x{options.height or 480}"
    has = f"{nearest.width}x{nearest.height}"
    if options.fps is None:
        return f"--size: {path} cannot deliver {asked}; the nearest it has is {has}"
    rate = "no rate that can be set" if nearest.fps is None else f"{nearest.fps:.4g} frames/s"
    return (
        f"--size, --fps: {path} cannot deliver {asked} at {options.fps:g} frames/s; the nearest it has is {has}, {rate}"
    )


def decode_mjpeg(data: bytes, width: int, height: int) -> Pixels | None:
    """uint8 [height, width, 3] RGB of one JPEG frame; None if it is damaged, which a wrong size shows too."""
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
            excess = (picture.width - width, picture.height - height)
            if not all(0 <= pixels < _JPEG_BLOCK for pixels in excess):
                return None
            return np.array(picture.convert("RGB"))[:height, :width]
    except (OSError, ValueError, SyntaxError):
        return None


def decode_yuyv(data: bytes, width: int, height: int, stride: int) -> Pixels | None:
    """uint8 [height, width, 3] RGB of one YUYV frame (4:2:2, BT.601, 16..235); None if it is cut short.

    Args:
        data: The frame as it came.
        width: Pixels, even.
        height: Pixels.
        stride: Bytes from one row to the next.
    """
    if len(data) < stride * height:
        return None
    rows = np.frombuffer(data, dtype=np.uint8, count=stride * height).reshape(height, stride)
    packed = np.ascontiguousarray(rows[:, : width * 2]).reshape(height, width, 2)
    av = _av()
    if av is None:
        return yuyv_to_rgb(packed)
    return np.asarray(av.VideoFrame.from_ndarray(packed, format="yuyv422").to_ndarray(format="rgb24"), dtype=np.uint8)


def yuyv_to_rgb(packed: Pixels) -> Pixels:
    """uint8 [H, W, 3] RGB of uint8 [H, W, 2] YUYV, where PyAV is missing; BT.601's matrix in 8-bit fractions."""
    luma = 298 * (packed[..., 0].astype(np.int32) - 16)
    chroma = packed[..., 1].astype(np.int32) - 128
    u, v = (np.repeat(chroma[:, start::2], 2, axis=1) for start in (0, 1))
    rgb = np.stack([luma + 409 * v, luma - 100 * u - 208 * v, luma + 516 * u], axis=-1)
    clipped: Pixels = np.clip((rgb + 128) >> 8, 0, 255).astype(np.uint8)
    return clipped


@functools.cache
def _av() -> ModuleType | None:
    try:
        import av
    except ImportError:
        return None
    library: ModuleType = av
    return library


def _load() -> ModuleType:
    try:
        import linuxpy.video.device
    except ImportError as error:
        raise MissingDependencyError.for_extra("linuxpy", "camera", "a /dev/video camera") from error
    library: ModuleType = linuxpy.video.device
    return library


def _mapped(error: Exception, path: str) -> CameraError:
    number = getattr(error, "errno", None)
    known = {
        errno.ENOENT: f"there is no {path}; see: ls /dev/video*",
        errno.EACCES: f"{path} may not be opened; run: sudo usermod -aG video $USER, and log in again",
        errno.EBUSY: f"{path} is in use by another program",
        errno.ENODEV: f"{path} was unplugged",
        errno.ENOTTY: f"{path} is no camera",
        errno.ENOSPC: f"{path} finds no room on its USB bus; ask for a smaller --size, or use another port",
    }
    text = known.get(number or 0, f"{path} failed: {getattr(error, 'strerror', None) or error}")
    return CameraNotFoundError(text) if number == errno.ENOENT else CameraError(text)
