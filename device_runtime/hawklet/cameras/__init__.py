"""Sources of frames. One base class with one method to write, and the table that reads a source's address.

To add a source, subclass :class:`Camera` in a module of its own and add a line to :func:`open_camera`'s table.
"""

from __future__ import annotations

import importlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from hawklet.addresses import without_secrets
from hawklet.errors import CameraNotFoundError, UsageError
from hawklet.spec import Frame


@dataclass(frozen=True)
class CameraOptions:
    """What a user may ask of a source; a source that cannot honour a wish refuses it."""

    width: int | None = None
    """Frame width, pixels; None = the source's own choice."""
    height: int | None = None
    """Frame height, pixels; None = the source's own choice."""
    fps: float | None = None
    """Frames per second; None = the source's own choice."""
    realtime: bool = False
    """Video files only: play at the film's own speed and drop what comes too late, as a camera would."""
    report: Callable[[str], None] = lambda line: None
    """Told, in one line each, of pictures that could not be read and are passed over."""
    planes: int = 3
    """Planes that a frame must have: 3 = RGB; 4 = RGB and a fourth, which only picture files have."""


class Camera(ABC):
    """A source of frames, used as a context manager.

    An implementer must provide :meth:`read` and open its device in the constructor; it should set ``live`` and
    ``description``, and release its device in :meth:`close`. Errors of the underlying library must be mapped to
    :class:`hawklet.errors.CameraError` before they leave the module.
    """

    live: bool = False
    """True: frames that nobody takes in time are gone, so the newest is wanted. False: every frame is wanted."""
    is_film: bool = False
    """Frames follow each other in time although they come from a file, so one updating line shows them best."""
    description: str = "camera"
    """What is being read, for people."""

    @abstractmethod
    def read(self) -> Frame | None:
        """Wait for the next frame; None when there are no more.

        Raises:
            CameraError: the device failed or was unplugged.
        """

    def close(self) -> None:  # noqa: B027 -- optional by design; a source may hold nothing
        """Release the device; a second call does nothing."""

    def __enter__(self) -> Camera:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_SCHEMES: dict[str, str] = {
    "picamera2": "hawklet.cameras.picamera2:open_picamera2",
    "csi": "hawklet.cameras.gstreamer:open_csi",
    "rtsp": "hawklet.cameras.stream:open_stream",
    "rtsps": "hawklet.cameras.stream:open_stream",
    "http": "hawklet.cameras.stream:open_stream",
    "https": "hawklet.cameras.stream:open_stream",
    "synthetic": "hawklet.cameras.synthetic:open_synthetic",
}
_FILES = "hawklet.cameras.files:open_files"
_VIDEO_FILE = "hawklet.cameras.stream:open_video_file"
_V4L2 = "hawklet.cameras.v4l2:open_v4l2"

SOURCES = (
    "picamera2://0, /dev/video0, csi://0, rtsp://..., http://..., synthetic://cards, a video, a picture or a folder"
)
"""The kinds of source, for help and messages."""


def open_camera(source: str, options: CameraOptions | None = None) -> Camera:
    """Open a source of frames.

    Args:
        source: ``picamera2://N``, ``/dev/videoN``, ``csi://N`` (Jetson), ``rtsp://...``, ``http://...``,
            ``synthetic://cards?...``, or the path of a video file, a picture or a folder of pictures.
        options: What is asked of it; None = nothing.

    Raises:
        CameraNotFoundError: there is no such source here.
        UsageError: the address or a wish cannot be meant.
        MissingDependencyError: the source's library is not installed.
    """
    scheme, separator, rest = source.partition("://")
    address = scheme.lower() + separator + rest if separator else source
    options, opener = options or CameraOptions(), _opener(address)
    if options.planes == 4 and opener != _FILES:
        raise UsageError(
            f"a model of 4 channels takes pictures with a fourth plane, and {without_secrets(source)} gives RGB alone; "
            "give it a picture or a folder: PNG, TIFF or WebP with that plane as alpha"
        )
    camera: Camera = _load(opener)(address, options)
    return camera


def _opener(source: str) -> str:
    scheme, separator, _ = source.partition("://")
    if separator:
        if scheme not in _SCHEMES:
            raise UsageError(f"a source must be one of {SOURCES}; got one that begins with {scheme}://")
        return _SCHEMES[scheme]
    if re.fullmatch(r"/dev/video\d+", source):
        return _V4L2
    return _opener_of_path(Path(source))


def _opener_of_path(path: Path) -> str:
    from hawklet.images import IMAGE_SUFFIXES

    if not path.exists():
        raise CameraNotFoundError(f"a source must be one of {SOURCES}; there is nothing at {path}")
    if path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES:
        return _FILES
    return _VIDEO_FILE if path.suffix.lower() in VIDEO_SUFFIXES else _FILES


VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mjpeg", ".mjpg", ".ts", ".h264", ".h265"}
)
"""File names that are taken for films, lower case; any other file is read as a picture."""


def _load(target: str) -> Any:
    module_name, function_name = target.split(":")
    return getattr(importlib.import_module(module_name), function_name)
