"""Near duplicates among many pictures."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from checked_photos import photo, thumb
from hawklet_trainer.data.checking import cells
from hawklet_trainer.data.checking.similar import FEW_FORMS, FORMS, Form, Pairs
from hawklet_trainer.data.checking.similar import find_similar as find_among

_COUNT = 60


def find_similar(thumbs: np.ndarray, *more: object) -> Pairs:
    """Among all of them."""
    return find_among(thumbs, np.arange(len(thumbs)), *more)


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    return [photo(seed) for seed in range(_COUNT)]


def _found(photos: list[Image.Image], change: Callable[[Image.Image], Image.Image], some: int = 30) -> Pairs:
    return find_similar(np.stack([thumb(picture) for picture in (*photos, *map(change, photos[:some]))]))


def _encoded(picture: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=40)
    return Image.open(stream)


def _shrunk(picture: Image.Image) -> Image.Image:
    return picture.resize((70, 52), Image.Resampling.BICUBIC)


def _cropped(picture: Image.Image) -> Image.Image:
    return picture.crop((6, 0, 157, 115))


def _brightened(picture: Image.Image) -> Image.Image:
    return ImageEnhance.Brightness(picture).enhance(1.2)


@pytest.mark.parametrize("change", [_encoded, _shrunk, _cropped, _brightened])
def test_copies_that_were_changed_a_little_are_found_and_nothing_else(
    photos: list[Image.Image], change: Callable[[Image.Image], Image.Image]
) -> None:
    pairs = _found(photos, change)
    wanted = {(position, _COUNT + position) for position in range(30)}
    upright = {(a, b) for a, b, turned in zip(pairs.first, pairs.second, pairs.turned, strict=True) if not turned}
    assert upright <= wanted and len(upright) >= 28
    assert not pairs.turned.any()


@pytest.mark.parametrize("turn", list(Image.Transpose))
def test_mirrored_and_turned_copies_are_found_as_such(photos: list[Image.Image], turn: Image.Transpose) -> None:
    pairs = _found(photos, lambda picture: _encoded(picture.transpose(turn)))
    assert {*zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)} == {(i, _COUNT + i) for i in range(30)}
    assert pairs.turned.all()


def test_pictures_without_contrast_are_left_alone() -> None:
    even = np.stack([np.full((32, 32), grey, np.uint8) for grey in (0, 0, 90, 91, 255)])
    assert len(find_similar(even).first) == 0


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_pictures_have_no_pairs(count: int) -> None:
    assert len(find_similar(np.zeros((count, 32, 32), np.uint8)).first) == 0


def test_a_set_of_many_hangs_together_by_few_pairs() -> None:
    picture = thumb(photo(1)).astype(np.int16)
    noise = np.random.default_rng(0).integers(-3, 4, (400, 32, 32))
    pairs = find_similar((picture + noise).clip(0, 255).astype(np.uint8), FEW_FORMS)
    assert {*pairs.first.tolist(), *pairs.second.tolist()} == set(range(400))
    assert len(pairs.first) < 400 * 3 * len(FEW_FORMS)


def test_many_pictures_in_many_cells_come_to_the_same(
    photos: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    thumbs = np.stack([thumb(picture) for picture in (*photos, *map(_cropped, photos))])
    whole = find_similar(thumbs)
    monkeypatch.setattr(cells, "_FEW", 20)
    divided = find_similar(thumbs)
    assert len(divided.first) >= 0.97 * len(whole.first) > 50


def test_the_few_forms_are_some_of_all_and_begin_with_no_change() -> None:
    assert set(FEW_FORMS) < set(FORMS) and FEW_FORMS[0] == FORMS[0] == Form()
    assert len(FEW_FORMS) == 6 and not any(form.turned for form in FEW_FORMS)


def test_progress_is_told_form_by_form(photos: list[Image.Image]) -> None:
    steps: list[int] = []
    find_similar(np.stack([thumb(picture) for picture in photos]), FEW_FORMS, steps.append)
    assert sum(steps) == len(FEW_FORMS)


def test_only_the_pictures_that_are_named_are_looked_at(photos: list[Image.Image]) -> None:
    thumbs = np.stack([thumb(picture) for picture in (*photos[:10], *photos[:10], *photos[:10])])
    pairs = find_among(thumbs, np.array([3, 5, 13, 24]))
    assert [*zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)] == [(3, 13)]
