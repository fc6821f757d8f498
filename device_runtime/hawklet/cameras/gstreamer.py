"""A Jetson's CSI camera through GStreamer (PyGObject), as NVIDIA's driver is reached no other way.

``HAWKLET_GSTREAMER_SOURCE`` replaces the source element; ``videotestsrc is-live=true`` tries it without a Jetson.
"""

from __future__ import annotations

import os
import re
import time
from fractions import Fraction
from typing import Any

import numpy as np

from hawklet.cameras import CameraOptions
from hawklet.cameras.polling import PolledCamera
from hawklet.errors import CameraError, CameraNotFoundError, MissingDependencyError, UsageError
from hawklet.spec import Frame, Pixels


def pipeline(sensor: int, options: CameraOptions, source: str | None = None) -> str:
    """The GStreamer pipeline: sensor, scaled by the Jetson's own hardware, to RGB, of which the newest frame is kept.

    Args:
        sensor: Which CSI camera.
        options: Size (default 1280x720) and frames a second (default 30).
        source: Another source element, which delivers plain memory.
    """
    width, height = options.width or 1280, options.height or 720
    rate = _rate(options.fps or 30)
    size = f"width={width},height={height},framerate={rate.numerator}/{rate.denominator}"
    if source:
        start = f"{source} ! video/x-raw,{size}"
    else:
        start = (
            f"nvarguscamerasrc sensor-id={sensor} ! video/x-raw(memory:NVMM),{size},format=NV12 "
            "! nvvidconv ! video/x-raw,format=BGRx"
        )
    return f"{start} ! videoconvert ! video/x-raw,format=RGB ! appsink name=frames max-buffers=1 drop=true sync=false"


def _rate(fps: float) -> Fraction:
    """Frames a second as sensors give them: 29.97 means 30000/1001."""
    ntsc = Fraction(round(fps * 1.001) * 1000, 1001)
    return ntsc if abs(ntsc - fps) < 0.005 else Fraction(fps).limit_denominator(1000)


class CsiCamera(PolledCamera):
    """Frames of a CSI camera.

    Args:
        sensor: Which camera.
        options: Size and frames a second.
        gst: GStreamer's namespace, or a stand-in.

    Raises:
        CameraNotFoundError: this GStreamer lacks the Jetson's elements.
        CameraError: the camera does not start.
    """

    def __init__(self, sensor: int, options: CameraOptions, gst: Any = None) -> None:
        super().__init__()
        self._gst = gst or _load()
        self.description = f"csi://{sensor}"
        text = pipeline(sensor, options, os.environ.get("HAWKLET_GSTREAMER_SOURCE"))
        try:
            self._pipeline: Any = self._gst.parse_launch(text)
        except RuntimeError as error:  # GLib.Error is one
            raise CameraNotFoundError(
                f"{self.description} needs a Jetson's GStreamer elements: {error}; "
                "check with: gst-inspect-1.0 nvarguscamerasrc"
            ) from error
        self._sink = self._pipeline.get_by_name("frames")
        self._index = -1
        if self._pipeline.set_state(self._gst.State.PLAYING) == self._gst.StateChangeReturn.FAILURE:
            reason = self._ending() or "is the camera in use, or its ribbon loose?"
            self.release()
            raise CameraError(f"{self.description} does not start: {reason}")

    def poll(self, seconds: float) -> Frame | None:
        """See :meth:`PolledCamera.poll`."""
        sample = self._sink.emit("try-pull-sample", round(seconds * 1e9))
        if sample is None:
            reason = self._ending()
            if reason is not None:
                raise CameraError(f"{self.description} failed: {reason}")
            return None
        self._index += 1
        # Only the newest frame is kept in the pipeline, so that now is at most one frame after its arrival.
        return Frame(_pixels(sample, self._gst), captured_at=time.monotonic(), index=self._index)

    def _ending(self) -> str | None:
        """Why no more frames come, in GStreamer's words; None if nothing speaks against more."""
        kinds = self._gst.MessageType
        message = self._pipeline.get_bus().pop_filtered(kinds.ERROR | kinds.EOS)
        if message is None:
            return None
        return str(message.parse_error()[0].message) if message.type == kinds.ERROR else "it stopped sending"

    def release(self) -> None:
        """Stop the pipeline."""
        self._pipeline.set_state(self._gst.State.NULL)


def _pixels(sample: Any, gst: Any) -> Pixels:
    """uint8 [H, W, 3] RGB; GStreamer pads rows to four bytes."""
    structure = sample.get_caps().get_structure(0)
    width, height = structure.get_value("width"), structure.get_value("height")
    buffer = sample.get_buffer()
    mapped, info = buffer.map(gst.MapFlags.READ)
    if not mapped:
        raise CameraError("a frame's memory cannot be read")
    try:
        rows = np.frombuffer(info.data, dtype=np.uint8)[: height * (-(-width * 3 // 4) * 4)]
        return np.array(rows.reshape(height, -1)[:, : width * 3].reshape(height, width, 3))
    finally:
        buffer.unmap(info)


def open_csi(source: str, options: CameraOptions) -> CsiCamera:
    """Open ``csi://N``; N may be left out for camera 0."""
    number = re.fullmatch(r"csi://(\d*)/?", source)
    if number is None:
        raise UsageError(f"a Jetson's camera is csi://N, as csi://0; got {source}")
    return CsiCamera(int(number[1] or 0), options)


def _load() -> Any:
    try:
        import gi

        gi.require_version("Gst", "1.0")
        from gi.repository import Gst
    except (ImportError, ValueError) as error:
        raise MissingDependencyError(
            "csi:// needs GStreamer for Python; on a Jetson run 'sudo apt install python3-gi gir1.2-gstreamer-1.0' and "
            f"make the environment with 'python3 -m venv --system-site-packages' ({error})"
        ) from error
    Gst.init(None)
    return Gst
