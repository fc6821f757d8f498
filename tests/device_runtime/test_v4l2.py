from __future__ import annotations

import errno
import inspect
import io
import time
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tiny_models
from hawklet import open_camera
from hawklet.cameras import CameraOptions, polling, v4l2
from hawklet.cameras.v4l2 import V4l2Camera, decode_mjpeg, decode_yuyv, yuyv_to_rgb
from hawklet.errors import CameraError, CameraNotFoundError, MissingDependencyError, UsageError
from hawklet.spec import Frame

ERROR = 64


def _jpeg(colour: str, width: int = 64, height: int = 48) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(tiny_models.solid(colour, 64)).resize((width, height)).save(stream, "JPEG")
    return stream.getvalue()


class _Raw(bytes):
    """One captured buffer, as linuxpy hands it out."""

    frame_nb = 0
    timestamp = 0.0
    flags = 0


def _raw(data: bytes, number: int, timestamp: float | None = None, flags: int = 0) -> _Raw:
    raw = _Raw(data)
    raw.frame_nb, raw.timestamp = number, time.monotonic() if timestamp is None else timestamp
    raw.flags = flags
    return raw


class _FakeLinuxpy:
    """linuxpy's devices and captures: opened before use, streaming only between open and close.

    Args:
        offers: Sizes of each format; a wish gets the first of them unless it is among them.
        frames: Come one after the other; None is silence, an error is raised.
        refusal: Number of the error with which the device is opened.
        rates: Frames a second of each format; none: there is no rate to set.
        stride: Bytes of a row.
    """

    class V4L2Error(Exception):
        """As linuxpy's own, no OSError."""

    BufferFlag = SimpleNamespace(ERROR=ERROR)

    def __init__(
        self,
        offers: dict[str, list[tuple[int, int]]],
        frames: list[_Raw | Exception | None] | None = None,
        *,
        refusal: Exception | None = None,
        rates: dict[str, int] | None = None,
        stride: int = 0,
    ) -> None:
        self.calls: list[Any] = []
        fake, codes = self, {"MJPG": "MJPEG", "YUYV": "YUYV"}
        waiting = list(frames or [])

        class Device:
            def __init__(self, path: str) -> None:
                self.is_open = False

            def open(self) -> None:
                if refusal is not None:
                    raise refusal
                self.is_open = True

            def close(self) -> None:
                self.is_open = False
                fake.calls.append("device close")

        class VideoCapture:
            def __init__(self, device: Device, size: int) -> None:
                assert device.is_open
                assert size >= 2
                self.device, self.buffer = device, None
                self.code, self.size = "", (0, 0)

            def formats(self) -> list[Any]:
                return [SimpleNamespace(pixel_format=SimpleNamespace(name=name)) for name in offers]

            def set_format(self, width: int, height: int, pixel_format: str) -> None:
                assert self.buffer is None, "the driver refuses a new format while it has buffers"
                sizes = offers[codes[pixel_format]]
                self.code, self.size = pixel_format, (width, height) if (width, height) in sizes else sizes[0]

            def get_format(self) -> Any:
                return SimpleNamespace(width=self.size[0], height=self.size[1], bytes_per_line=stride)

            def set_fps(self, fps: float) -> None:
                if rates is None:
                    raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")

            def get_fps(self) -> Fraction:
                assert rates is not None
                return Fraction(rates[codes[self.code]])

            def open(self) -> None:
                fake.calls.append((self.code, *self.size))
                self.buffer = SimpleNamespace(frame_reader=self)

            def close(self) -> None:
                self.buffer = None
                fake.calls.append("capture close")

            def read(self, timeout: float) -> _Raw | None:
                assert self.buffer is not None
                assert self.device.is_open
                frame = waiting.pop(0) if waiting else None
                if isinstance(frame, Exception):
                    raise frame
                return frame

        self.Device, self.VideoCapture = Device, VideoCapture


def _open(fake: _FakeLinuxpy, **options: Any) -> V4l2Camera:
    return V4l2Camera("/dev/video0", CameraOptions(**options), fake)


def _mjpeg(*frames: _Raw | Exception | None) -> _FakeLinuxpy:
    return _FakeLinuxpy({"MJPEG": [(64, 48)]}, list(frames))


def _read(camera: V4l2Camera) -> Frame:
    frame = camera.read()
    assert frame is not None
    return frame


def test_mjpeg_is_preferred_and_decoded_with_the_kernels_time_and_number() -> None:
    moment = time.monotonic() - 0.25
    fake = _FakeLinuxpy(
        {"YUYV": [(64, 48)], "MJPEG": [(64, 48)]}, [_raw(_jpeg("red"), 7, moment), _raw(_jpeg("blue"), 9)]
    )
    with _open(fake) as camera:
        assert camera.live
        assert camera.description == "/dev/video0 (MJPG), 64x48"
        first, second = _read(camera), _read(camera)
    assert first.image.shape == (48, 64, 3)
    assert first.image[..., 0].mean() > 150
    assert first.captured_at == moment
    assert (first.index, second.index) == (0, 2)
    assert fake.calls == [("MJPG", 64, 48), "capture close", "device close"]
    assert camera.read() is None


def test_frames_of_a_driver_that_does_not_count_have_numbers_all_the_same() -> None:
    with _open(_mjpeg(*(_raw(_jpeg("red"), 0) for _ in range(3)))) as camera:
        assert [_read(camera).index for _ in range(3)] == [0, 1, 2]


def test_the_format_is_taken_that_honours_the_size_and_the_rate() -> None:
    offers = {"MJPEG": [(1280, 720), (640, 480)], "YUYV": [(640, 480), (320, 240)]}
    for wishes, taken in (
        ({"width": 320, "height": 240}, ("YUYV", 320, 240)),
        ({"width": 1280, "height": 720}, ("MJPG", 1280, 720)),
        ({"width": 640, "height": 480}, ("MJPG", 640, 480)),
        ({"width": 640, "height": 480, "fps": 15}, ("YUYV", 640, 480)),
        ({}, ("MJPG", 640, 480)),
    ):
        fake = _FakeLinuxpy(offers, rates={"MJPEG": 30, "YUYV": 15})
        with _open(fake, **wishes):
            assert fake.calls == [taken]


def test_a_wish_that_no_format_honours_is_refused_with_the_nearest() -> None:
    for wishes, rates, words in (
        (
            {"width": 700, "height": 500},
            None,
            "--size: /dev/video0 cannot deliver 700x500; the nearest it has is 64x48",
        ),
        ({"fps": 90}, {"MJPEG": 30}, "at 90 frames/s; the nearest it has is 64x48, 30 frames/s"),
        ({"fps": 90}, None, "64x48, no rate that can be set"),
    ):
        fake = _FakeLinuxpy({"MJPEG": [(64, 48)]}, rates=rates)
        with pytest.raises(UsageError, match=words):
            _open(fake, **wishes)
        assert fake.calls[-1] == "device close"


def test_a_damaged_frame_is_passed_over_but_not_a_camera_of_them() -> None:
    damaged = (
        _raw(b"\xff\xd8 damaged", 0),
        _raw(_jpeg("red")[:-200], 1),
        _raw(b"", 2),
        _raw(_jpeg("red"), 3, flags=ERROR),
        _raw(_jpeg("red", 640, 480), 4),
    )
    with _open(_mjpeg(*damaged, _raw(_jpeg("green"), 5))) as camera:
        frame = _read(camera)
        assert frame.index == 5
        assert frame.image[..., 1].mean() > 150
    with (
        _open(_mjpeg(*(_raw(b"x", n) for n in range(99)))) as camera,
        pytest.raises(CameraError, match="30 damaged frames in a row"),
    ):
        camera.read()


def test_a_silent_camera_is_a_lost_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with _open(_mjpeg(None, BlockingIOError(), None, _raw(_jpeg("red"), 0))) as camera:
        assert _read(camera).index == 0  # late, but it came
        monkeypatch.setattr(polling, "SILENCE_S", 0.0)
        with pytest.raises(CameraError, match="sent nothing"):
            camera.read()


def test_jpegs_without_tables_and_of_whole_blocks_are_read() -> None:
    whole = _jpeg("red", 80, 48)
    bare, at = whole[:2], 2
    while whole[at + 1] != 0xDA:  # start of scan
        end = at + 2 + int.from_bytes(whole[at + 2 : at + 4], "big")
        bare += b"" if whole[at + 1] == 0xC4 else whole[at:end]  # Huffman tables, which webcams leave out
        at = end
    bare += whole[at:]
    assert len(bare) < len(whole)
    read, expected = decode_mjpeg(bare, 72, 40), decode_mjpeg(whole, 80, 48)
    assert read is not None
    assert expected is not None
    assert (read == expected[:40, :72]).all()
    assert decode_mjpeg(whole, 64, 48) is None
    assert decode_mjpeg(whole, 81, 48) is None


def _yuyv(width: int, height: int, luma: Any, u: int, v: int) -> np.ndarray:
    packed = np.empty((height, width, 2), dtype=np.uint8)
    packed[..., 0], packed[:, 0::2, 1], packed[:, 1::2, 1] = luma, u, v
    return packed


@pytest.mark.parametrize("with_av", [True, False])
def test_yuyv_becomes_rgb_by_bt_601_and_padding_of_rows_is_left_out(
    with_av: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if with_av:
        pytest.importorskip("av")
    else:
        monkeypatch.setattr(v4l2, "_av", lambda: None)
    red = _yuyv(64, 48, 82, 90, 240)  # BT.601's red, in its limited range
    padded = np.full((48, 160), 255, dtype=np.uint8)
    padded[:, :128] = red.reshape(48, 128)
    fake = _FakeLinuxpy({"YUYV": [(64, 48)]}, [_raw(padded.tobytes()[:-1], 0), _raw(padded.tobytes(), 1)], stride=160)
    with _open(fake) as camera:
        frame = _read(camera)
    assert frame.index == 1  # the first one was cut short
    assert frame.image.shape == (48, 64, 3)
    assert np.abs(frame.image.astype(int) - [255, 0, 0]).max() <= 6


def test_both_ways_from_yuyv_to_rgb_agree() -> None:
    pytest.importorskip("av")
    packed = _yuyv(220, 16, np.arange(16, 236), 100, 160)
    converted = decode_yuyv(packed.tobytes(), 220, 16, 440)
    assert converted is not None
    assert np.abs(converted.astype(int) - yuyv_to_rgb(packed)).max() <= 3


def test_a_clock_that_is_not_the_monotonic_one_is_not_believed() -> None:
    with _open(_mjpeg(_raw(_jpeg("red"), 0, timestamp=1.7e9))) as camera:
        before = time.monotonic()
        assert before <= _read(camera).captured_at <= time.monotonic()


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (OSError(errno.EACCES, "Permission denied"), "usermod -aG video"),
        (OSError(errno.EBUSY, "Device or resource busy"), "in use"),
        (OSError(errno.ENODEV, "No such device"), "unplugged"),
        (OSError(errno.ENOSPC, "No space left on device"), "USB bus"),
        (OSError(errno.ENOTTY, "Inappropriate ioctl for device"), "is no camera"),
        (OSError(errno.EIO, "Input/output error"), "failed: Input/output error"),
        (_FakeLinuxpy.V4L2Error("Device doesn't have VIDEO_CAPTURE capability"), "failed: Device doesn't have"),
    ],
)
def test_why_a_device_cannot_be_opened_is_told(refusal: Exception, words: str) -> None:
    fake = _FakeLinuxpy({"MJPEG": [(64, 48)]}, refusal=refusal)
    with pytest.raises(CameraError, match=words):
        _open(fake)
    assert fake.calls == ["device close"]


def test_an_unplugged_camera_ends_with_a_clear_error() -> None:
    with _open(_mjpeg(_raw(_jpeg("red"), 0), OSError(errno.ENODEV, "No such device"))) as camera:
        camera.read()
        with pytest.raises(CameraError, match="unplugged"):
            camera.read()


def test_a_node_without_pictures_is_refused() -> None:
    with pytest.raises(CameraError, match="it offers H264"):
        _open(_FakeLinuxpy({"H264": [(64, 48)]}))
    with pytest.raises(CameraError, match="it offers none"):
        _open(_FakeLinuxpy({}))


def test_a_device_that_is_not_there_is_named() -> None:
    pytest.importorskip("linuxpy", reason="V4L2 cameras need the extra 'camera'")
    with pytest.raises(CameraNotFoundError, match="no /dev/video987"):
        open_camera("/dev/video987")


def test_without_linuxpy_the_extra_to_install_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "linuxpy.video.device", None)
    with pytest.raises(MissingDependencyError, match=r"hawklet\[camera\]"):
        open_camera("/dev/video987")


def test_linuxpy_has_what_the_stand_in_has() -> None:
    linuxpy = pytest.importorskip("linuxpy.video.device", reason="V4L2 cameras need the extra 'camera'")
    fake = _FakeLinuxpy({})
    for ours, theirs in (
        (fake.Device.__init__, linuxpy.Device.__init__),
        (fake.VideoCapture.__init__, linuxpy.VideoCapture.__init__),
        (fake.VideoCapture.set_format, linuxpy.VideoCapture.set_format),
        (fake.VideoCapture.set_fps, linuxpy.VideoCapture.set_fps),
        (fake.VideoCapture.read, linuxpy.FrameReader.read),
    ):
        assert len(inspect.signature(theirs).parameters) >= len(inspect.signature(ours).parameters)
    for name in ("formats", "get_format", "get_fps", "open", "close"):
        assert callable(getattr(linuxpy.VideoCapture, name))
    for name in ("frame_nb", "timestamp", "flags", "__bytes__"):
        assert hasattr(linuxpy.Frame, name)
    assert {"width", "height", "bytes_per_line"} <= set(linuxpy.Format._fields)
    assert linuxpy.BufferFlag.ERROR == ERROR
    assert {"MJPEG", "YUYV"} <= set(linuxpy.PixelFormat.__members__)
    assert "frame_reader" in inspect.getsource(linuxpy.MemorySource.__init__)
    assert issubclass(linuxpy.V4L2Error, Exception)
