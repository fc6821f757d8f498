"""The pictures that are checked, also where training would refuse them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hawklet.errors import DataError
from hawklet_trainer.data.checking.catalogue import read_catalogue
from hawklet_trainer.data.index import IndexRow, write_index
from hawklet_trainer.data.place import Place, Span
from hawklet_trainer.data.tally import escaped

Fill = Callable[..., Path]


def test_a_folder_of_splits_keeps_classes_without_pictures(fill: Fill) -> None:
    fill(3, below="train/")
    source = fill(1, below="val/", first=500)
    (source / "train" / "elm").mkdir()
    catalogue = read_catalogue(source)
    assert catalogue.labels == ("elm", "oak", "yew") and catalogue.splits == ("train", "val")
    assert catalogue.counts().tolist() == [[0, 0], [3, 1], [3, 1]]
    assert catalogue.splits[catalogue.learned] == "train"
    assert catalogue.name(0) == "train/oak/00000.jpg" and catalogue.label(0) == "oak" and catalogue.split(0) == "train"


def test_pictures_in_no_split_are_what_is_learned(fill: Fill) -> None:
    catalogue = read_catalogue(fill(2))
    assert catalogue.splits == ("",) and catalogue.learned == 0 and len(catalogue) == 4


def test_an_index_that_training_refuses_is_taken_with_the_reason(fill: Fill, tmp_path: Path) -> None:
    places = [Place(path) for path in sorted(fill(2).rglob("*.jpg"))]
    index = tmp_path / "some.csv"
    write_index(
        index, [IndexRow(place, "oak", split) for place, split in zip(places, ("val", "test", ""), strict=False)]
    )
    catalogue = read_catalogue(index)
    assert len(catalogue) == 3 and catalogue.splits == ("val", "test", "") and "split" in catalogue.refusal


def test_an_index_without_train_has_nothing_to_learn(fill: Fill, tmp_path: Path) -> None:
    places = [Place(path) for path in sorted(fill(2).rglob("*.jpg"))]
    write_index(tmp_path / "some.csv", [IndexRow(place, "oak", "val") for place in places])
    assert read_catalogue(tmp_path / "some.csv").learned == -1


def test_pictures_elsewhere_are_named_by_their_whole_path(fill: Fill, tmp_path: Path) -> None:
    path = next(fill(1).rglob("*.jpg"))
    index = tmp_path / "elsewhere" / "index.csv"
    write_index(index, [IndexRow(Place(path), "oak", "val"), IndexRow(Place(Path("/none.jpg")), "oak", "val")])
    catalogue = read_catalogue(index)
    assert [catalogue.name(0), catalogue.name(1)] == [str(path), "/none.jpg"]


def test_pictures_within_a_shard_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(bytes(2048))
    rows = [IndexRow(Place(tmp_path / "a.tar", Span(offset, 9)), "oak", "") for offset in (512, 1536)]
    write_index(tmp_path / "index.csv", rows)
    catalogue = read_catalogue(tmp_path / "index.csv")
    assert [catalogue.name(0), catalogue.name(1)] == ["a.tar@512", "a.tar@1536"]


def test_names_that_are_no_text_are_escaped(tmp_path: Path) -> None:
    assert escaped("gr\u00fcn") == "gr\u00fcn" and escaped("a\x1b[2Jb") == "a\\x1b[2Jb"
    assert escaped(os.fsdecode(b"\xff.jpg")) == "\\udcff.jpg"


@pytest.mark.parametrize("name", ["none", "file.txt"])
def test_what_names_no_pictures_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.txt").write_text("")
    with pytest.raises(DataError):
        read_catalogue(tmp_path / name)
