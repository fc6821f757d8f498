from __future__ import annotations

import threading
import time

import numpy as np
import pytest

import tiny_models
from hawklet.acceptance import Acceptance, UnknownRule
from hawklet.cameras import Camera
from hawklet.classifier import Classifier
from hawklet.engines.mock import MockEngine
from hawklet.errors import CameraError
from hawklet.live import Limits, classify_live, run_live
from hawklet.outputs import Output
from hawklet.results import LiveResult
from hawklet.score import CardScore
from hawklet.spec import Floats, Frame, Pixels


class _Film(Camera):
    """Frames handed out at once; ``error`` is raised after the last."""

    def __init__(self, count: int, *, live: bool, error: Exception | None = None, hold: threading.Event | None = None):
        self.live, self._count, self._error, self._hold, self.handed = live, count, error, hold, 0
        self.all_taken = threading.Event()

    def read(self) -> Frame | None:
        if self.handed == self._count:
            self.all_taken.set()  # whoever asks for one more has put the last one where it belongs
            if self._hold is not None:
                self._hold.wait(30)
            if self._error is not None:
                raise self._error
            return None
        self.handed += 1
        return Frame(tiny_models.solid("red"), captured_at=time.monotonic(), index=self.handed - 1)


class _Kept(Output):
    def __init__(self) -> None:
        self.results: list[LiveResult] = []

    def write(self, result: LiveResult) -> None:
        self.results.append(result)


def _classifier() -> Classifier:
    engine = MockEngine(lambda _: np.array([1, 0, 0], dtype=np.float32), classes=3)
    return Classifier(engine, tiny_models.LABELS, tiny_models.SPEC)


def test_files_give_every_frame_in_order() -> None:
    kept = _Kept()
    summary = run_live(_classifier(), _Film(50, live=False), [kept])
    assert [r.frame.index for r in kept.results] == list(range(50))
    assert (summary.frames, summary.dropped) == (50, 0)


def test_smoothing_outvotes_a_single_frame_and_follows_a_lasting_change() -> None:
    rows = iter(np.eye(3, dtype=np.float32)[[0] * 10 + [1] + [0] * 5 + [2] * 10])
    classifier = Classifier(MockEngine(lambda _: next(rows), classes=3), tiny_models.LABELS, tiny_models.SPEC)
    results = [r.classification for r in classify_live(classifier, _Film(26, live=False), smooth=4)]
    answers = [tiny_models.LABELS.index(c.top.label) for c in results]
    assert answers[:16] == [0] * 16
    assert answers[-1] == 2
    assert results[10].top.score < results[9].top.score
    assert sum(p.score for p in results[10].predictions) == pytest.approx(1)


def test_smoothing_averages_the_energy_too_so_that_only_what_stays_odd_is_unknown() -> None:
    seen = np.array([[9.0, 0, 0]] * 6 + [[2.0, 0, 0]] + [[9.0, 0, 0]] * 5 + [[2.0, 0, 0]] * 9, dtype=np.float32)
    said = []
    for smooth in (None, 4.0):
        rows = iter(seen)
        engine = MockEngine(lambda _, rows=rows: next(rows), classes=3)  # type: ignore[misc]  # bound to this round
        rule = Acceptance(unknown=UnknownRule(-5.0, 0.95))
        classifier = Classifier(engine, tiny_models.LABELS, tiny_models.SPEC, acceptance=rule)
        results = classify_live(classifier, _Film(len(seen), live=False), smooth=smooth)
        said.append([result.classification.accepted for result in results])
    assert said[0] == [True] * 6 + [False] + [True] * 5 + [False] * 9
    assert said[1][:12] == [True] * 12
    assert said[1][-1] is False


def test_a_slow_model_gets_the_newest_frame_and_says_what_it_missed() -> None:
    inferring, go_on, hold = threading.Event(), threading.Event(), threading.Event()

    class Patient(_Film):
        """Hands out its second frame once the model is busy with the first."""

        def read(self) -> Frame | None:
            assert self.handed == 0 or inferring.wait(30)
            return super().read()

    def infer(_: Pixels) -> Floats:
        inferring.set()
        assert go_on.wait(30)
        return np.zeros(3, dtype=np.float32)

    film = Patient(100, live=True, hold=hold)
    classifier = Classifier(MockEngine(infer, classes=3), tiny_models.LABELS, tiny_models.SPEC)
    threading.Thread(target=lambda: film.all_taken.wait(30) and go_on.set()).start()
    results = classify_live(classifier, film)
    first, second = next(results), next(results)
    assert (first.frame.index, first.dropped) == (0, 0)
    assert (second.frame.index, second.dropped) == (99, 98)
    hold.set()
    assert next(results, None) is None


def test_every_result_says_how_old_its_frame_is() -> None:
    class Old(_Film):
        def read(self) -> Frame | None:
            frame = super().read()
            return frame and Frame(frame.image, captured_at=time.monotonic() - 5.0, index=frame.index)

    kept = _Kept()
    run_live(_classifier(), Old(3, live=False), [kept])
    assert all(5000 <= r.age_ms < 30_000 for r in kept.results)


def test_a_cameras_failure_is_raised_in_the_loop() -> None:
    for live in (True, False):
        with pytest.raises(CameraError, match="unplugged"):
            run_live(_classifier(), _Film(3, live=live, error=CameraError("unplugged")), [])


def test_a_limit_of_frames_ends_the_run() -> None:
    assert run_live(_classifier(), _Film(50, live=False), [], limits=Limits(frames=7)).frames == 7


def test_a_stop_ends_a_run_whose_camera_is_silent() -> None:
    hold, stop = threading.Event(), threading.Event()
    threading.Timer(0.2, stop.set).start()
    summary = run_live(_classifier(), _Film(0, live=True, hold=hold), [], stop=stop)
    hold.set()
    assert summary.frames == 0


def test_a_long_run_keeps_a_bounded_number_of_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hawklet.live.KEPT_SAMPLES", 10)
    summary = run_live(_classifier(), _Film(50, live=False), [])
    assert (summary.frames, len(summary.ages_ms), len(summary.infer_ms)) == (50, 10, 10)


def test_a_card_counts_as_named_by_the_majority_of_its_second_half() -> None:
    score = CardScore()
    for truth, answers in [("a", "bbbaaa"), (None, "zzz"), ("b", "aabb"), ("a", "aaabbb"), ("b", "b")]:
        for answer in answers:
            score.add(truth, answer)
    assert score.result() == (4, 3)


def test_a_source_without_truth_has_no_score() -> None:
    score = CardScore()
    score.add(None, "a")
    assert score.result() == (None, None)
