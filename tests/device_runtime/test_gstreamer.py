from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hawklet import open_camera
from hawklet.cameras import CameraOptions, polling
from hawklet.cameras.gstreamer import CsiCamera, pipeline
from hawklet.errors import CameraError, CameraNotFoundError, MissingDependencyError, UsageError


class _Gst:
    """The part of GStreamer that the camera uses; pictures are 5 pixels wide, so that rows are padded."""

    State = SimpleNamespace(PLAYING="playing", NULL="null")
    StateChangeReturn = SimpleNamespace(FAILURE="failure", SUCCESS="success")
    MapFlags = SimpleNamespace(READ=1)
    MessageType = SimpleNamespace(ERROR=2, EOS=1)

    def __init__(
        self, pictures: list[np.ndarray], has_elements: bool = True, starts: bool = True, message: Any = None
    ) -> None:
        self.pictures, self.has_elements, self.starts, self.message = pictures, has_elements, starts, message
        self.description = self.state = ""

    def parse_launch(self, description: str) -> Any:
        if "nvarguscamerasrc" in description and not self.has_elements:
            raise RuntimeError('no element "nvarguscamerasrc"')
        self.description = description
        return self

    def get_by_name(self, name: str) -> Any:
        assert f"name={name}" in self.description
        return self

    def set_state(self, state: str) -> str:
        self.state = state
        return "success" if self.starts else "failure"

    def get_bus(self) -> Any:
        return SimpleNamespace(pop_filtered=lambda kinds: self.message if kinds == 3 else None)

    def emit(self, signal: str, timeout_ns: int) -> Any:
        assert signal == "try-pull-sample"
        if not self.pictures:
            return None
        picture = self.pictures.pop(0)
        height, width, _ = picture.shape
        padded = np.zeros((height, -(-width * 3 // 4) * 4), dtype=np.uint8)
        padded[:, : width * 3] = picture.reshape(height, -1)
        size = {"width": width, "height": height}
        buffer = SimpleNamespace(map=lambda _: (True, SimpleNamespace(data=padded.tobytes())), unmap=lambda _: None)
        caps = SimpleNamespace(get_structure=lambda _: SimpleNamespace(get_value=size.__getitem__))
        return SimpleNamespace(get_caps=lambda: caps, get_buffer=lambda: buffer)


def test_the_pipeline_scales_on_the_jetson_and_keeps_only_the_newest_frame() -> None:
    text = pipeline(1, CameraOptions(640, 480, 60))
    assert text.startswith(
        "nvarguscamerasrc sensor-id=1 ! video/x-raw(memory:NVMM),width=640,height=480,framerate=60/1"
    )
    assert "format=RGB ! appsink" in text
    assert "max-buffers=1 drop=true sync=false" in text
    assert "framerate=30000/1001," in pipeline(0, CameraOptions(fps=29.97))
    assert "framerate=1/2," in pipeline(0, CameraOptions(fps=0.5))
    assert pipeline(0, CameraOptions(), "videotestsrc").startswith("videotestsrc ! video/x-raw,width=1280,height=720")


def test_padded_rows_become_a_plain_rgb_picture_and_silence_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    gst = _Gst([picture])
    with CsiCamera(0, CameraOptions(), gst) as camera:
        frame = camera.read()
        assert frame is not None
        assert (frame.image == picture).all()
        monkeypatch.setattr(polling, "SILENCE_S", 0.0)
        with pytest.raises(CameraError, match="sent nothing"):
            camera.read()
    assert gst.state == "null"
    assert camera.read() is None


def test_without_the_jetsons_elements_the_check_to_run_is_told() -> None:
    with pytest.raises(CameraNotFoundError, match=r"gst-inspect-1\.0"):
        CsiCamera(0, CameraOptions(), _Gst([], has_elements=False))


def _error(words: str) -> Any:
    return SimpleNamespace(type=2, parse_error=lambda: (SimpleNamespace(message=words), "where"))


def test_why_a_camera_failed_is_told_in_gstreamers_words() -> None:
    gst = _Gst([], message=_error("Invalid camera device specified 7"))
    with (
        CsiCamera(7, CameraOptions(), gst) as camera,
        pytest.raises(CameraError, match="csi://7 failed: Invalid camera"),
    ):
        camera.read()
    with (
        CsiCamera(0, CameraOptions(), _Gst([], message=SimpleNamespace(type=1))) as camera,
        pytest.raises(CameraError, match="stopped sending"),
    ):
        camera.read()


def test_a_camera_that_does_not_start_is_let_go() -> None:
    gst = _Gst([], starts=False)
    with pytest.raises(CameraError, match="in use, or its ribbon loose"):
        CsiCamera(0, CameraOptions(), gst)
    assert gst.state == "null"
    with pytest.raises(CameraError, match="does not start: no permission"):
        CsiCamera(0, CameraOptions(), _Gst([], starts=False, message=_error("no permission")))


def test_the_address_is_checked_and_a_missing_gi_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="csi://0"):
        open_camera("csi://left")
    monkeypatch.setitem(__import__("sys").modules, "gi", None)
    with pytest.raises(MissingDependencyError, match="python3-gi"):
        open_camera("csi://0")
