"""Accuracy on pictures made worse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hawklet.spec import Floats, Pixels, PreprocessSpec
from hawklet_trainer.data import PhotoSet, read_photos
from hawklet_trainer.evaluation import robustness
from hawklet_trainer.evaluation.robustness import CorruptionCurve, Robustness, measure_robustness

SPEC = PreprocessSpec(32, 32)


@pytest.fixture(scope="module")
def photos(colour_photos: Path) -> PhotoSet:
    return read_photos(colour_photos)


def _by_colour(pixels: Pixels) -> Floats:
    """Names blue, green and red by the strongest channel."""
    return pixels.mean(axis=(1, 2))[:, ::-1].astype(np.float32)


def test_what_tells_colours_apart_stands_every_fault(photos: PhotoSet) -> None:
    found = measure_robustness(_by_colour, photos.items("train"), SPEC)
    assert found.clean == 100 and found.pictures == found.out_of == 24
    curves = {curve.name: curve for curve in found.curves}
    assert len(curves) == 6 and curves["blur"].mean == curves["rotation"].mean == 100
    assert found.relative == pytest.approx(found.mean) and found.to_dict()["relative"] == found.relative


def test_what_rests_on_brightness_fails_when_it_changes(photos: PhotoSet) -> None:
    def bright_is_blue(pixels: Pixels) -> Floats:
        bright = pixels.max(axis=3).mean(axis=(1, 2)) > 230
        return np.column_stack([bright, np.full(len(pixels), 0.5), np.zeros(len(pixels))]).astype(np.float32)

    blue = [photo for photo in photos.items("train") if photos.labels[photo.label_index] == "blue"]
    curves = {curve.name: curve.top1 for curve in measure_robustness(bright_is_blue, blue, SPEC).curves}
    assert curves["brighter"][0] < curves["brighter"][-1] == 100 and max(curves["darker"]) == 0


def test_no_more_than_all_of_the_accuracy_is_left() -> None:
    levels = (1.0, 2.0)
    curves = tuple(CorruptionCurve(name, "", levels, (top1, top1)) for name, top1 in (("blur", 60.0), ("noise", 50.0)))
    found = Robustness(clean=50.0, pictures=10, out_of=10, curves=curves)
    assert found.mean == 55.0 and found.relative == 100.0


def test_a_model_that_is_never_right_has_nothing_to_lose(photos: PhotoSet) -> None:
    red = [photo for photo in photos.items("train") if photos.labels[photo.label_index] == "red"]
    found = measure_robustness(lambda pixels: -_by_colour(pixels), red, SPEC)
    assert found.clean == 0 and found.relative == 0


def test_of_many_pictures_some_of_every_class_are_taken_and_all_are_counted(
    photos: PhotoSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(robustness, "MOST_PICTURES", 9)
    seen: list[int] = []
    found = measure_robustness(_by_colour, photos.items("train"), SPEC, seen.append)
    assert (found.pictures, found.out_of, sum(seen)) == (9, 24, 9)
    assert found.clean == 100
