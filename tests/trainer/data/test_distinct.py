"""An index that names a picture twice is taken for one that names it once, or refused where it contradicts itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hawklet.errors import DataError
from hawklet_trainer.data.distinct import distinct
from hawklet_trainer.data.index import IndexRow, read_index
from hawklet_trainer.data.listing import list_photos
from hawklet_trainer.data.place import Place, Span
from hawklet_trainer.data.split_index import SplitOptions, split_index

DrawPhotos = Callable[..., Path]


def _row(name: str = "1.jpg", label: str = "cat", split: str = "", group: str = "", at: int | None = None) -> IndexRow:
    return IndexRow(Place(Path("/photos") / name, None if at is None else Span(at, 9), group), label, split)


def test_a_picture_that_is_named_again_is_counted_once() -> None:
    rows = [_row(), _row("2.jpg"), _row(), _row("2.jpg"), _row(at=0), _row(at=9), _row(at=0)]
    assert list(distinct(rows, "index.csv")) == [_row(), _row("2.jpg"), _row(at=0), _row(at=9)]


def test_a_picture_in_two_splits_stays_in_both_for_the_check_to_find() -> None:
    rows = [_row(split=split) for split in ("train", "test", "test", "train")]
    assert list(distinct(rows, "index.csv")) == rows[:2]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (_row(label="dog"), r"one label, got 'cat' and 'dog' for /photos/1\.jpg in mine\.csv;.*--fix NEW"),
        (_row(label="dog", split="test"), "one label, got 'cat' and 'dog'"),
        (_row(group="b"), "one group, got '' and 'b'"),
    ],
)
def test_two_things_said_of_one_picture_are_refused_naming_both(other: IndexRow, message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(distinct([_row(), _row("2.jpg"), other], "mine.csv"))


@pytest.fixture
def lines(draw_photos: DrawPhotos, tmp_path: Path) -> list[str]:
    """Those of an index of twelve pictures of each colour, each in a group of its own."""
    folder = draw_photos(12)
    paths = sorted(folder.rglob("*.png"))
    return ["path,label,group", *(f"{path},{path.parent.name},plant{number}" for number, path in enumerate(paths))]


def test_a_listing_and_a_split_lose_no_picture_that_is_named_twice(lines: list[str], tmp_path: Path) -> None:
    source = tmp_path / "all.csv"
    source.write_text("\n".join([*lines, lines[1]]))
    assert len(list_photos(source).places()) == 36
    for anew in (False, True):
        index, _ = split_index(source, tmp_path / f"{anew}.csv", SplitOptions(anew=anew))
        assert len({row.place for row in read_index(index)}) == len(list(read_index(index))) == 36


@pytest.mark.parametrize("anew", [False, True])
def test_a_picture_of_two_classes_is_never_split(lines: list[str], tmp_path: Path, anew: bool) -> None:
    source = tmp_path / "all.csv"
    source.write_text("\n".join([*lines, lines[1].replace(",blue,", ",red,")]))
    with pytest.raises(DataError, match="must have one label, got 'blue' and 'red'"):
        split_index(source, tmp_path / "new.csv", SplitOptions(anew=anew))
    assert not (tmp_path / "new.csv").exists()
