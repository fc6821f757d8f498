"""Folders of photos: what is taken, what is refused, how it is split."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hawklet.errors import DataError
from hawklet.images import read_image
from hawklet.preprocess import preprocess
from hawklet.spec import PreprocessSpec
from hawklet_trainer.data import SPLITS, Cache, Loading, PhotoSet, PixelSource, load_pixels, read_labelled, read_photos

DrawPhotos = Callable[..., Path]


def test_a_plain_folder_is_split_so_that_every_class_is_in_every_split(draw_photos: DrawPhotos) -> None:
    photos = read_photos(draw_photos(20))
    assert photos.labels == ("blue", "green", "red")
    assert photos.counts() == {"train": 42, "val": 9, "test": 9}
    for split in SPLITS:
        assert {photo.label_index for photo in photos.items(split)} == {0, 1, 2}
    paths = [photo.path for split in SPLITS for photo in photos.items(split)]
    assert len(set(paths)) == 60


def test_the_split_depends_on_the_seed_and_on_nothing_else(draw_photos: DrawPhotos) -> None:
    folder = draw_photos(20)
    assert read_photos(folder, 3).splits == read_photos(folder, 3).splits
    assert read_photos(folder, 3).splits != read_photos(folder, 4).splits


def test_a_new_class_leaves_the_split_of_the_others_alone(draw_photos: DrawPhotos) -> None:
    folder = draw_photos(20)
    before = {photo.path for photo in read_photos(folder).items("test")}
    (draw_photos(20, below="more", first=500) / "more" / "red").rename(folder / "amber")
    shutil.rmtree(folder / "more")
    assert before <= {photo.path for photo in read_photos(folder).items("test")}


def test_a_folder_with_train_and_test_has_its_val_split_from_train_alone(draw_photos: DrawPhotos) -> None:
    draw_photos(10, below="train")
    photos = read_photos(draw_photos(4, below="test", first=500))
    assert photos.counts() == {"train": 24, "val": 6, "test": 12}
    assert all("train" in photo.path.parts for photo in photos.items("val"))


def test_a_folder_with_train_and_val_is_taken_as_it_is_and_has_no_test(draw_photos: DrawPhotos) -> None:
    draw_photos(4, below="train")
    photos = read_photos(draw_photos(2, below="valid", first=500))
    assert photos.counts() == {"train": 12, "val": 6, "test": 0}
    assert photos.items("test") == []


def test_an_unreadable_picture_is_left_out_and_named(draw_photos: DrawPhotos) -> None:
    folder = draw_photos(10)
    (folder / "red" / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    photos = read_photos(folder)
    assert sum(photos.counts().values()) == 30
    assert any("red/broken.jpg" in warning for warning in photos.warnings)


def test_a_link_that_leads_nowhere_is_left_out_and_named(draw_photos: DrawPhotos) -> None:
    folder = draw_photos(6)
    (folder / "red" / "self.jpg").symlink_to("self.jpg")
    (folder / "red" / "dangling.jpg").symlink_to("nowhere.jpg")
    photos = read_photos(folder)
    assert sum(photos.counts().values()) == 18
    for name in ("red/self.jpg", "red/dangling.jpg"):
        assert any(line.startswith(f"left out {name}: ") for line in photos.warnings)


def test_an_index_in_another_encoding_is_refused_with_what_to_do(draw_photos: DrawPhotos) -> None:
    folder = draw_photos(3)
    lines = [f"{path},{'café' if path.parent.name == 'red' else path.parent.name}" for path in folder.rglob("*.png")]
    (folder / "index.csv").write_bytes("\n".join(["path,label", *lines]).encode("latin-1"))
    with pytest.raises(DataError, match=r"got 'caf\\udce9'; save .*index.csv as UTF-8, or rename the class in it"):
        read_photos(folder)


def test_the_digest_follows_contents_and_names_but_not_the_place(draw_photos: DrawPhotos, tmp_path: Path) -> None:
    folder = draw_photos(5)
    digest = read_photos(folder).digest
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)
    assert read_photos(moved).digest == digest
    first = next((moved / "red").iterdir())
    first.rename(first.with_name("renamed.png"))
    assert read_photos(moved).digest != digest


def test_folders_of_splits_may_be_written_in_other_ways(draw_photos: DrawPhotos) -> None:
    folder = draw_photos(5, below="Training")
    shutil.copytree(folder / "Training", folder / "VAL")
    photos = read_photos(folder)
    assert photos.labels == ("blue", "green", "red")
    assert photos.counts() == {"train": 15, "val": 15, "test": 0}


def test_a_class_may_be_called_train(draw_photos: DrawPhotos) -> None:
    folder = draw_photos(5)
    (folder / "red").rename(folder / "train")
    assert read_photos(folder).labels == ("blue", "green", "train")


def test_copies_of_a_picture_go_into_one_split(draw_photos: DrawPhotos) -> None:
    folder = draw_photos(20)
    for path in list(folder.rglob("*.png")):
        shutil.copy(path, path.with_name(f"copy of {path.name}"))
    photos = read_photos(folder)
    assert photos.warnings == ()
    assert photos.counts() == {"train": 84, "val": 18, "test": 18}


def test_a_picture_in_two_classes_is_warned_of(draw_photos: DrawPhotos) -> None:
    folder = draw_photos(12)
    shutil.copy(next((folder / "red").iterdir()), folder / "blue" / "red.png")
    warnings = [line for line in read_photos(folder).warnings if "several classes" in line]
    assert len(warnings) == 1 and "blue/red.png" in warnings[0]


def test_hidden_files_and_other_files_are_not_pictures(draw_photos: DrawPhotos) -> None:
    folder = draw_photos(10)
    (folder / "red" / "notes.txt").write_text("no picture")
    (folder / "red" / "._resource.png").write_bytes(b"no picture")
    (folder / ".ipynb_checkpoints").mkdir()
    photos = read_photos(folder)
    assert photos.warnings == () and photos.labels == ("blue", "green", "red")


def test_the_same_picture_in_train_and_test_is_warned_of(draw_photos: DrawPhotos) -> None:
    folder = draw_photos(6, below="train")
    shutil.copytree(folder / "train", folder / "test")
    assert any("equal files" in line and "several splits" in line for line in read_photos(folder).warnings)


def test_a_split_that_lacks_a_class_is_warned_of(draw_photos: DrawPhotos) -> None:
    draw_photos(6, below="train")
    folder = draw_photos(2, below="test", first=500)
    shutil.rmtree(folder / "test" / "red")
    assert "test has no picture of 'red'" in read_photos(folder).warnings


def _no_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def _no_pictures(folder: Path) -> None:
    for path in folder.rglob("*.png"):
        path.unlink()


def _pictures_without_classes(folder: Path) -> None:
    for path in folder.rglob("*.png"):
        path.rename(folder / path.name)


def _one_class(folder: Path) -> None:
    shutil.rmtree(folder / "red")
    shutil.rmtree(folder / "blue")


def _an_empty_class(folder: Path) -> None:
    (folder / "yellow").mkdir()


def _too_few(folder: Path) -> None:
    for path in sorted((folder / "red").iterdir())[2:]:
        path.unlink()


def _damaged(folder: Path) -> None:
    for path in (folder / "red").iterdir():
        path.write_bytes(b"no picture")


def _splits_without_train(folder: Path) -> None:
    (folder / "red").rename(folder / "Test")
    (folder / "blue").rename(folder / "Validation")
    shutil.rmtree(folder / "green")


def _a_stranger_beside_train(folder: Path) -> None:
    for name in ("Training/red", "Training/blue", "backup/red"):
        shutil.copytree(folder / "red", folder / name)
    shutil.rmtree(folder / "red")
    shutil.rmtree(folder / "blue")


def _differing_by_case(folder: Path) -> None:
    shutil.copytree(folder / "red", folder / "RED")


def _unknown_in_test(folder: Path) -> None:
    shutil.copytree(folder / "red", folder / "train" / "red")
    shutil.copytree(folder / "blue", folder / "train" / "blue")
    shutil.copytree(folder / "green", folder / "test" / "green")
    _remove_classes(folder)


def _two_kinds_of_val(folder: Path) -> None:
    for name in ("train", "val", "validation"):
        shutil.copytree(folder / "red", folder / name / "red")
    _remove_classes(folder)


def _remove_classes(folder: Path) -> None:
    for label in ("red", "green", "blue"):
        shutil.rmtree(folder / label)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_no_folder, "there is no folder"),
        (_no_pictures, "no pictures in any"),
        (_pictures_without_classes, "into a folder of its own"),
        (_one_class, "at least two classes, got 1 "),
        (_an_empty_class, "'yellow' has 0 different readable"),
        (_too_few, "'red' has 2 different readable picture"),
        (_splits_without_train, "one must be train/"),
        (_a_stranger_beside_train, "got 'backup'"),
        (_damaged, "'red' has 0 different readable .* of 5 pictures that were left out the first: red/"),
        (_differing_by_case, "'RED' and 'red'"),
        (_unknown_in_test, "'green' only in test of"),
        (_two_kinds_of_val, "got two; merge them into val/"),
    ],
)
def test_a_folder_that_cannot_be_trained_on_is_refused_saying_why(
    draw_photos: DrawPhotos, spoil: Callable[[Path], None], message: str
) -> None:
    folder = draw_photos(5)
    spoil(folder)
    with pytest.raises(DataError, match=message):
        read_photos(folder)


def test_a_split_written_down_reads_back_as_the_same_split(draw_photos: DrawPhotos) -> None:
    photos = read_photos(draw_photos(8))
    again = PhotoSet.from_csv(photos.to_csv(), photos.folder, photos.labels)
    assert again.splits == photos.splits and again.labels == photos.labels
    assert again.digest == photos.digest


def test_photos_that_went_missing_since_are_counted_and_named(draw_photos: DrawPhotos) -> None:
    photos = read_photos(draw_photos(8))
    gone = photos.items("train")[0].path
    gone.unlink()
    with pytest.raises(DataError, match=f"1 of 24 are missing.*{gone.name}"):
        PhotoSet.from_csv(photos.to_csv(), photos.folder, photos.labels)


def test_photos_that_changed_since_are_counted_and_named(draw_photos: DrawPhotos) -> None:
    photos = read_photos(draw_photos(8))
    one, other = (photo.path for photo in photos.items("train")[:2])
    one.write_bytes(other.read_bytes())
    with pytest.raises(DataError, match=f"1 of 24 have changed since.*{one.name}"):
        PhotoSet.from_csv(photos.to_csv(), photos.folder, photos.labels)


def test_pixels_are_those_of_the_one_preprocessing_path(draw_photos: DrawPhotos) -> None:
    items = read_photos(draw_photos(8)).items("train")
    spec = PreprocessSpec(32, 32, crop_fraction=0.8)
    pixels, labels = load_pixels(items, spec)
    assert pixels.dtype == np.uint8 and pixels.shape == (len(items), 32, 32, 3)
    assert labels.tolist() == [photo.label_index for photo in items]
    assert (pixels[3] == preprocess(read_image(items[3].path), spec)).all()


def test_a_limit_takes_pictures_of_every_class(draw_photos: DrawPhotos) -> None:
    labels = load_pixels(read_photos(draw_photos(10)).items("train"), PreprocessSpec(32, 32), limit=6)[1]
    assert len(labels) == 6 and set(labels) == {0, 1, 2}


def test_pictures_too_many_to_keep_come_out_the_same(draw_photos: DrawPhotos) -> None:
    items = read_photos(draw_photos(5)).items("train")
    spec = PreprocessSpec(32, 32)
    chosen = [4, 0, 7]
    assert (PixelSource(items, spec).batch(chosen) == PixelSource(items, spec, Loading(Cache.NONE)).batch(chosen)).all()


def test_pictures_to_measure_on_take_their_classes_from_the_model(draw_photos: DrawPhotos) -> None:
    folder = draw_photos(2)
    (folder / "green" / "broken.png").write_text("no picture")
    measured = read_labelled(folder, ("amber", "red", "blue", "green"))
    photos, warnings = measured.photos, measured.warnings
    assert [photo.label_index for photo in photos] == [2, 2, 3, 3, 1, 1]
    assert len(warnings) == 1 and "green/broken.png" in warnings[0]


def test_pictures_of_a_class_the_model_lacks_are_refused_by_name(draw_photos: DrawPhotos) -> None:
    with pytest.raises(DataError, match="got 'green', which is none of blue, red"):
        read_labelled(draw_photos(1), ("blue", "red"))


def test_a_folder_without_pictures_to_measure_on_is_refused(tmp_path: Path) -> None:
    (tmp_path / "red").mkdir()
    with pytest.raises(DataError, match="got no readable pictures in any"):
        read_labelled(tmp_path, ("red",))
