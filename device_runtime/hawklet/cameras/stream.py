"""Video files, RTSP and HTTP streams through PyAV (FFmpeg)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from hawklet.addresses import without_secrets
from hawklet.cameras import CameraOptions
from hawklet.cameras.exclusive import ExclusiveCamera
from hawklet.errors import CameraError, CameraNotFoundError, MissingDependencyError, UsageError
from hawklet.spec import Frame, Pixels

OPEN_TIMEOUT = 10.0
"""Seconds to wait for a stream to answer."""
READ_TIMEOUT = 10.0
"""Seconds without a frame after which a stream counts as lost."""


class StreamCamera(ExclusiveCamera):
    """Decodes the first video track of a file or a network stream.

    Args:
        address: A path or a URL; of a URL only the host is ever shown, as cameras take passwords in every other part.
        live: A network stream, or a file that plays at its own speed.
        is_file: The end of the data is the film's end, not a lost connection.
    """

    def __init__(self, address: str, *, live: bool, is_file: bool) -> None:
        super().__init__()
        self._av = _load_av()
        self.live = live
        self.description = address if is_file else without_secrets(address)
        self._is_file = self.is_film = is_file
        self._container: Any = self._open(address)
        if not self._container.streams.video:
            self.close()
            raise CameraError(f"{self.description} has no video track")
        track = self._container.streams.video[0]
        # Decoding several frames at once is fastest, and holds as many back: a stream's newest frame must not wait.
        track.thread_type = "AUTO" if is_file else "SLICE"
        self._frames: Iterator[Any] = self._container.decode(track)
        self._count = 0
        self._started: float | None = None

    def _open(self, address: str) -> Any:
        options = {"rtsp_transport": "tcp"} if address.startswith("rtsp") else {}
        try:
            # A relative path may hold a colon, which FFmpeg would take for the end of a protocol's name.
            where = f"file:{address}" if self._is_file else address
            return self._av.open(where, options=options, timeout=(OPEN_TIMEOUT, READ_TIMEOUT))
        except (self._av.error.FFmpegError, OSError, ValueError) as error:
            raise CameraNotFoundError(f"cannot open {self.description} as a video: {_reason(error)}") from error

    def next_frame(self) -> Frame | None:
        """See :meth:`ExclusiveCamera.next_frame`."""
        try:
            picture = next(self._frames, None)
        except (self._av.error.FFmpegError, OSError) as error:
            raise CameraError(f"{self.description} broke off: {_reason(error)}") from error
        if picture is None:
            if self._is_file:
                return None
            raise CameraError(f"{self.description} ended; the camera or the network stopped sending")
        image = _upright(picture)
        captured_at = self._due(picture)
        frame = Frame(image, captured_at=captured_at, index=self._count)
        self._count += 1
        return frame

    def _due(self, picture: Any) -> float:
        """The moment this picture counts as taken; a file that plays live is held back until then."""
        now = time.monotonic()
        if not (self._is_file and self.live) or picture.time is None:
            return now
        if self._started is None:
            self._started = now - picture.time
        due: float = self._started + picture.time
        time.sleep(max(0.0, due - now))
        return due

    def release(self) -> None:
        """Close the file or the connection."""
        self._container.close()


def open_video_file(source: str, options: CameraOptions) -> StreamCamera:
    """Open a video file: every frame in turn, or with ``options.realtime`` at the film's own speed."""
    _refuse_wishes(options)
    return StreamCamera(source, live=options.realtime, is_file=True)


def open_stream(source: str, options: CameraOptions) -> StreamCamera:
    """Open ``rtsp://`` (over TCP), ``http://`` or ``https://`` (MJPEG and what else FFmpeg reads)."""
    _refuse_wishes(options)
    return StreamCamera(source, live=True, is_file=False)


def _refuse_wishes(options: CameraOptions) -> None:
    if options.width or options.height or options.fps:
        raise UsageError("a video decides its own size and speed; drop --size and --fps")


def _load_av() -> Any:
    try:
        import av
        import av.error
    except ImportError as error:
        raise MissingDependencyError.for_extra("PyAV", "camera", "reading video files and streams") from error
    av.logging.set_level(None)
    return av


def _upright(picture: Any) -> Pixels:
    """uint8 [H, W, 3] RGB, turned as the film's display matrix says."""
    image: Pixels = picture.to_ndarray(format="rgb24")
    quarter_turns = round(getattr(picture, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarter_turns)) if quarter_turns else image


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error).split("\n", maxsplit=1)[0]
