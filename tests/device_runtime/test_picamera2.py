from __future__ import annotations

import time

import numpy as np
import pytest

from hawklet import open_camera
from hawklet.cameras import CameraOptions, mock_picamera2
from hawklet.cameras.mock_picamera2 import Picamera2
from hawklet.cameras.picamera2 import PiCamera
from hawklet.errors import CameraError, CameraNotFoundError, MissingDependencyError, UsageError
from hawklet.spec import Frame

FAST = CameraOptions(width=64, height=48, fps=200)


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
    assert frames[0].image.shape == (48, 64, 3)
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


def test_a_silent_camera_is_a_lost_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object, **__: object) -> None:
        raise TimeoutError

    with PiCamera(0, FAST, mock_picamera2) as camera:
        monkeypatch.setattr(Picamera2, "capture_request", silent)
        with pytest.raises(CameraError, match="sent nothing"):
            camera.read()


def test_the_address_and_the_environment_choose_the_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAWKLET_PICAMERA2", "mock")
    for address in ("picamera2://0", "picamera2://"):
        open_camera(address, FAST).close()
    with pytest.raises(CameraNotFoundError, match="no camera 3; found 0: mock"):
        open_camera("picamera2://3", FAST)
    with pytest.raises(UsageError, match="picamera2://0"):
        open_camera("picamera2://front")
    with pytest.raises(UsageError, match="try 640"):
        open_camera("picamera2://0", CameraOptions(width=641, height=480))


def test_without_picamera2_the_way_to_get_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HAWKLET_PICAMERA2", raising=False)
    monkeypatch.setitem(__import__("sys").modules, "picamera2", None)
    with pytest.raises(MissingDependencyError, match=r"python3-picamera2.*--system-site-packages"):
        open_camera("picamera2://0")


def test_the_mock_keeps_picamera2s_rules() -> None:
    camera = Picamera2(0)
    try:
        with pytest.raises(RuntimeError, match="not been configured"):
            camera.start()
        with pytest.raises(RuntimeError, match="Bad format"):
            camera.configure(camera.create_video_configuration({"size": (64, 48), "format": "RGB"}))
        camera.configure(camera.create_video_configuration({"size": (64, 48), "format": "RGB888"}, buffer_count=2))
        with pytest.raises(RuntimeError, match="not running"):
            camera.capture_request()
        camera.start()
        with pytest.raises(RuntimeError, match="must be stopped"):
            camera.configure(camera.create_video_configuration({"size": (64, 48), "format": "RGB888"}))
        held = [camera.capture_request(), camera.capture_request()]
        assert held[0].make_array("main")[0, 0].tolist() == [40, 40, 200]  # RGB888 is B, G, R in memory
        with pytest.raises(TimeoutError, match="must be released"):
            camera.capture_request()
        held[0].release()
        with pytest.raises(RuntimeError, match="released"):
            held[0].make_array("main")
    finally:
        camera.close()
