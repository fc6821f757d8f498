"""What folders and indexes name, and what names mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hawklet.errors import DataError
from hawklet_trainer.data.index import IndexRow, write_index
from hawklet_trainer.data.listing import list_photos, split_within, stream_photos, walk
from hawklet_trainer.data.place import Place

DrawPhotos = Callable[..., Path]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train2017", "train"),
        ("imagenet-train-000123", "train"),
        ("instances_val2014", "val"),
        ("My Validation set", "val"),
        ("TEST", "test"),
        ("trains", None),
        ("contest", None),
        ("", None),
    ],
)
def test_a_split_is_told_by_a_whole_word_of_a_name(name: str, split: str | None) -> None:
    assert split_within(name) == split


def test_a_stream_names_what_a_listing_does(draw_photos: DrawPhotos) -> None:
    draw_photos(3, below="train")
    folder = draw_photos(2, below="test", first=500)
    listing = list_photos(folder)
    rows = list(stream_photos(folder))
    assert [row.place for row in rows] == [
        place for split in ("test", "train") for places in listing.found[split].values() for place in places
    ]
    assert {(row.split, row.label) for row in rows} == {
        (split, label) for split, classes in listing.found.items() for label in classes
    }


def test_a_stream_does_not_judge(tmp_path: Path) -> None:
    rows = [IndexRow(Place(tmp_path / "1.jpg"), "cat", "val"), IndexRow(Place(tmp_path / "2.jpg"), "Cat", "")]
    write_index(tmp_path / "index.csv", rows)
    assert list(stream_photos(tmp_path)) == rows
    with pytest.raises(DataError, match="split it anew: hawklet data split --anew"):
        list_photos(tmp_path)


def test_files_that_are_no_pictures_are_told_to_who_asks(draw_photos: DrawPhotos) -> None:
    folder = draw_photos(1)
    (folder / "red" / "notes.txt").write_text("no picture")
    (folder / "red" / ".hidden.txt").write_text("no picture")
    skipped: list[Path] = []
    assert len(list(stream_photos(folder, skipped=skipped.append))) == 3
    assert skipped == [folder / "red" / "notes.txt"]


def test_a_folder_of_a_split_without_classes_is_still_that_split(draw_photos: DrawPhotos) -> None:
    folder = draw_photos(2, below="train")
    (folder / "val").mkdir()
    assert list_photos(folder).found["val"] == {}


def test_files_come_in_the_order_of_their_names_and_behind_links_too(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for path in (inside / "b.jpg", inside / "a" / "2.jpg", inside / "a" / "1.jpg", outside / "3.jpg"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    (inside / "c").symlink_to(outside)
    (inside / "d.jpg").symlink_to(tmp_path / "nowhere")
    (inside / "e.jpg").symlink_to("e.jpg")
    names = [path.relative_to(inside).as_posix() for path in walk(inside)]
    assert names == ["a/1.jpg", "a/2.jpg", "b.jpg", "c/3.jpg", "d.jpg", "e.jpg"]


def test_pictures_elsewhere_share_the_folder_that_holds_them_all(tmp_path: Path) -> None:
    places = [tmp_path / "a" / "x" / "1.jpg", tmp_path / "a" / "y" / "2.jpg", tmp_path / "a" / "y" / "3.jpg"]
    write_index(tmp_path / "lists" / "index.csv", (IndexRow(Place(path), "cat") for path in places))
    assert list_photos(tmp_path / "lists").folder == tmp_path / "a"


def test_links_that_lead_nowhere_beside_the_classes_are_no_classes(draw_photos: DrawPhotos) -> None:
    folder = draw_photos(1)
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")
    assert list_photos(folder).learned() == ["blue", "green", "red"]


def test_a_folder_that_contains_itself_is_refused_with_the_link_that_is_to_blame(tmp_path: Path) -> None:
    (tmp_path / "photos" / "roses").mkdir(parents=True)
    link = tmp_path / "photos" / "roses" / "again"
    link.symlink_to(tmp_path / "photos")
    with pytest.raises(DataError, match=f"the link {link} leads back; take it away"):
        list_photos(tmp_path / "photos")


def test_a_picture_in_the_place_of_photos_is_refused_as_one(draw_photos: DrawPhotos) -> None:
    picture = draw_photos(1) / "red" / "02000.png"
    with pytest.raises(DataError, match=f"or an index of pictures, got the picture {picture}"):
        list_photos(picture)
