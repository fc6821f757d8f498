"""Decoded pictures on disk: read back, repaired, bounded, never half-written."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from hawklet.errors import ImageError
from hawklet.spec import Pixels, PreprocessSpec
from hawklet_trainer.data import Photo, load_pixels, read_photos
from hawklet_trainer.data.pixel_cache import DiskPixels, make_room

SPEC = PreprocessSpec(16, 16)


class Reader:
    """Decodes, and remembers how many pictures it was asked for."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, photos: Sequence[Photo]) -> Pixels:
        self.count += len(photos)
        return load_pixels(photos, SPEC)[0]


@pytest.fixture
def photos(colour_photos: Path) -> list[Photo]:
    """Twenty-four photos."""
    return read_photos(colour_photos).items("train")


def test_what_was_decoded_once_is_not_decoded_again(photos: list[Photo], tmp_path: Path) -> None:
    first, second = Reader(), Reader()
    some = np.array([5, 0, 5])
    wanted = load_pixels(photos, SPEC)[0]
    assert (DiskPixels(photos, SPEC, first, tmp_path).rows(some) == wanted[some]).all()
    assert (DiskPixels(photos, SPEC, second, tmp_path).rows(some) == wanted[some]).all()
    assert (first.count, second.count) == (24, 0)


def test_other_photos_or_another_spec_have_a_file_of_their_own(photos: list[Photo], tmp_path: Path) -> None:
    paths = {
        DiskPixels(photos, SPEC, Reader(), tmp_path).path,
        DiskPixels(photos[1:], SPEC, Reader(), tmp_path).path,
        DiskPixels(photos, PreprocessSpec(16, 16, crop_fraction=0.8), Reader(), tmp_path).path,
    }
    assert len(paths) == 3 and sorted(tmp_path.iterdir()) == sorted(paths)


def test_a_row_that_the_disk_has_spoilt_is_read_from_its_photo(photos: list[Photo], tmp_path: Path) -> None:
    kept = DiskPixels(photos, SPEC, Reader(), tmp_path)
    with kept.path.open("r+b") as stream:
        stream.seek(3 * 16 * 16 * 3 + 10)
        stream.write(b"\x00\xff\x00\xff")
    reader = Reader()
    damaged = DiskPixels(photos, SPEC, reader, tmp_path)
    wanted = load_pixels(photos, SPEC)[0]
    assert (damaged.rows(np.arange(24)) == wanted).all()
    assert reader.count == 1
    assert not kept.path.exists()  # and is made anew by the next training
    assert (damaged.rows(np.array([1, 2])) == wanted[1:3]).all()


def test_a_file_that_was_cut_short_is_made_anew(photos: list[Photo], tmp_path: Path) -> None:
    path = DiskPixels(photos, SPEC, Reader(), tmp_path).path
    os.truncate(path, 1000)
    reader = Reader()
    DiskPixels(photos, SPEC, reader, tmp_path)
    assert reader.count == 24


def test_a_photo_that_cannot_be_read_leaves_no_file_behind(photos: list[Photo], tmp_path: Path) -> None:
    def fail(photos: Sequence[Photo]) -> Pixels:
        raise ImageError("gone")

    with pytest.raises(ImageError):
        DiskPixels(photos, SPEC, fail, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, int, int], Path]:
    """Write a file of so many bytes that was last used at that time."""

    def make(name: str, size: int, used: int) -> Path:
        path = tmp_path / name
        path.write_bytes(bytes(size))
        os.utime(path, (used, used))
        return path

    return make


def test_room_is_made_by_what_was_used_least_recently(write: Callable[[str, int, int], Path], tmp_path: Path) -> None:
    old, older, new = write("a.pixels", 40, 20), write("b.pixels", 40, 10), write("c.pixels", 40, 30)
    other = write("notes.txt", 1000, 1)
    make_room(tmp_path, 50, 120)
    assert (old.exists(), older.exists(), new.exists(), other.exists()) == (False, False, True, True)


def test_nothing_goes_while_there_is_room(write: Callable[[str, int, int], Path], tmp_path: Path) -> None:
    kept = write("a.pixels", 40, 20)
    make_room(tmp_path, 50, 90)
    make_room(tmp_path / "absent", 50, 10)
    assert kept.exists()
