"""Light, contrast, sharpness and colour of pictures whose figures are known."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from checked_photos import photo
from hawklet_trainer.data.checking.photometry import Photometry, photometry


def _measured(picture: Image.Image) -> Photometry:
    pixels = np.asarray(picture.convert("RGB"))
    return photometry(pixels, Image.fromarray(pixels).convert("L"))


def test_an_even_picture_has_its_grey_and_nothing_else() -> None:
    measured = _measured(Image.new("RGB", (50, 40), (90, 90, 90)))
    assert measured.brightness == pytest.approx(90) and measured.highlight == 90
    assert measured.contrast == measured.sharpness == measured.colourfulness == measured.grey_end == 0


def test_half_black_half_white_has_the_largest_contrast() -> None:
    picture = Image.new("L", (100, 100))
    picture.paste(255, (0, 0, 100, 50))
    measured = _measured(picture)
    assert measured.brightness == pytest.approx(127.5) and measured.contrast == pytest.approx(127.5)


def test_resolution_does_not_decide_how_sharp_a_picture_is() -> None:
    large = _measured(photo(1, 1600, 1200).resize((1600, 1200), Image.Resampling.LANCZOS)).sharpness
    assert _measured(photo(1, 400, 300)).sharpness == pytest.approx(large, rel=0.3)


def test_contrast_does_not_decide_how_sharp_a_picture_is() -> None:
    faint = ImageEnhance.Contrast(photo(1)).enhance(0.5)
    assert _measured(faint).sharpness == pytest.approx(_measured(photo(1)).sharpness, rel=0.1)


def test_a_blurred_picture_is_many_times_less_sharp() -> None:
    assert _measured(photo(1).filter(ImageFilter.GaussianBlur(4))).sharpness < 0.05 * _measured(photo(1)).sharpness


def test_a_picture_is_as_sharp_as_what_was_focused_on() -> None:
    mixed = photo(1).filter(ImageFilter.GaussianBlur(4))
    mixed.paste(photo(1).crop((40, 30, 120, 90)), (40, 30))
    assert _measured(mixed).sharpness > 0.3 * _measured(photo(1)).sharpness


def test_grey_has_no_colour() -> None:
    assert _measured(photo(1).convert("L")).colourfulness == 0
    assert _measured(photo(1)).colourfulness > 20


def test_a_white_background_is_not_burnt_where_its_subject_is() -> None:
    cut_out = Image.new("RGB", (160, 120), "white")
    cut_out.paste(ImageEnhance.Brightness(photo(1)).enhance(0.6).crop((40, 30, 120, 90)), (40, 30))
    assert _measured(cut_out).burnt < 0.1
    assert _measured(ImageEnhance.Brightness(photo(1)).enhance(4)).burnt > 0.5


def test_rows_that_a_decoder_filled_in_are_counted_from_the_end() -> None:
    lost = photo(1, 100, 100)
    lost.paste((128, 128, 128), (0, 70, 100, 100))
    assert _measured(lost).grey_end == pytest.approx(0.3, abs=0.01)
    assert _measured(Image.new("RGB", (10, 10), (128, 128, 128))).grey_end == 1.0


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 9), (3, 3), (5000, 2)])
def test_the_smallest_and_the_longest_pictures_are_measured(size: tuple[int, int]) -> None:
    assert all(np.isfinite(value) for value in _measured(Image.new("RGB", size, (200, 10, 10))))
