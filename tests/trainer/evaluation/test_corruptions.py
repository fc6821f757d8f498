"""Pictures made worse: always alike, worse by strength, and of the same shape."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageFilter

from hawklet.spec import Pixels
from hawklet_trainer.evaluation.corruptions import CORRUPTIONS, STRENGTHS, Corruption, corrupted

KINDS = pytest.mark.parametrize("kind", CORRUPTIONS, ids=lambda kind: kind.name)
BY_NAME = {kind.name: kind for kind in CORRUPTIONS}


def _picture(channels: int = 3, side: int = 112) -> Pixels:
    """A soft landscape with detail."""
    random = np.random.default_rng(0)
    noise = Image.fromarray(random.integers(0, 256, (side, side, 3), dtype=np.uint8))
    smooth = np.asarray(noise.filter(ImageFilter.GaussianBlur(3)), dtype=np.float32)
    picture = np.clip((smooth - 128) * 5 + 110, 20, 220).astype(np.uint8)
    return np.concatenate([picture, picture[..., :1]], axis=2)[..., :channels]


@KINDS
def test_there_are_five_strengths_and_each_is_worse_than_the_one_before(kind: Corruption) -> None:
    picture = _picture()
    away = [
        np.abs(corrupted(picture, kind, strength, 7).astype(float) - picture).mean() for strength in range(STRENGTHS)
    ]
    assert len(kind.levels) == STRENGTHS and away[0] > 0
    assert all(one < other for one, other in pairwise(away))


@KINDS
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_shape_and_type_stay_and_the_picture_itself_is_not_touched(kind: Corruption, channels: int) -> None:
    picture = _picture(channels)
    before = picture.copy()
    worse = corrupted(picture, kind, 4, 0)
    assert worse.shape == picture.shape and worse.dtype == np.uint8 and np.array_equal(picture, before)


@KINDS
def test_a_picture_is_always_made_worse_in_the_same_way(kind: Corruption) -> None:
    assert np.array_equal(corrupted(_picture(), kind, 2, 5), corrupted(_picture(), kind, 2, 5))


def test_noise_differs_from_picture_to_picture() -> None:
    noise = BY_NAME["noise"]
    assert not np.array_equal(corrupted(_picture(), noise, 2, 5), corrupted(_picture(), noise, 2, 6))


@pytest.mark.parametrize("name", ["JPEG", "brighter", "darker"])
def test_a_fourth_plane_is_no_colour(name: str) -> None:
    picture = _picture(4)
    assert np.array_equal(corrupted(picture, BY_NAME[name], 4, 0)[..., 3], picture[..., 3])


def test_brightness_goes_up_or_down_and_leaves_the_hue() -> None:
    orange = np.full((8, 8, 3), (120, 60, 30), dtype=np.uint8)
    brighter, darker = (corrupted(orange, BY_NAME[name], 0, 0)[0, 0] for name in ("brighter", "darker"))
    assert brighter.tolist() == pytest.approx([145.5, 72.75, 36.4], abs=1)
    assert darker.tolist() == pytest.approx([94.5, 47.25, 23.6], abs=1)


def test_a_turned_picture_has_no_black_corners() -> None:
    white = np.full((32, 32, 3), 200, dtype=np.uint8)
    assert corrupted(white, BY_NAME["rotation"], 4, 0).min() == 200


def test_blur_is_as_wide_on_a_larger_picture() -> None:
    blur = BY_NAME["blur"]
    small, large = (np.zeros((side, side, 1), dtype=np.uint8) for side in (112, 448))
    small[:56], large[:224] = 255, 255
    edges = [corrupted(one, blur, 2, 0)[:, 0, 0] for one in (small, large)]
    widths = [((edge > 12) & (edge < 243)).sum() / len(edge) for edge in edges]
    assert widths[0] == pytest.approx(widths[1], abs=0.02)
