"""The live loop: classify the newest frame, say how old it is, pass the result on, stop cleanly.

From a script::

    from hawklet import Classifier, open_camera
    from hawklet.live import classify_live

    with open_camera("picamera2://0") as camera:
        for result in classify_live(Classifier.open("cards.hawklet"), camera):
            print(result.classification.top.label, f"{result.age_ms:.0f} ms")
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hawklet.cameras import Camera
from hawklet.classifier import Classifier
from hawklet.outputs import Output
from hawklet.results import LiveResult, Summary
from hawklet.score import CardScore
from hawklet.smoothing import Smoother
from hawklet.spec import Frame


@dataclass(frozen=True)
class Limits:
    """When a live run ends by itself."""

    frames: int | None = None
    """After so many results; None = no limit."""
    seconds: float | None = None
    """After so many seconds from the first result on; None = no limit."""


KEPT_SAMPLES = 10_000
"""How many of the newest samples a summary keeps, so that a run of months stays small."""


def classify_live(
    classifier: Classifier,
    camera: Camera,
    *,
    top_k: int = 3,
    smooth: float | None = None,
    stop: threading.Event | None = None,
) -> Iterator[LiveResult]:
    """Classify a source's frames: of a live one always the newest, of files every one.

    Args:
        classifier: Names the frames.
        camera: The source; it is read, not closed.
        top_k: Predictions in each result.
        smooth: Average the scores over about so many frames (see :mod:`hawklet.smoothing`); None = each by itself.
        stop: Ends the iteration when set.

    Raises:
        CameraError: the source failed.
    """
    stop = stop or threading.Event()
    smoother = Smoother(smooth) if smooth else None
    frames = _newest_frames(camera, stop) if camera.live else _every_frame(camera, stop)
    for handled, frame in enumerate(frames, start=1):
        classification = classifier.classify(frame.image, top_k, smoother)
        age_ms = (time.monotonic() - frame.captured_at) * 1e3
        yield LiveResult(frame, classification, age_ms, max(0, frame.index + 1 - handled), time.time())


def _every_frame(camera: Camera, stop: threading.Event) -> Iterator[Frame]:
    while not stop.is_set() and (frame := camera.read()) is not None:
        yield frame


class _Slot:
    """Room for one frame between the thread that reads and the loop that classifies: a newer frame replaces it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._ended = False
        self._error: BaseException | None = None

    def put(self, frame: Frame) -> None:
        with self._changed:
            self._frame = frame
            self._changed.notify()

    def end(self, error: BaseException | None = None) -> None:
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify()

    def take(self, stop: threading.Event) -> Frame | None:
        """The newest frame that was not taken yet; None at the end; the reader's error is raised here."""
        with self._changed:
            while self._frame is None and not self._ended and not stop.is_set():
                self._changed.wait(0.1)  # woken at intervals, so that a stop is seen even if no frame comes any more
            frame, self._frame = self._frame, None
            if frame is None and self._error is not None:
                raise self._error
            return None if stop.is_set() else frame


def _newest_frames(camera: Camera, stop: threading.Event) -> Iterator[Frame]:
    slot = _Slot()
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set() and (frame := camera.read()) is not None:
                slot.put(frame)
        except BaseException as error:  # noqa: BLE001 -- raised again in the loop's own thread
            slot.end(error)
        else:
            slot.end()

    reader = threading.Thread(target=read, name="hawklet-camera", daemon=True)
    reader.start()
    try:
        while (frame := slot.take(stop)) is not None:
            yield frame
    finally:
        done.set()
        reader.join(timeout=2.0)  # a device that hangs in read() must not keep the program from ending


def run_live(
    classifier: Classifier,
    camera: Camera,
    outputs: Sequence[Output],
    *,
    limits: Limits | None = None,
    top_k: int = 3,
    smooth: float | None = None,
    stop: threading.Event | None = None,
) -> Summary:
    """Classify until a limit, the end of the source, or ``stop``; every result goes to every output.

    Args:
        classifier: Names the frames.
        camera: The source; it is read, not closed.
        outputs: Told of each result, in this order; they are not closed.
        limits: When to end; None = never by itself.
        top_k: Predictions in each result.
        smooth: See :func:`classify_live`.
        stop: Ends the run when set.

    Raises:
        CameraError: the source failed.
        OutputError: a result could not be delivered.
    """
    limits = limits or Limits()
    tally = _Tally(classifier.labels)
    if limits.frames == 0:
        return tally.summary()
    for result in classify_live(classifier, camera, top_k=top_k, smooth=smooth, stop=stop):
        tally.add(result)
        for output in outputs:
            output.write(result)
        if tally.reached(limits):
            break
    return tally.summary()


class _Tally:
    """Counts results into a summary."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._frames = self._dropped = 0
        self._first = self._last = 0.0
        self._ages: list[float] = []
        self._infer: list[float] = []
        self._score = CardScore()
        self._labels = labels

    def add(self, result: LiveResult) -> None:
        now = time.monotonic()
        self._first = now if self._frames == 0 else self._first
        self._last = now
        self._frames += 1
        self._dropped = result.dropped
        self._ages.append(result.age_ms)
        self._infer.append(result.classification.timings.infer_ms)
        del self._ages[:-KEPT_SAMPLES], self._infer[:-KEPT_SAMPLES]
        truth = result.frame.truth if result.frame.truth in self._labels else None  # a model of other things
        self._score.add(truth, result.classification.top.label)

    def reached(self, limits: Limits) -> bool:
        enough_frames = limits.frames is not None and self._frames >= limits.frames
        return enough_frames or (limits.seconds is not None and self._last - self._first >= limits.seconds)

    def summary(self) -> Summary:
        shown, rightly = self._score.result()
        seconds = self._last - self._first
        return Summary(self._frames, seconds, self._dropped, tuple(self._ages), tuple(self._infer), shown, rightly)
