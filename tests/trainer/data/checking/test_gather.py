"""Many pictures looked at: in order, in chunks, whoever fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from hawklet_trainer.data.checking.facts import Depth
from hawklet_trainer.data.checking.gather import gather
from hawklet_trainer.data.checking.stream import in_chunks
from hawklet_trainer.data.place import Place

DrawPhotos = Callable[..., Path]


def test_records_are_in_the_order_of_the_places(draw_photos: DrawPhotos) -> None:
    places = [Place(path) for path in sorted(draw_photos(30).rglob("*.png"))]
    facts = gather(places, Depth.HEADER, workers=4)
    assert [facts.records["sha256"][i].tobytes().hex() for i in range(90)] == [place.sha256() for place in places]


def test_what_cannot_be_read_is_named_by_its_position(draw_photos: DrawPhotos) -> None:
    places = [Place(path) for path in sorted(draw_photos(20).rglob("*.png"))]
    places[41].path.write_bytes(b"no picture")
    facts = gather(places, Depth.THUMB)
    assert list(facts.refused) == [41] and not facts.readable()[41] and facts.readable().sum() == 59


def test_progress_comes_to_every_picture(draw_photos: DrawPhotos) -> None:
    steps: list[int] = []
    gather([Place(path) for path in draw_photos(25).rglob("*.png")], Depth.HEADER, step=steps.append)
    assert sum(steps) == 75 and len(steps) == 3


def test_no_pictures_are_no_records() -> None:
    assert len(gather([], Depth.PIXELS).records) == 0


def test_little_is_worked_out_ahead_of_whoever_takes_it() -> None:
    begun, all_done = [], threading.Event()

    def work(some: Sequence[int]) -> int:
        begun.append(some[0])
        all_done.wait(0.001)
        return some[0]

    results = in_chunks(work, range(100), 1, workers=2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert len(begun) <= 3 + 2 * 2 + 1
    assert list(results) == list(range(3, 100))


def test_what_goes_wrong_in_a_thread_reaches_who_asked() -> None:
    def fail(some: Sequence[int]) -> int:
        raise KeyError(some[0])

    with pytest.raises(KeyError, match="0"):
        list(in_chunks(fail, range(9), 2, workers=2))
