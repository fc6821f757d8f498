"""``hawklet data split``: an index with the split of every picture."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hawklet import cli
from hawklet.errors import DataError, UsageError
from hawklet_trainer.data import read_photos
from hawklet_trainer.data.index import IndexRow, read_index, write_index
from hawklet_trainer.data.place import Place
from hawklet_trainer.data.split_index import SplitOptions, split_index

DrawPhotos = Callable[..., Path]


def _splits(index: Path) -> dict[str, int]:
    rows = list(read_index(index))
    return {split: sum(row.split == split for row in rows) for split in ("train", "val", "test", "")}


def test_a_folder_of_classes_is_split_as_a_training_would(draw_photos: DrawPhotos, tmp_path: Path) -> None:
    folder = draw_photos(20)
    index, tally = split_index(folder, tmp_path / "new", SplitOptions(seed=3))
    assert index == tmp_path / "new" / "index.csv" and tally.total == 60
    split, trained = read_photos(tmp_path / "new"), read_photos(folder, 3)
    for name in ("train", "val", "test"):
        assert split.items(name) == trained.items(name)


def test_the_index_may_be_named_itself_and_is_not_overwritten(draw_photos: DrawPhotos, tmp_path: Path) -> None:
    folder = draw_photos(10)
    index, _ = split_index(folder, tmp_path / "mine.csv", SplitOptions(val=0.2, test=0))
    assert _splits(index) == {"train": 24, "val": 6, "test": 0, "": 0}
    before = index.read_bytes()
    with pytest.raises(DataError, match=r"mine\.csv is there already; name another"):
        split_index(folder, index, SplitOptions())
    assert index.read_bytes() == before


def test_splits_that_are_there_are_kept_unless_all_is_split_anew(draw_photos: DrawPhotos, tmp_path: Path) -> None:
    draw_photos(10, below="train")
    folder = draw_photos(4, below="test", first=500)
    index, _ = split_index(folder, tmp_path / "kept.csv", SplitOptions(val=0.2))
    assert _splits(index) == {"train": 24, "val": 6, "test": 12, "": 0}
    assert all("test" in row.place.path.parts for row in read_index(index) if row.split == "test")
    index, _ = split_index(folder, tmp_path / "anew.csv", SplitOptions(val=0.2, test=0.3, anew=True))
    assert {row.split for row in read_index(index) if "test" in row.place.path.parts} == {"train", "val", "test"}


def test_what_a_training_refuses_can_be_split_anew(draw_photos: DrawPhotos, tmp_path: Path) -> None:
    folder = draw_photos(10, below="val")
    rows = [IndexRow(Place(path), path.parent.name, "val") for path in sorted(folder.rglob("*.png"))]
    write_index(tmp_path / "val.csv", [*rows[:-1], IndexRow(rows[-1].place, "red", "")])
    with pytest.raises(DataError, match="--anew"):
        split_index(tmp_path / "val.csv", tmp_path / "new.csv", SplitOptions())
    index, _ = split_index(tmp_path / "val.csv", tmp_path / "new.csv", SplitOptions(anew=True))
    assert _splits(index) == {"train": 18, "val": 6, "test": 6, "": 0}


def test_groups_of_a_column_stay_together(draw_photos: DrawPhotos, tmp_path: Path) -> None:
    folder = draw_photos(12)
    lines = [
        f"{path},{path.parent.name},{path.parent.name}{n // 3}" for n, path in enumerate(sorted(folder.rglob("*.png")))
    ]
    (tmp_path / "all.csv").write_text("\n".join(["path,label,plant", *lines]))
    index, _ = split_index(tmp_path / "all.csv", tmp_path / "new.csv", SplitOptions(group="plant"))
    split_of: dict[str, set[str]] = {}
    for row in read_index(index):
        split_of.setdefault(row.place.group, set()).add(row.split)
    assert len(split_of) == 12 and all(len(splits) == 1 for splits in split_of.values())
    with pytest.raises(DataError, match="got 'pot', which is none of path, label, plant"):
        split_index(tmp_path / "all.csv", tmp_path / "other.csv", SplitOptions(group="pot"))
    with pytest.raises(UsageError, match="--groups names a column of an index"):
        split_index(folder, tmp_path / "other.csv", SplitOptions(group="plant"))


def test_copies_stay_together_and_missing_files_are_left_out_by_name(draw_photos: DrawPhotos, tmp_path: Path) -> None:
    folder = draw_photos(10)
    for path in list(folder.rglob("*.png")):
        shutil.copy(path, path.with_name(f"copy-{path.name}"))
    rows = [IndexRow(Place(path), path.parent.name) for path in sorted(folder.rglob("*.png"))]
    write_index(tmp_path / "all.csv", [*rows, IndexRow(Place(folder / "red" / "gone.png"), "red")])
    said: list[str] = []
    index, _ = split_index(tmp_path / "all.csv", tmp_path / "new.csv", SplitOptions(), said.append)
    assert said == [f"left out 1: the file is missing or cannot be read ({folder / 'red' / 'gone.png'})"]
    split_of = {row.place.path: row.split for row in read_index(index)}
    assert len(split_of) == 60
    assert all(split_of[path] == split_of[path.with_name(f"copy-{path.name}")] for path in folder.rglob("0*.png"))


def test_equal_files_in_two_classes_go_into_one_split(draw_photos: DrawPhotos, tmp_path: Path) -> None:
    folder = draw_photos(20)
    for path in sorted((folder / "red").iterdir())[:10]:
        shutil.copy(path, folder / "blue" / f"copy-{path.name}")
    index, _ = split_index(folder, tmp_path / "new.csv", SplitOptions())
    split_of = {row.place.path: row.split for row in read_index(index)}
    copies = list((folder / "blue").glob("copy-*"))
    assert len(copies) == 10
    assert all(split_of[path] == split_of[folder / "red" / path.name.removeprefix("copy-")] for path in copies)
    trained = read_photos(folder)
    digests = [{photo.sha256 for photo in trained.items(split)} for split in ("train", "val", "test")]
    assert sum(map(len, digests)) == len(set.union(*digests)) == 60


@pytest.mark.parametrize("target", ["", "new", "new.csv", "red/new.csv"])
def test_an_index_among_the_photos_is_refused(draw_photos: DrawPhotos, target: str) -> None:
    """From then on it would be read in their place."""
    folder = draw_photos(6)
    before = sorted(folder.rglob("*"))
    with pytest.raises(DataError, match=r"leaves the photos' folder as it is, but .* would be in it; name another"):
        split_index(folder, folder / target, SplitOptions())
    assert sorted(folder.rglob("*")) == before


def test_names_that_are_no_text_are_split_like_others(draw_photos: DrawPhotos, tmp_path: Path) -> None:
    folder = draw_photos(6)
    (folder / "red").rename(folder / os.fsdecode(b"r\xf6d\x1b"))
    index, tally = split_index(folder, tmp_path / "new.csv", SplitOptions())
    assert tally.to_dict()["r\\udcf6d\\x1b"] == {"test": 1, "train": 4, "val": 1}
    assert all(row.place.is_there() for row in read_index(index))


def _only_in_test(folder: Path) -> None:
    shutil.copytree(folder / "train" / "red", folder / "test" / "amber")


def _no_pictures(folder: Path) -> None:
    for path in folder.rglob("*.png"):
        path.unlink()


@pytest.mark.parametrize(
    ("spoil", "options", "error", "message"),
    [
        (
            lambda folder: None,
            SplitOptions(val=0.6, test=0.4),
            UsageError,
            "got 0.6 and 0.4; their sum",
        ),
        (lambda folder: None, SplitOptions(val=0, test=0), UsageError, "has train and test, and of the others none"),
        (_only_in_test, SplitOptions(), DataError, "got 'amber' only in test"),
        (_no_pictures, SplitOptions(), DataError, "got none that can be read"),
        (lambda folder: shutil.rmtree(folder), SplitOptions(), DataError, "there is no folder"),
    ],
)
def test_what_cannot_be_split_is_refused_and_nothing_written(
    draw_photos: DrawPhotos,
    tmp_path: Path,
    spoil: Callable[[Path], None],
    options: SplitOptions,
    error: type[Exception],
    message: str,
) -> None:
    draw_photos(6, below="train")
    folder = draw_photos(2, below="test", first=500)
    spoil(folder)
    with pytest.raises(error, match=message):
        split_index(folder, tmp_path / "new", options)
    assert not (tmp_path / "new").exists()


def test_shares_that_leave_a_class_empty_are_refused(draw_photos: DrawPhotos, tmp_path: Path) -> None:
    folder = draw_photos(10)
    for path in sorted((folder / "red").iterdir())[2:]:
        path.unlink()
    with pytest.raises(DataError, match="class 'red' has 2 different readable"):
        split_index(folder, tmp_path / "new", SplitOptions())


def test_the_command_prints_the_table_and_what_comes_next(
    draw_photos: DrawPhotos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = draw_photos(20)
    with pytest.raises(SystemExit) as end:
        cli.main(["data", "split", str(folder), str(tmp_path / "new"), "--val", "0.1", "--test", "0.1"])
    assert end.value.code == 0
    words = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert words[0] == ["class", "train", "val", "test"] and ["blue", "16", "2", "2"] in words
    assert ["all", "48", "6", "6"] in words
    assert words[-1] == ["next:", "hawklet", "train", str(tmp_path / "new" / "index.csv")]


def test_near_duplicates_stay_together_where_it_is_asked_for(draw_photos: DrawPhotos, tmp_path: Path) -> None:
    """Ten scenes of each class, each taken four times with another exposure and stored anew."""
    folder = tmp_path / "scenes"
    for label in ("cat", "dog"):
        (folder / label).mkdir(parents=True)
        for scene in range(10):
            grid = np.random.default_rng(ord(label[0]) * 100 + scene).integers(30, 200, (6, 6, 3), dtype=np.uint8)
            picture = Image.fromarray(grid).resize((160, 160), Image.Resampling.BICUBIC)
            for shot in range(4):
                brighter = picture.point([min(255, value + 6 * shot) for value in range(256)] * 3)
                brighter.save(folder / label / f"{scene}-{shot}.jpg", quality=80 + 4 * shot)
    index, tally = split_index(folder, tmp_path / "new.csv", SplitOptions(keep_similar_together=True))
    split_of: dict[str, set[str]] = {}
    for row in read_index(index):
        split_of.setdefault(row.label + row.place.path.stem.split("-")[0], set()).add(row.split)
    assert len(split_of) == 20 and all(len(splits) == 1 for splits in split_of.values())
    assert tally.of_split("train") == 56 and all(tally.of_split(split) in (8, 12, 16) for split in ("val", "test"))


def test_a_split_that_cannot_be_trained_on_says_so_and_that_nothing_was_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one" / "cat").mkdir(parents=True)
    for number in range(6):
        (tmp_path / "one" / "cat" / f"{number}.jpg").write_text(f"text {number}")
    with pytest.raises(SystemExit) as end:
        cli.main(["data", "split", str(tmp_path / "one"), str(tmp_path / "new")])
    assert end.value.code == 0
    *_, opened, last = capsys.readouterr().out.splitlines()
    assert opened.startswith("the pictures were not opened") and str(tmp_path / "new" / "index.csv") in opened
    assert last == "not fit for training yet: a classifier needs at least two classes, got 1 (cat)"


def test_links_that_lead_nowhere_are_left_out_by_name(draw_photos: DrawPhotos, tmp_path: Path) -> None:
    folder = draw_photos(6)
    (folder / "red" / "self.jpg").symlink_to("self.jpg")
    said: list[str] = []
    _, tally = split_index(folder, tmp_path / "new.csv", SplitOptions(), said.append)
    assert said == [f"left out 1: the file is missing or cannot be read ({folder / 'red' / 'self.jpg'})"]
    assert tally.total == 18


def test_an_original_layout_is_refused_with_its_import(tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "train-0.tar").write_bytes(b"")
    with pytest.raises(DataError, match="is webdataset; bring it in first: hawklet data import webdataset"):
        split_index(tmp_path / "shards", tmp_path / "new", SplitOptions())
    assert not (tmp_path / "new").exists()
