"""Folds: every picture is tested once, classes are as frequent in each, and what belongs together stays together."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hawklet.errors import DataError
from hawklet_trainer.crossval.folds import make_folds, pool_of
from hawklet_trainer.data import Photo, PhotoSet, Place, read_photos

LABELS = ("blue", "green", "red")


def _photos(counts: dict[int, int], group_of: Callable[[int, int], str] = lambda label, number: "") -> PhotoSet:
    pictures = [
        Photo(
            Place(Path(f"/photos/{label}/{number:03d}.png"), None, group_of(label, number)), label, f"{label}-{number}"
        )
        for label, count in counts.items()
        for number in range(count)
    ]
    return PhotoSet(Path("/photos"), LABELS, {"train": tuple(pictures)})


def _tested(folds: list[PhotoSet]) -> list[Photo]:
    return [photo for fold in folds for photo in fold.items("test")]


def test_every_picture_is_tested_once_and_trained_or_validated_on_in_all_other_folds() -> None:
    photos = _photos({0: 20, 1: 13, 2: 9})
    folds = make_folds(photos, 4, seed=0)
    assert sorted(photo.sha256 for photo in _tested(folds)) == sorted(photo.sha256 for photo in photos.items("train"))
    for fold in folds:
        every = [photo.sha256 for split in ("train", "val", "test") for photo in fold.items(split)]
        assert sorted(every) == sorted(photo.sha256 for photo in photos.items("train"))


def test_classes_are_as_frequent_in_every_fold_and_in_its_val_pictures() -> None:
    for fold in make_folds(_photos({0: 40, 1: 20, 2: 20}), 5, seed=3):
        assert Counter(photo.label_index for photo in fold.items("test")) == {0: 8, 1: 4, 2: 4}
        assert Counter(photo.label_index for photo in fold.items("val")) == {0: 5, 1: 2, 2: 2}


def test_the_same_seed_gives_the_same_folds_and_another_seed_others() -> None:
    photos = _photos({0: 20, 1: 20, 2: 20})
    assert make_folds(photos, 3, seed=1) == make_folds(photos, 3, seed=1)
    assert make_folds(photos, 3, seed=1) != make_folds(photos, 3, seed=2)


def test_the_pictures_of_a_group_are_in_one_fold_and_on_one_side_of_val() -> None:
    folds = make_folds(_photos({0: 30, 1: 30, 2: 30}, lambda label, number: f"{label}/{number // 3}"), 5, seed=0)
    for fold in folds:
        groups = [{photo.place.group for photo in fold.items(split)} for split in ("train", "val", "test")]
        assert not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]
    assert {len(fold.items("test")) for fold in folds} == {18}


def test_copies_are_in_one_fold_even_where_their_classes_differ() -> None:
    photos = _photos({0: 12, 1: 12, 2: 12})
    first, *rest = photos.items("train")
    copy = replace(rest[20], sha256=first.sha256)
    photos = replace(photos, splits={"train": (first, *rest[:20], copy, *rest[21:])})
    for fold in make_folds(photos, 3, seed=0):
        assert sum(photo.sha256 == first.sha256 for photo in fold.items("test")) in (0, 2)


def test_a_class_with_fewer_pictures_than_folds_is_refused_by_name() -> None:
    with pytest.raises(DataError, match=r"class 'red' has 3 pictures for 5 folds; .* fewer --folds"):
        make_folds(_photos({0: 20, 1: 20, 2: 3}), 5, seed=0)


def test_a_class_with_fewer_groups_than_folds_is_refused_however_many_pictures_it_has() -> None:
    photos = _photos({0: 20, 1: 20, 2: 20}, lambda label, number: "one" if label == 2 else f"{label}/{number}")
    with pytest.raises(DataError, match="class 'red' has 1 groups or different pictures for 2 folds"):
        make_folds(photos, 2, seed=0)


def test_a_test_split_of_the_source_is_in_no_fold(draw_photos: Callable[..., Path]) -> None:
    draw_photos(6, "train", first=0)
    source = draw_photos(3, "test", first=100)
    pool = pool_of(source, read_photos(source))
    assert pool.held_out == 9
    assert {photo.path.parent.parent.name for photo in pool.photos.items("train")} == {"train"}
    assert len(pool.photos.items("train")) == 18


def test_groups_of_an_index_are_kept_together(colour_photos: Path, tmp_path: Path) -> None:
    paths = sorted(colour_photos.rglob("*.png"))
    with (tmp_path / "index.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("path", "label", "group"))
        writer.writerows((path, path.parent.name, f"{path.parent.name}-{n // 2}") for n, path in enumerate(paths))
    pool = pool_of(tmp_path / "index.csv", read_photos(tmp_path / "index.csv"))
    assert pool.held_out == 0 and len(pool.photos.items("train")) == 36
    fold_of: dict[str, set[int]] = {}
    for number, fold in enumerate(make_folds(pool.photos, 3, seed=0)):
        for photo in fold.items("test"):
            fold_of.setdefault(photo.place.group, set()).add(number)
    assert len(fold_of) == 18 and all(len(folds) == 1 for folds in fold_of.values())
