"""``index.csv`` reads back as what was written, and says which line cannot be meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hawklet.errors import DataError
from hawklet_trainer.data.index import IndexRow, read_index, write_index
from hawklet_trainer.data.place import Place, Span

NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1).filter(
    lambda name: name not in (".", "..") and len(name.encode()) < 200
)
SPANS = st.none() | st.builds(Span, st.integers(0, 1 << 40), st.integers(1, 1 << 30))


@given(st.lists(st.tuples(NAMES, NAMES, st.sampled_from(["", "train", "val", "test"]), NAMES, SPANS), max_size=5))
def test_whatever_is_written_reads_back(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, str, str, str, Span | None]]
) -> None:
    folder = tmp_path_factory.mktemp("index")
    rows = [
        IndexRow(Place((folder if number % 2 else Path("/elsewhere")) / name, span, group), label, split)
        for number, (name, label, split, group, span) in enumerate(lines)
    ]
    assert write_index(folder / "index.csv", iter(rows)) == len(rows)
    assert list(read_index(folder / "index.csv")) == rows


def test_a_carriage_return_in_a_name_reads_back_and_leaves_other_lines_as_they_are(tmp_path: Path) -> None:
    rows = [IndexRow(Place(tmp_path / name, group="g\r\n"), "c\rat") for name in ("1\r.jpg", "\r", '"\r,')]
    rows.append(IndexRow(Place(tmp_path / "2.jpg"), "dog"))
    write_index(tmp_path / "index.csv", rows)
    assert list(read_index(tmp_path / "index.csv")) == rows
    assert (tmp_path / "index.csv").read_bytes().endswith(b"\n2.jpg,dog,,,,\n")


def test_a_name_that_no_encoding_has_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"names that are text, got .*\\ud800"):
        write_index(tmp_path / "index.csv", [IndexRow(Place(tmp_path / "1.jpg"), "c\ud800at")])
    assert list(tmp_path.iterdir()) == []


def test_paths_below_the_index_are_written_from_there_on(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    rows = [IndexRow(Place(path), "cat") for path in (folder / "a" / "1.jpg", tmp_path / "data2" / "2.jpg")]
    write_index(folder / "index.csv", rows)
    lines = (folder / "index.csv").read_text().splitlines()
    assert lines == ["path,label,split,group,offset,size", "a/1.jpg,cat,,,,", f"{tmp_path}/data2/2.jpg,cat,,,,"]


def test_columns_may_come_in_any_order_and_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text("notes,label,plant,path,split\nx,cat,7,../a/./1.jpg,TRAIN\n")
    (row,) = read_index(tmp_path / "index.csv", group="plant")
    assert row == IndexRow(Place(tmp_path.parent / "a" / "1.jpg", group="7"), "cat", "train")


@pytest.mark.parametrize(
    ("text", "group", "message"),
    [
        ("file,class\na.jpg,cat\n", "group", "got file, class in .*hawklet data import manifest"),
        ("path,label\na.jpg,cat\n", "plant", "got 'plant', which is none of path, label"),
        ("path,label\na.jpg,cat\nb.jpg,\n", "group", "needs a label, got none in row 2"),
        ("path,label\n,cat\n", "group", "needs a path, got none in row 1"),
        ("path,label,split\na.jpg,cat,dev\n", "group", "got 'dev' in row 1"),
        ("path,label,offset,size\na.tar,cat,5,\n", "group", "whole numbers of bytes, got '5' and '' in row 1"),
        ("path,label,offset,size\na.tar,cat,-5,9\n", "group", "got '-5' and '9'"),
    ],
)
def test_a_line_that_cannot_be_meant_is_refused_saying_which(
    tmp_path: Path, text: str, group: str, message: str
) -> None:
    (tmp_path / "index.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        list(read_index(tmp_path / "index.csv", group))


def test_a_stream_that_breaks_off_leaves_the_earlier_index(tmp_path: Path) -> None:
    write_index(tmp_path / "index.csv", [IndexRow(Place(tmp_path / "1.jpg"), "cat")])
    before = (tmp_path / "index.csv").read_bytes()

    def broken() -> object:
        yield IndexRow(Place(tmp_path / "2.jpg"), "cat")
        raise DataError("broken off")

    with pytest.raises(DataError, match="broken off"):
        write_index(tmp_path / "index.csv", broken())  # type: ignore[arg-type]
    assert (tmp_path / "index.csv").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["index.csv"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na\0b.jpg,cat\n", r"a path must be one that files can have, got 'a\\x00b.jpg' in row 1 of"),
        ("a.jpg,cat\nb.jpg,cat\n", "must begin with a line of column names, got 'a.jpg' there in .*; add one"),
    ],
)
def test_what_no_file_can_be_called_or_has_no_names_of_columns_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "index.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        list(read_index(tmp_path / "index.csv"))
