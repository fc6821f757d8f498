"""Decoded pictures on disk: read back, repaired, bounded, never half-written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL
import pytest

from hawklet.errors import ImageError
from hawklet.spec import Pixels, PreprocessSpec
from hawklet_trainer.data import Photo, load_pixels, pixel_cache, read_photos
from hawklet_trainer.data.pixel_cache import DiskPixels, is_kept, make_room

SPEC = PreprocessSpec(16, 16)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Photo]:
    """Every photo that is decoded for the cache from now on."""
    seen: list[Photo] = []

    def load(photos: Sequence[Photo], spec: PreprocessSpec) -> tuple[Pixels, npt.NDArray[np.int64]]:
        seen.extend(photos)
        return load_pixels(photos, spec)

    monkeypatch.setattr(pixel_cache, "load_pixels", load)
    return seen


@pytest.fixture
def photos(colour_photos: Path) -> list[Photo]:
    """Twenty-four photos."""
    return read_photos(colour_photos).items("train")


def test_what_was_decoded_once_is_not_decoded_again(photos: list[Photo], decoded: list[Photo], tmp_path: Path) -> None:
    some, wanted = np.array([5, 0, 5]), load_pixels(photos, SPEC)[0]
    assert not is_kept(photos, SPEC, tmp_path)
    assert (DiskPixels(photos, SPEC, tmp_path).rows(some) == wanted[some]).all()
    assert is_kept(photos, SPEC, tmp_path)
    assert (DiskPixels(photos, SPEC, tmp_path).rows(some) == wanted[some]).all()
    assert decoded == photos


def test_other_photos_another_spec_or_another_decoder_have_a_file_of_their_own(
    photos: list[Photo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [
        DiskPixels(photos, SPEC, tmp_path).path,
        DiskPixels(photos[1:], SPEC, tmp_path).path,
        DiskPixels(photos, PreprocessSpec(16, 16, crop_fraction=0.8), tmp_path).path,
    ]
    monkeypatch.setattr(PIL, "__version__", "0.1")
    paths.append(DiskPixels(photos, SPEC, tmp_path).path)
    assert len(set(paths)) == 4 and sorted(tmp_path.glob("*.pixels")) == sorted(paths)


def test_a_row_that_the_disk_has_spoilt_is_read_from_its_photo(
    photos: list[Photo], decoded: list[Photo], tmp_path: Path
) -> None:
    kept = DiskPixels(photos, SPEC, tmp_path)
    with kept.path.open("r+b") as stream:
        stream.seek(3 * 16 * 16 * 3 + 10)
        stream.write(b"\x00\xff\x00\xff")
    decoded.clear()
    damaged = DiskPixels(photos, SPEC, tmp_path)
    wanted = load_pixels(photos, SPEC)[0]
    assert (damaged.rows(np.arange(24)) == wanted).all()
    assert decoded == [photos[3]]
    assert not kept.path.exists()  # and is made anew by the next training
    assert (damaged.rows(np.array([1, 2])) == wanted[1:3]).all()


def test_a_file_that_was_cut_short_is_made_anew(photos: list[Photo], decoded: list[Photo], tmp_path: Path) -> None:
    path = DiskPixels(photos, SPEC, tmp_path).path
    os.truncate(path, 1000)
    decoded.clear()
    DiskPixels(photos, SPEC, tmp_path)
    assert decoded == photos


def test_a_photo_that_cannot_be_read_leaves_no_file_behind(
    photos: list[Photo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ImageError("gone")

    monkeypatch.setattr(pixel_cache, "load_pixels", fail)
    with pytest.raises(ImageError):
        DiskPixels(photos, SPEC, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_trainings_that_start_together_write_a_file_once(photos: list[Photo], tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
import hawklet_trainer.data.pixel_cache as cache
from hawklet.spec import PreprocessSpec
from hawklet_trainer.data import read_photos
load, count = cache.load_pixels, []
cache.load_pixels = lambda some, spec: (count.append(len(some)), load(some, spec))[1]
photos = read_photos(Path({str(photos[0].path.parents[1])!r})).items("train")
cache.DiskPixels(photos, PreprocessSpec(16, 16), Path({str(tmp_path)!r}))
print(sum(count))
"""
    running = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sorted(int(process.communicate(timeout=120)[0]) for process in running) == [0, 24]


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


def test_what_a_kill_left_of_a_write_goes(write: Callable[[str, int, int], Path], tmp_path: Path) -> None:
    half, kept = write(".a.pixels.x7b2", 1000, 99), write("a.pixels", 40, 20)
    make_room(tmp_path, 50, 130)
    assert not half.exists() and kept.exists()


def test_what_is_too_large_for_the_whole_folder_drives_nothing_out(
    write: Callable[[str, int, int], Path], tmp_path: Path
) -> None:
    kept = write("a.pixels", 40, 20)
    with pytest.raises(OSError, match="are more than the"):
        make_room(tmp_path, 140, 130)
    assert kept.exists()


def test_nothing_goes_while_there_is_room(write: Callable[[str, int, int], Path], tmp_path: Path) -> None:
    kept = write("a.pixels", 40, 20)
    make_room(tmp_path, 50, 90)
    make_room(tmp_path / "absent", 50, 90)
    assert kept.exists()
