from __future__ import annotations

import concurrent.futures
import importlib
import threading
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from hawklet import open_camera
from hawklet.cameras import CameraOptions, mock_picamera2, polling
from hawklet.cameras.mock_picamera2 import MockRequest, Picamera2
from hawklet.cameras.picamera2 import PiCamera
from hawklet.errors import CameraError, CameraNotFoundError, MissingDependencyError, UsageError
from hawklet.spec import Frame

FAST = CameraOptions(width=64, height=64, fps=200)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "SILENCE_S", 0.05)
    monkeypatch.setattr(polling, "_TURN_S", 0.02)


def _read(camera: PiCamera, count: int) -> list[Frame]:
    frames = []
    for _ in range(count):
        frame = camera.read()
        assert frame is not None
        frames.append(frame)
    return frames


def test_frames_are_rgb_and_know_their_moment_of_exposure() -> None:
    with PiCamera(0, FAST, mock_picamera2) as camera:
        assert camera.live
        before = time.monotonic()
        frames = _read(camera, 3)
        after = time.monotonic()
    assert frames[0].image.shape == (64, 64, 3)
    assert frames[0].image[0, 0].tolist() == [200, 40, 40]  # red on the left: R comes first
    assert all(before - 0.02 <= f.captured_at <= after for f in frames)
    assert np.diff([f.captured_at for f in frames]).min() > 0


def test_frames_that_nobody_took_are_gaps_in_the_numbers() -> None:
    with PiCamera(0, FAST, mock_picamera2) as camera:
        (first,) = _read(camera, 1)
        time.sleep(0.06)
        (second,) = _read(camera, 1)
    assert first.index == 0
    assert second.index >= 10


def test_every_request_is_released_so_that_the_camera_never_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with PiCamera(0, FAST, mock_picamera2) as camera:
        _read(camera, 12)
        monkeypatch.setattr(
            mock_picamera2.MockRequest, "make_array", lambda *_: (_ for _ in ()).throw(RuntimeError("x"))
        )
        for _ in range(5):
            with pytest.raises(CameraError, match="failed: x"):
                camera.read()


def test_one_program_owns_a_camera_and_lets_it_go() -> None:
    with PiCamera(0, FAST, mock_picamera2), pytest.raises(CameraError, match="another program"):
        PiCamera(0, FAST, mock_picamera2)
    camera = PiCamera(0, FAST, mock_picamera2)
    camera.close()
    camera.close()
    assert camera.read() is None


def test_a_silent_camera_is_a_lost_one_and_can_still_be_closed(
    monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    with PiCamera(0, FAST, mock_picamera2) as camera:
        _read(camera, 1)
        monkeypatch.setattr(Picamera2, "silent", True)
        with pytest.raises(CameraError, match="sent nothing"):
            camera.read()
    monkeypatch.setattr(Picamera2, "silent", False)
    PiCamera(0, FAST, mock_picamera2).close()  # free again, so closing did not stop half-way


def test_a_camera_that_pauses_goes_on_with_the_frame_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with PiCamera(0, FAST, mock_picamera2) as camera:
        _read(camera, 1)
        monkeypatch.setattr(Picamera2, "silent", True)
        assert camera.poll(0.01) is None
        assert camera.poll(0.01) is None
        monkeypatch.setattr(Picamera2, "silent", False)
        assert len(_read(camera, 8)) == 8  # with three buffers, a request lost in the pause would show


def test_closing_ends_a_read_that_waits_in_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = PiCamera(0, FAST, mock_picamera2)
    monkeypatch.setattr(Picamera2, "silent", True)
    read: list[Frame | None] = []
    reader = threading.Thread(target=lambda: read.append(camera.read()))
    reader.start()
    camera.close()
    reader.join(10)
    assert read == [None]
    monkeypatch.setattr(Picamera2, "silent", False)
    PiCamera(0, FAST, mock_picamera2).close()


def test_a_clock_a_little_off_invents_no_gaps_in_a_long_run() -> None:
    with PiCamera(0, FAST, mock_picamera2) as camera:
        indices = [
            camera._place({"SensorTimestamp": 10**9 + n * 33_340_000, "FrameDuration": 33_333})[1] for n in range(9000)
        ]
        assert indices == list(range(9000))
        assert camera._place({"SensorTimestamp": 10**9 + 9009 * 33_340_000, "FrameDuration": 33_333})[1] == 9009


def test_what_the_camera_cannot_deliver_is_refused_and_not_replaced() -> None:
    with pytest.raises(UsageError, match=r"--size: camera 0 cannot deliver 32x48; the nearest it has is 64x64"):
        PiCamera(0, CameraOptions(width=32, height=48), mock_picamera2)
    with pytest.raises(UsageError, match=r"cannot deliver 641x480; the nearest it has is 640x480"):
        PiCamera(0, CameraOptions(width=641, height=480), mock_picamera2)
    with pytest.raises(UsageError, match=r"--fps: camera 0 delivers 1 to 1000 frames/s at this size, got 0.5"):
        PiCamera(0, CameraOptions(fps=0.5), mock_picamera2)
    with PiCamera(0, CameraOptions(width=1332, height=990), mock_picamera2) as camera:  # a sensor's own size
        assert camera.description == "camera 0 (mock), 1332x990"


def test_a_usb_camera_which_delivers_no_rgb_is_sent_to_its_device(monkeypatch: pytest.MonkeyPatch) -> None:
    usb = {"Model": "webcam", "Num": 1, "Id": "/base/scb/usb1/1-1"}
    monkeypatch.setattr(Picamera2, "cameras", [*Picamera2.cameras, usb])
    for _ in range(2):  # refused twice alike, so that it was let go
        with pytest.raises(CameraError, match=r"delivers YUYV; a USB camera is read as /dev/videoN"):
            PiCamera(1, CameraOptions(fps=30), mock_picamera2)


def test_a_camera_stack_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("Failed to start camera manager")

    monkeypatch.setattr(Picamera2, "global_camera_info", broken)
    with pytest.raises(CameraError, match="cannot be listed: Failed to start"):
        PiCamera(0, FAST, mock_picamera2)
    monkeypatch.setattr(Picamera2, "global_camera_info", list)
    with pytest.raises(CameraNotFoundError, match="no camera 0; found none"):
        PiCamera(0, FAST, mock_picamera2)


def test_the_address_and_the_environment_choose_the_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAWKLET_PICAMERA2", "mock")
    for address in ("picamera2://0", "picamera2://"):
        open_camera(address, FAST).close()
    with pytest.raises(CameraNotFoundError, match="no camera 3; found 0: mock"):
        open_camera("picamera2://3", FAST)
    with pytest.raises(UsageError, match="picamera2://0"):
        open_camera("picamera2://front")
    monkeypatch.setenv("HAWKLET_PICAMERA2", "real")
    with pytest.raises(UsageError, match="may be mock or unset"):
        open_camera("picamera2://0")


def test_without_picamera2_the_way_to_get_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HAWKLET_PICAMERA2", raising=False)
    monkeypatch.setitem(__import__("sys").modules, "picamera2", None)
    with pytest.raises(MissingDependencyError, match=r"python3-picamera2.*--system-site-packages"):
        open_camera("picamera2://0")


def test_a_picamera2_that_does_not_fit_is_told_apart_from_a_missing_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> ModuleType:
        raise ValueError("numpy.dtype size changed, may indicate binary incompatibility")

    monkeypatch.delenv("HAWKLET_PICAMERA2", raising=False)
    monkeypatch.setattr(importlib, "import_module", load)
    with pytest.raises(MissingDependencyError, match="pip uninstall numpy"):
        PiCamera(0, FAST)
    old = ModuleType("picamera2")
    old.Picamera2 = type("Picamera2", (), {})  # type: ignore[attr-defined]  # a stand-in's only content
    with pytest.raises(MissingDependencyError, match=r"0\.3\.20 or newer"):
        PiCamera(0, FAST, old)


@pytest.fixture
def mock() -> Iterator[Picamera2]:
    camera = Picamera2(0)
    yield camera
    camera.cancel_all_and_flush()
    camera.close()


def _configuration(mock: Picamera2, pixel_format: str = "RGB888", **options: Any) -> dict[str, Any]:
    return mock.create_video_configuration({"size": (64, 64), "format": pixel_format}, **options)


def test_the_mock_is_configured_before_it_starts_and_not_while_it_runs(mock: Picamera2) -> None:
    with pytest.raises(RuntimeError, match="not been configured"):
        mock.start()
    with pytest.raises(RuntimeError, match="does not run"):
        mock.capture_request()
    mock.configure(_configuration(mock))
    mock.start()
    with pytest.raises(RuntimeError, match="must be stopped"):
        mock.configure(_configuration(mock))
    mock.stop()
    with pytest.raises(RuntimeError, match="does not run"):
        mock.capture_request()
    mock.close()
    for use in (mock.start, mock.create_video_configuration):
        with pytest.raises(RuntimeError, match="not opened"):
            use()


def test_the_mock_knows_picamera2s_formats_sizes_and_controls(mock: Picamera2) -> None:
    for configuration, words in (
        (_configuration(mock, "RGB"), "Bad format RGB"),
        ({**_configuration(mock), "main": {"format": "RGB888", "size": (63, 64)}}, "should be even"),
        ({**_configuration(mock), "main": {"format": "RGB888", "size": [64, 64]}}, "should be \\(width, height\\)"),
        (_configuration(mock, controls={"Contrasst": 1}), "Contrasst is not advertised"),
    ):
        with pytest.raises(RuntimeError, match=words):
            mock.configure(configuration)
    with pytest.raises(ValueError, match="Bad key 'rate'"):
        mock.create_video_configuration({"rate": 3})
    mock.configure(mock.create_video_configuration({"size": (101, 4001), "format": "YUV420"}))
    assert mock.camera_configuration()["main"] == {"size": (100, 1088), "format": "XBGR8888"}


@pytest.mark.parametrize(
    ("pixel_format", "first_pixel"),
    [
        ("BGR888", [200, 40, 40]),
        ("RGB888", [40, 40, 200]),
        ("XBGR8888", [200, 40, 40, 255]),
        ("XRGB8888", [40, 40, 200, 255]),
    ],
)
def test_the_mocks_bytes_lie_as_picamera2s_formats_say(
    mock: Picamera2, pixel_format: str, first_pixel: list[int]
) -> None:
    mock.configure(_configuration(mock, pixel_format))
    mock.start()
    request = mock.capture_request()
    assert isinstance(request, MockRequest)
    assert request.make_array("main")[0, 0].tolist() == first_pixel
    request.release()


def test_the_mock_runs_out_of_buffers_that_are_not_released(mock: Picamera2) -> None:
    mock.configure(_configuration(mock, buffer_count=2))
    mock.start()
    held = [mock.capture_request(), mock.capture_request()]
    with pytest.raises(RuntimeError, match="every buffer is held"):
        mock.capture_request()
    with pytest.raises(concurrent.futures.TimeoutError):
        mock.capture_request(wait=0.01)
    with pytest.raises(RuntimeError, match=r"cancel_all_and_flush\(\) first"):
        mock.stop()
    mock.cancel_all_and_flush()
    assert isinstance(held[0], MockRequest)
    held[0].release()
    for use in (held[0].release, held[0].get_metadata):
        with pytest.raises(RuntimeError, match="negative ref_count"):
            use()
    assert isinstance(mock.capture_request(), MockRequest)


def test_a_queue_hands_out_a_frame_that_lay_waiting_and_no_queue_does_not(mock: Picamera2) -> None:
    ages = {}
    for queue in (True, False):
        mock.configure(_configuration(mock, queue=queue, controls={"FrameDurationLimits": (50_000, 50_000)}))
        mock.start()
        time.sleep(0.12)
        asked_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        request = mock.capture_request()
        assert isinstance(request, MockRequest)
        ages[queue] = asked_ns - (request.get_metadata()["SensorTimestamp"] + 50_000_000)
        request.release()
        mock.stop()
    assert ages[True] > 0 > ages[False]  # finished before it was asked for, and after
