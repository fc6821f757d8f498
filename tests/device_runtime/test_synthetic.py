"""The synthetic camera: what the stage shows, when the camera shows it, and how it is addressed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from hawklet.cameras import CameraOptions
from hawklet.cameras.synthetic import SyntheticCamera, open_synthetic
from hawklet.cards import CARDS
from hawklet.cards.stage import Programme, Stage
from hawklet.errors import CameraNotFoundError, UsageError

SMALL = Programme(seed=5, seconds=2, width=96, height=72, fps=10)


class _Clock:
    """Time that passes only when somebody sleeps or works."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def _camera(clock: _Clock, shown: int | None = None) -> SyntheticCamera:
    return SyntheticCamera(SMALL, shown, clock=clock, sleep=clock.sleep)


def test_the_same_frame_number_gives_the_same_picture_whatever_was_asked_before() -> None:
    straight, jumping = Stage(SMALL), Stage(SMALL)
    jumping.frame(61)
    expected, truth = straight.frame(12)
    got, same_truth = jumping.frame(12)
    assert np.array_equal(expected, got)
    assert truth == same_truth
    assert expected.shape == (72, 96, 3)
    assert expected.dtype == np.uint8


def test_another_seed_shows_something_else() -> None:
    other = Stage(Programme(seed=6, seconds=2, width=96, height=72, fps=10))
    assert not np.array_equal(Stage(SMALL).frame(12)[0], other.frame(12)[0])


@pytest.mark.parametrize("seed", range(8))
def test_every_card_is_shown_in_each_cycle_and_none_twice_in_a_row(seed: int) -> None:
    shown = [Programme(seed=seed).card(scene) for scene in range(10 * len(CARDS))]
    for cycle in range(10):
        assert sorted(shown[cycle * 6 : cycle * 6 + 6]) == sorted(CARDS)
    assert all(before != after for before, after in itertools.pairwise(shown))


def test_nothing_is_said_to_be_shown_while_a_card_comes_or_goes() -> None:
    stage = Stage(SMALL)
    truths = [stage.frame(number)[1] for number in range(SMALL.frames_per_scene)]
    assert truths[0] is None
    assert truths[-1] is None
    assert set(truths) == {None, SMALL.card(0)}
    assert truths.count(SMALL.card(0)) >= 0.6 * len(truths)


def test_the_card_moves_and_stays_in_the_middle_square_while_it_is_shown() -> None:
    from hawklet.cards.stage import _Scene

    for number in range(12):
        scene = _Scene(Programme(seed=9), number)
        centres = np.array([scene._centre(seconds) for seconds in np.linspace(0.4, 2.6, 12)])
        assert np.ptp(centres, axis=0).max() > 10
        reach = max(scene.side.at(seconds) for seconds in np.linspace(0.4, 2.6, 12)) * 0.5
        assert np.abs(centres - (320, 240)).max() + reach < 240 * 1.1


def test_frames_come_at_their_pace() -> None:
    clock = _Clock()
    camera = _camera(clock)
    frames = [camera.read() for _ in range(5)]
    assert [frame.index for frame in frames if frame] == [0, 1, 2, 3, 4]
    assert [frame.captured_at for frame in frames if frame] == pytest.approx([100.0, 100.1, 100.2, 100.3, 100.4])


def test_a_slow_reader_gets_the_newest_frame_and_sees_the_gap() -> None:
    clock = _Clock()
    camera = _camera(clock)
    camera.read()
    clock.now += 0.75
    frame = camera.read()
    assert frame is not None
    assert frame.index == 7
    assert frame.captured_at == pytest.approx(100.75)


def test_the_film_ends_after_the_cards_that_were_asked_for() -> None:
    clock = _Clock()
    with _camera(clock, shown=2) as camera:
        numbers = [frame.index for frame in iter(camera.read, None)]
    assert numbers == list(range(2 * SMALL.frames_per_scene))


def test_a_closed_camera_gives_no_more_frames() -> None:
    camera = _camera(_Clock())
    assert camera.read() is not None
    camera.close()
    assert camera.read() is None


def test_an_address_says_what_is_shown() -> None:
    camera = open_synthetic("synthetic://cards?seed=5&seconds=2&size=96x72&fps=10&shown=1")
    frame = camera.read()
    assert frame is not None
    assert np.array_equal(frame.image, Stage(SMALL).frame(frame.index)[0])
    assert open_synthetic("synthetic://").live


def test_size_and_pace_may_be_asked_for_on_the_command_line() -> None:
    wishes = CameraOptions(width=96, height=72, fps=5.0)
    assert open_synthetic("synthetic://cards", wishes).description == "synthetic cards, 96x72 at 5 frames/s"
    assert open_synthetic("synthetic://cards?fps=9", wishes).description == "synthetic cards, 96x72 at 9 frames/s"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("synthetic://cards?sed=5", "got 'sed'"),
        ("synthetic://cards?seed=-1", "seed must be a whole number, got '-1'"),
        ("synthetic://cards?seconds=soon", "seconds must be a number, got 'soon'"),
        ("synthetic://cards?seconds=nan", "seconds must be 1 to 3600, got nan"),
        ("synthetic://cards?size=640", "size must be as 640x480, got '640'"),
        ("synthetic://cards?size=9999x9999", "size must be 64x64 to 4096x4096"),
        ("synthetic://cards?fps=0", "fps must be 1 to 240"),
        ("synthetic://cards?shown=0", "shown must be 1 or more"),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(address: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_synthetic(address)


def test_another_show_than_cards_is_not_there() -> None:
    with pytest.raises(CameraNotFoundError, match="use synthetic://cards"):
        open_synthetic("synthetic://birds")
