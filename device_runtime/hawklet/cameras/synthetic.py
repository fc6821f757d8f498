"""A camera that needs none: cards on a moving stage, in real time, with the truth attached.

``synthetic://cards?seed=1&seconds=3&size=640x480&fps=30&shown=12``; everything after ``cards`` may be left out. Size
and pace that the address does not name are those of the command line. ``shown`` ends the film after so many cards;
without it the film does not end.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

from hawklet.cameras import Camera, CameraOptions
from hawklet.cards.stage import Programme, Stage
from hawklet.errors import CameraNotFoundError, UsageError
from hawklet.spec import Frame

_OPTIONS = ("seed", "seconds", "size", "fps", "shown")


class SyntheticCamera(Camera):
    """Shows the frame that is due now; whoever asks too late has missed some, as before a real camera.

    Args:
        programme: What is shown.
        shown: Number of cards after which the film ends; None for never.
        clock: Seconds, monotonic; replaced in tests.
        sleep: Waits so many seconds; replaced in tests.
    """

    live = True
    description = "the synthetic camera"

    def __init__(
        self,
        programme: Programme,
        shown: int | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if shown is not None and shown < 1:
            raise UsageError(f"synthetic://: shown must be 1 or more, got {shown}")
        self._programme = programme
        self.description = f"synthetic cards, {programme.width}x{programme.height} at {programme.fps:g} frames/s"
        self._stage = Stage(programme)
        self._end: float = math.inf if shown is None else shown * programme.frames_per_scene
        self._clock, self._sleep = clock, sleep
        self._started: float | None = None
        self._next = 0

    def read(self) -> Frame | None:
        """Wait until the next frame is due and draw it; None after the last one."""
        if self._started is None:
            self._stage.frame(0)  # opening the scene takes longer than a frame does; the film begins after it
            self._started = self._clock()
        fps = self._programme.fps
        number = max(self._next, math.floor((self._clock() - self._started) * fps))
        if number >= self._end:
            return None
        self._next = number + 1
        # Drawn before it is due and handed out when it is, so that its age begins at the moment it shows.
        image, truth = self._stage.frame(number)
        self._sleep(max(0.0, self._started + number / fps - self._clock()))
        return Frame(image, captured_at=self._clock(), index=number, truth=truth)

    def close(self) -> None:
        """End the film; later reads give None."""
        self._end = 0


def open_synthetic(address: str, options: CameraOptions | None = None) -> SyntheticCamera:
    """Open ``synthetic://cards?...`` as the module's docstring says.

    Raises:
        CameraNotFoundError: what is to be shown is not ``cards``.
        UsageError: an option is unknown, malformed or out of range.
    """
    parts = urlsplit(address)
    if parts.netloc not in ("", "cards") or parts.path not in ("", "/"):
        raise CameraNotFoundError(f"the synthetic camera shows cards, got {address}; use synthetic://cards")
    wishes = options or CameraOptions()
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = [name for name in given if name not in _OPTIONS]
    if unknown:
        raise UsageError(f"synthetic:// takes the options {', '.join(_OPTIONS)}, got {unknown[0]!r}")
    width, height = _size(given.get("size", f"{wishes.width or 640}x{wishes.height or 480}"))
    programme = Programme(
        seed=_whole("seed", given.get("seed", "0")),
        seconds=_number("seconds", given.get("seconds", "3")),
        width=width,
        height=height,
        fps=_number("fps", given.get("fps", str(wishes.fps or 30))),
    )
    return SyntheticCamera(programme, _whole("shown", given["shown"]) if "shown" in given else None)


def _whole(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise UsageError(f"synthetic://: {name} must be a whole number, got {text!r}")
    return int(text)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(f"synthetic://: {name} must be a number, got {text!r}") from error


def _size(text: str) -> tuple[int, int]:
    width, cross, height = text.partition("x")
    if not cross:
        raise UsageError(f"synthetic://: size must be as 640x480, got {text!r}")
    return _whole("size", width), _whole("size", height)
