from __future__ import annotations

import errno
import io
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tiny_models
from hawklet import open_camera
from hawklet.cameras import CameraOptions
from hawklet.cameras.v4l2 import V4l2Camera, decode_mjpeg, decode_yuyv
from hawklet.errors import CameraError, CameraNotFoundError

linuxpy = pytest.importorskip("linuxpy.video.device", reason="V4L2 cameras need the extra 'camera'")


def _jpeg(colour: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(tiny_models.solid(colour, 64)).save(stream, "JPEG")
    return stream.getvalue()


class _Raw(bytes):
    """One captured buffer, as linuxpy hands it out."""

    width, height = 64, 48
    frame_nb = 0
    timestamp = 0.0


def _raw(data: bytes, number: int, timestamp: float | None = None) -> _Raw:
    raw = _Raw(data)
    raw.frame_nb, raw.timestamp = number, time.monotonic() if timestamp is None else timestamp
    return raw


class _FakeLinuxpy:
    """linuxpy's devices and captures: opened before use, streaming only between open and close."""

    def __init__(self, formats: tuple[str, ...], frames: list[_Raw | OSError], refusal: int | None = None) -> None:
        self.calls: list[Any] = []
        fake = self

        class Device:
            def __init__(self, path: str) -> None:
                if refusal is not None:
                    raise OSError(refusal, "refused", path)
                self.info = SimpleNamespace(
                    formats=[SimpleNamespace(pixel_format=SimpleNamespace(name=f)) for f in formats]
                )

            def open(self) -> None:
                fake.calls.append("device open")

            def close(self) -> None:
                fake.calls.append("device close")

        class VideoCapture:
            def __init__(self, device: Device, size: int) -> None:
                self.streaming = False

            def set_format(self, width: int, height: int, code: str) -> None:
                assert not self.streaming, "the driver refuses a new format while it streams"
                fake.calls.append((width, height, code))

            def set_fps(self, fps: float) -> None:
                fake.calls.append(fps)

            def open(self) -> None:
                self.streaming = True

            def close(self) -> None:
                self.streaming = False

            def __iter__(self) -> Iterator[_Raw]:
                for frame in frames:
                    assert self.streaming
                    if isinstance(frame, OSError):
                        raise frame
                    yield frame

        self.Device, self.VideoCapture = Device, VideoCapture


def _open(*args: Any, **options: Any) -> V4l2Camera:
    return V4l2Camera("/dev/video0", CameraOptions(**options), _FakeLinuxpy(*args))  # type: ignore[arg-type]  # a stand-in


def test_mjpeg_is_preferred_and_decoded_with_the_kernels_time_and_number() -> None:
    fake_time = time.monotonic() - 0.25
    frames: list[Any] = [_raw(_jpeg("red"), 7, fake_time), _raw(_jpeg("blue"), 9)]
    fake = _FakeLinuxpy(("YUYV", "MJPEG"), frames)
    with V4l2Camera("/dev/video0", CameraOptions(320, 240, 15), fake) as camera:  # type: ignore[arg-type]  # a stand-in
        first, second = camera.read(), camera.read()
    assert first is not None
    assert second is not None
    assert (320, 240, "MJPG") in fake.calls
    assert 15 in fake.calls
    assert first.image[..., 0].mean() > 150
    assert first.captured_at == fake_time
    assert (first.index, second.index) == (0, 2)
    assert fake.calls[-1] == "device close"


def test_a_damaged_frame_is_passed_over_but_not_a_camera_of_them() -> None:
    with _open(("MJPEG",), [_raw(b"\xff\xd8 damaged", 0), _raw(_jpeg("green"), 1)]) as camera:
        frame = camera.read()
    assert frame is not None
    assert frame.index == 1
    with _open(("MJPEG",), [_raw(b"x", n) for n in range(99)]) as camera, pytest.raises(CameraError, match="in a row"):
        camera.read()


def test_yuyv_is_converted_to_rgb() -> None:
    pytest.importorskip("av")
    y, u, v = 82, 90, 240  # BT.601 red, limited range
    packed = np.tile(np.array([y, u, y, v], dtype=np.uint8), 64 * 48 // 2).tobytes()
    with _open(("YUYV",), [_raw(packed, 0)]) as camera:
        frame = camera.read()
    assert frame is not None
    assert frame.image.shape == (48, 64, 3)
    assert frame.image[24, 32] == pytest.approx([255, 0, 0], abs=6)
    assert decode_yuyv(packed[:-1], 64, 48) is None
    assert decode_mjpeg(b"") is None


def test_a_clock_that_is_not_the_monotonic_one_is_not_believed() -> None:
    with _open(("MJPEG",), [_raw(_jpeg("red"), 0, timestamp=1.7e9)]) as camera:
        frame = camera.read()
    assert frame is not None
    assert abs(frame.captured_at - time.monotonic()) < 5


@pytest.mark.parametrize(
    ("refusal", "words"), [(errno.EACCES, "usermod -aG video"), (errno.EBUSY, "in use"), (errno.ENODEV, "unplugged")]
)
def test_why_a_device_cannot_be_opened_is_told(refusal: int, words: str) -> None:
    with pytest.raises(CameraError, match=words):
        _open(("MJPEG",), [], refusal)


def test_an_unplugged_camera_ends_with_a_clear_error() -> None:
    with _open(("MJPEG",), [_raw(_jpeg("red"), 0), OSError(errno.ENODEV, "No such device")]) as camera:
        camera.read()
        with pytest.raises(CameraError, match="unplugged"):
            camera.read()


def test_a_node_without_pictures_is_refused() -> None:
    with pytest.raises(CameraError, match="it offers H264"):
        _open(("H264",), [])


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(CameraNotFoundError, match="no /dev/video987"):
        open_camera("/dev/video987")
