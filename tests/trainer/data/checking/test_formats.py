"""What a file holds, against its name."""

from __future__ import annotations

from pathlib import PurePath

import pytest

from hawklet.images import IMAGE_SUFFIXES
from hawklet_trainer.data.checking.formats import FORMATS, is_heif, number_of, suffix_fits


@pytest.mark.parametrize(
    ("name", "held", "fits"),
    [
        ("a.jpg", "JPEG", True),
        ("a.JPEG", "JPEG", True),
        ("a.jpg", "MPO", True),
        ("a.jpg", "PNG", False),
        ("a.png", "WEBP", False),
        ("a.jpg", "HEIF", False),
        ("a.tar", "PNG", True),
        ("a", "PNG", True),
        ("a.jpg", "", True),
    ],
)
def test_a_name_fits_what_is_held_or_says_nothing_of_it(name: str, held: str, fits: bool) -> None:
    assert suffix_fits(PurePath(name), held) is fits


def test_every_suffix_that_is_taken_for_a_picture_fits_some_format() -> None:
    for suffix in IMAGE_SUFFIXES:
        assert any(suffix_fits(PurePath(f"a{suffix}"), held) for held in FORMATS[1:]), suffix


def test_a_format_has_a_number_and_an_unknown_one_is_zero() -> None:
    assert FORMATS[number_of("PNG")] == "PNG" and number_of("XBM") == 0


def test_heif_is_known_by_its_brand() -> None:
    assert is_heif(b"\0\0\0\x18ftypheic") and not is_heif(b"\0\0\0\x18ftypavif") and not is_heif(b"")
