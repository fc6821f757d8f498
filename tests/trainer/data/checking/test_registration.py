"""One small picture laid over another: copies are told from pictures that are merely alike."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from checked_photos import photo, thumb
from hawklet_trainer.data.checking.registration import same_picture

_AS_IT_IS = (1.0, 0.0, 1.0, 0.0)


def _same(first: Image.Image, second: Image.Image, begin: tuple[float, ...] = _AS_IT_IS) -> bool:
    stacks = (thumb(picture)[None].astype(np.float32) for picture in (first, second))
    return bool(same_picture(*stacks, np.array([begin], np.float32))[0])


def _cropped(picture: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    width, height = picture.size
    return picture.crop((int(left * width), int(top * height), int((1 - right) * width), int((1 - bottom) * height)))


@pytest.mark.parametrize("seed", range(8))
def test_a_picture_is_the_same_as_itself_cropped_and_brightened(seed: int) -> None:
    picture = photo(seed)
    assert _same(picture, picture)
    assert _same(picture, ImageEnhance.Brightness(picture).enhance(0.7))
    assert _same(picture, _cropped(picture, 0.03, 0.0, 0.02, 0.03), (0.955, 0.0, 0.955, 0.0))


@pytest.mark.parametrize("seed", range(8))
def test_other_pictures_are_not(seed: int) -> None:
    assert not _same(photo(seed), photo(seed + 100))


@pytest.mark.parametrize("seed", range(8))
def test_pictures_alike_in_their_large_shapes_alone_are_not(seed: int) -> None:
    sky_to_ground = Image.linear_gradient("L").resize((160, 120)).convert("RGB")
    first, second = (Image.blend(sky_to_ground, photo(seed + other), 0.25) for other in (200, 300))
    assert np.corrcoef(thumb(first).ravel(), thumb(second).ravel())[0, 1] > 0.85
    assert not _same(first, second)


@pytest.mark.parametrize("seed", range(8))
def test_the_same_scene_with_something_else_in_it_is_another_picture(seed: int) -> None:
    """As from a camera that does not move: whether the gate is open is what the picture is about."""
    scene = photo(seed)
    other = scene.copy()
    other.paste(ImageEnhance.Brightness(photo(seed + 50)).enhance(1.6).resize((32, 24)), (60, 40))
    assert not _same(scene, other)


def test_pictures_without_contrast_are_judged_without_complaint() -> None:
    even = Image.new("L", (40, 40), 90)
    assert _same(even, photo(1)) is False


def test_no_pairs_are_no_answers() -> None:
    none = np.empty((0, 32, 32), np.float32)
    assert len(same_picture(none, none, np.empty((0, 4), np.float32))) == 0
