"""Whether EXIF says rightly how a picture lies."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from hawklet_trainer.data.checking.exif import ExifState, exif_state


def _state(size: tuple[int, int], orientation: int | None, given: tuple[int, int] | None = None) -> ExifState:
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    if given is not None:
        exif.get_ifd(0x8769).update({0xA002: given[0], 0xA003: given[1]})
    stream = io.BytesIO()
    Image.new("RGB", size).save(stream, "JPEG", exif=exif)
    with Image.open(stream) as picture:
        return exif_state(picture, picture.size)


@pytest.mark.parametrize("orientation", [None, 1])
def test_a_picture_that_lies_as_it_should_needs_nothing(orientation: int | None) -> None:
    assert _state((40, 30), orientation) is ExifState.UPRIGHT


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_picture_to_be_turned_is_told(orientation: int) -> None:
    assert _state((40, 30), orientation) is ExifState.TURNED
    assert _state((40, 30), orientation, (40, 30)) is ExifState.TURNED


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_picture_that_has_the_size_that_exif_gives_it_turned_was_turned_already(orientation: int) -> None:
    assert _state((30, 40), orientation, (40, 30)) is ExifState.TURNED_ALREADY


def test_upside_down_or_square_a_size_tells_nothing() -> None:
    assert _state((30, 40), 3, (40, 30)) is ExifState.TURNED
    assert _state((40, 40), 6, (40, 40)) is ExifState.TURNED


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_that_there_is_not_is_told(orientation: int) -> None:
    assert _state((40, 30), orientation) is ExifState.IMPOSSIBLE


@pytest.mark.shared_data
def test_real_files_are_told_as_they_are_named(shared_data: Path) -> None:
    for path in sorted((shared_data / "awkward_images/exif_orientation").glob("*_[0-9].jpg")):
        with Image.open(path) as picture:
            wanted = ExifState.IMPOSSIBLE if path.stem.endswith("0") else ExifState.TURNED
            assert exif_state(picture, picture.size) is wanted, path.name
