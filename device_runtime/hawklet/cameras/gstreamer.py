"""A Jetson's CSI camera through GStreamer (PyGObject), as NVIDIA's driver is reached no other way.

``HAWKLET_GSTREAMER_SOURCE`` replaces the source element, as with ``videotestsrc`` to try it without a Jetson.
"""

from __future__ import annotations

import os
import re
import time
from typing import Any

import numpy as np

from hawklet.cameras import Camera, CameraOptions
from hawklet.errors import CameraError, CameraNotFoundError, MissingDependencyError, UsageError
from hawklet.spec import Frame, Pixels

_SILENCE_NS = 5_000_000_000
"""Nanoseconds without a frame after which the camera counts as gone."""


def pipeline(sensor: int, options: CameraOptions, source: str | None = None) -> str:
    """The GStreamer pipeline: sensor, scaled by the Jetson's own hardware, to RGB, of which the newest frame is kept.

    Args:
        sensor: Which CSI camera.
        options: Size (default 1280x720) and frames a second (default 30).
        source: Another source element, which delivers plain memory.
    """
    width, height, fps = options.width or 1280, options.height or 720, round(options.fps or 30)
    size = f"width={width},height={height},framerate={fps}/1"
    if source:
        start = f"{source} ! video/x-raw,{size}"
    else:
        start = (
            f"nvarguscamerasrc sensor-id={sensor} ! video/x-raw(memory:NVMM),{size},format=NV12 "
            "! nvvidconv ! video/x-raw,format=BGRx"
        )
    return f"{start} ! videoconvert ! video/x-raw,format=RGB ! appsink name=frames max-buffers=1 drop=true sync=false"


class CsiCamera(Camera):
    """Frames of a CSI camera.

    Args:
        sensor: Which camera.
        options: Size and frames a second.
        gst: GStreamer's namespace, or a stand-in.
    """

    live = True

    def __init__(self, sensor: int, options: CameraOptions, gst: Any = None) -> None:
        self._gst = gst or _load()
        self._pipeline: Any = None
        description = pipeline(sensor, options, os.environ.get("HAWKLET_GSTREAMER_SOURCE"))
        try:
            self._pipeline = self._gst.parse_launch(description)
        except Exception as error:  # GLib.Error, which exists only where gi does
            raise CameraNotFoundError(
                f"csi://{sensor} needs a Jetson's GStreamer elements: {error}; "
                "check with: gst-inspect-1.0 nvarguscamerasrc"
            ) from error
        self._sink = self._pipeline.get_by_name("frames")
        if self._pipeline.set_state(self._gst.State.PLAYING) == self._gst.StateChangeReturn.FAILURE:
            self.close()
            raise CameraError(f"csi://{sensor} does not start; is the camera in use, or its ribbon loose?")
        self.description = f"csi://{sensor}"
        self._index = -1

    def read(self) -> Frame | None:
        """See :meth:`Camera.read`."""
        if self._pipeline is None:
            return None
        sample = self._sink.emit("try-pull-sample", _SILENCE_NS)
        if sample is None:
            raise CameraError(f"{self.description} sent nothing for {_SILENCE_NS / 1e9:.0f} s")
        self._index += 1
        # Only the newest frame is kept in the pipeline, so that now is at most one frame after its arrival.
        return Frame(_pixels(sample, self._gst), captured_at=time.monotonic(), index=self._index)

    def close(self) -> None:
        """Stop the pipeline."""
        if self._pipeline is not None:
            self._pipeline.set_state(self._gst.State.NULL)
            self._pipeline = None


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
