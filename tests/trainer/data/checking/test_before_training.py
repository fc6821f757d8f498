"""What a training says of its photos by itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from checked_photos import photo
from hawklet_trainer.data import read_labelled, read_photos

Fill = Callable[..., Path]
Save = Callable[..., Path]


@pytest.fixture
def split(fill: Fill) -> Path:
    fill(8, below="train/")
    fill(3, below="val/", first=300)
    return fill(3, below="test/", first=600)


def test_good_photos_give_no_warnings(split: Path) -> None:
    assert read_photos(split).warnings == ()


def test_near_duplicates_across_splits_are_told_in_one_line(split: Path, save: Save) -> None:
    for number in range(3):
        save(photo(number), f"test/oak/near{number}.jpg", quality=60)
    (warning,) = read_photos(split).warnings
    assert warning == (
        "3 sets of near duplicates (6 pictures) in several splits, which flatters the accuracy, such as "
        "train/oak/00000.jpg (train) and test/oak/near0.jpg (test)"
    )


def test_what_is_told_of_files_names_the_first(split: Path, save: Save) -> None:
    save(photo(50), "train/oak/a.jpg", format="PNG")
    exif = Image.Exif()
    exif[0x0112] = 9
    save(photo(51), "train/oak/b.jpg", exif=exif)
    first, second = read_photos(split).warnings
    assert first.startswith("1 picture of another format than the file's name says, such as train/oak/a.jpg")
    assert second.startswith("1 picture whose EXIF is wrong about how they lie, such as train/oak/b.jpg")


def test_many_unreadable_pictures_are_summed_up(split: Path) -> None:
    for number in range(25):
        (split / "train" / "oak" / f"bad{number:02d}.jpg").write_bytes(b"no picture")
    warnings = read_photos(split).warnings
    assert len(warnings) == 11 and warnings[-1] == "left out 15 more that cannot be read"
    assert warnings[0].startswith("left out train/oak/bad00.jpg: not a picture")


def test_copies_that_go_into_one_split_are_no_leak(fill: Fill) -> None:
    source = fill(12)
    for path in list(source.rglob("*.jpg")):
        shutil.copy(path, path.with_name(f"copy of {path.name}"))
    assert read_photos(source).warnings == ()


def test_imbalance_and_small_classes_are_told(fill: Fill) -> None:
    fill(70, ("oak",))
    source = fill(4, ("yew",), first=5000)
    warnings = read_photos(source).warnings
    assert any(line.startswith("1 class has fewer than 6 pictures to train on: 'yew' (2)") for line in warnings)
    assert any("times the pictures of the smallest" in line for line in warnings)


def test_pictures_to_measure_on_are_summed_up_too(fill: Fill) -> None:
    source = fill(4)
    for number in range(12):
        (source / "oak" / f"bad{number:02d}.jpg").write_bytes(b"no picture")
    measured = read_labelled(source, ("oak", "yew"))
    assert len(measured.photos) == 8 and measured.warnings[-1] == "left out 2 more that cannot be read"
