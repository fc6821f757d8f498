"""Which training pictures a conversion calibrates on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from hawklet.errors import DataError, UsageError
from hawklet_converter.load_pictures import choose_calibration
from hawklet_trainer.data import Photo, Place


def _photos(*counts: int) -> list[Photo]:
    return [
        Photo(Place(Path(f"{label}/{n}.jpg")), label, "") for label, count in enumerate(counts) for n in range(count)
    ]


def test_every_class_gives_the_same_number_and_small_ones_what_they_have() -> None:
    chosen = choose_calibration(_photos(100, 3, 100), ["a", "b", "c"], 43)
    assert Counter(photo.label_index for photo in chosen) == {0: 20, 1: 3, 2: 20}
    assert [photo.label_index for photo in chosen] == sorted(photo.label_index for photo in chosen)
    assert chosen[0].path.name == "0.jpg"
    assert chosen[19].path.name == "99.jpg"  # evenly over the class, not its first


def test_fewer_pictures_than_wanted_are_all_taken() -> None:
    assert len(choose_calibration(_photos(5, 6), ["a", "b"], 128)) == 11


def test_as_many_pictures_as_classes_are_taken_unless_told() -> None:
    assert len(choose_calibration(_photos(*[2] * 200), [str(n) for n in range(200)], None)) == 200
    assert len(choose_calibration(_photos(100, 100), ["a", "b"], None)) == 128


def test_a_class_without_a_picture_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="got none of b"):
        choose_calibration(_photos(4, 0, 4), ["a", "b", "c"], None)


def test_fewer_pictures_than_classes_are_refused() -> None:
    with pytest.raises(UsageError, match="--calibration must be at least 3"):
        choose_calibration(_photos(4, 4, 4), ["a", "b", "c"], 2)
