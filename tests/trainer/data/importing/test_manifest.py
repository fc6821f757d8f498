"""Tables with a line for each picture, whatever their columns are called."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from hawklet.errors import DataError
from hawklet_trainer.data.importing.manifest import Manifest

BringIn = Callable[..., Any]
DrawPhotos = Callable[..., Path]


@pytest.fixture
def table(draw_photos: DrawPhotos) -> Path:
    """``photos/all.csv`` with two pictures of each colour."""
    folder = draw_photos(2)
    lines = [f"{path.relative_to(folder)},{path.parent.name}" for path in sorted(folder.rglob("*.png"))]
    (folder / "all.csv").write_text("\n".join(["File_Name,species", *lines]) + "\n")
    return folder / "all.csv"


def test_columns_of_common_names_are_guessed_and_said(table: Path, bring_in: BringIn) -> None:
    done = bring_in(Manifest(), table)
    assert done.record.notes == ["path is taken from the column File_Name", "label is taken from the column species"]
    assert done.record.counts == {label: {"": 2} for label in ("blue", "green", "red")}
    assert all(row.label == row.place.path.parent.name for row in done.rows)


def test_names_of_classes_are_preferred_to_their_numbers(table: Path, bring_in: BringIn) -> None:
    table.write_text(table.read_text().replace("species", "class_name,label").replace("red\n", "red,2\n"))
    assert "label is taken from the column class_name" in bring_in(Manifest(), table).record.notes


def test_columns_of_other_names_are_asked_for(table: Path, bring_in: BringIn) -> None:
    table.write_text(table.read_text().replace("species", "farbe"))
    with pytest.raises(DataError, match=r"needs a column of labels, got File_Name, farbe in .*--label-column NAME"):
        bring_in(Manifest(), table)
    assert bring_in(Manifest(label_column="farbe"), table).record.classes == ["blue", "green", "red"]
    with pytest.raises(DataError, match=r"--label-column must be a column of .*, got 'colour'; it has File_Name"):
        bring_in(Manifest(label_column="colour"), table)


def test_splits_and_groups_are_taken_and_may_be_called_otherwise(table: Path, bring_in: BringIn) -> None:
    lines = table.read_text().splitlines()
    marked = [f"{line},{('Training', 'valid', 'TEST')[n % 3]},plant{n // 2}" for n, line in enumerate(lines[1:])]
    table.write_text("\n".join([f"{lines[0]},subset,plant", *marked]))
    done = bring_in(Manifest(group_column="plant"), table)
    assert [row.split for row in done.rows] == ["train", "val", "test"] * 2
    assert [row.place.group for row in done.rows] == ["plant0", "plant0", "plant1", "plant1", "plant2", "plant2"]


def test_a_split_of_no_known_name_is_refused_saying_where(table: Path, bring_in: BringIn) -> None:
    table.write_text(table.read_text().replace("species", "species,split").replace("blue\n", "blue,fold3\n"))
    with pytest.raises(DataError, match=r"got 'fold3' in row 1 of .*all\.csv"):
        bring_in(Manifest(), table)


def test_pictures_that_are_missing_or_have_no_label_are_left_out_by_name(table: Path, bring_in: BringIn) -> None:
    with table.open("a") as stream:
        stream.write("red/none.png,red\nred/02000.png,\n,red\n" + "x" * 5000 + ",red\n")
    left_out = {left["reason"]: left for left in bring_in(Manifest(), table).record.left_out}
    assert left_out["the file is missing"]["count"] == 3
    assert left_out["the file is missing"]["first"][:2] == ["red/none.png", "row 9"]
    assert left_out["no label"]["first"] == ["red/02000.png"]


@pytest.mark.parametrize("column", ["species", "split", "group"])
def test_a_table_in_another_encoding_is_refused_instead_of_making_classes_of_it(
    table: Path, bring_in: BringIn, column: str
) -> None:
    line = {"species": "red/02000.png,caf\xe9", "split": "red/02000.png,red,\xe9", "group": "red/02000.png,red,,\xe9"}
    table.write_text(table.read_text().replace("species", "species,split,group"))
    with table.open("ab") as stream:
        stream.write(f"{line[column]}\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"must be UTF-8, got '.*\\udce9' in row 7 of .*all\.csv; save it as UTF-8"):
        bring_in(Manifest(), table)


def test_a_class_of_half_a_surrogate_pair_is_refused(table: Path, bring_in: BringIn) -> None:
    other = table.with_suffix(".jsonl")
    other.write_text('{"path": "red/02000.png", "label": "\\ud800"}\n')
    with pytest.raises(DataError, match="must be UTF-8"):
        bring_in(Manifest(), other)


def test_files_may_be_called_what_is_no_utf_8(table: Path, bring_in: BringIn) -> None:
    picture = table.parent / "red" / "02000.png"
    picture.rename(picture.with_name(os.fsdecode(b"caf\xe9.png")))
    table.write_bytes(table.read_bytes().replace(b"02000", b"caf\xe9"))
    assert bring_in(Manifest(), table).record.pictures == 6


def test_pictures_that_are_named_again_are_said(table: Path, bring_in: BringIn) -> None:
    with table.open("a") as stream:
        stream.write("red/../red/02000.png,red\nred/02000.png,red\nred/02001.png,blue\n")
    record = bring_in(Manifest(), table).record
    (note,) = [note for note in record.notes if "again" in note]
    assert note == (
        "lines that name a picture again, which is taken once: 3; "
        "with another label or group, which training refuses: 1"
    )
    assert record.contradicting == 1


def test_numbers_get_their_names_from_a_file(table: Path, bring_in: BringIn, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("blau\ngrün\n", encoding="utf-8")
    numbers = {",blue": ",0", ",green": ",1", ",red": ",2"}
    text = table.read_text()
    for name, number in numbers.items():
        text = text.replace(name, number)
    table.write_text(text)
    done = bring_in(Manifest(class_names=tmp_path / "names.txt"), table)
    assert done.record.counts == {"blau": {"": 2}, "grün": {"": 2}}
    assert done.left_out() == {"the label is none of the class names, nor the number of one": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"one\n\ntwo", "got an empty one"),
        (b"one\none\n", "got 'one' twice"),
        (b"\xff\xfe\xff", "UTF-8"),
        (b"", "empty"),
    ],
)
def test_a_file_of_class_names_with_gaps_or_doubles_is_refused(
    table: Path, bring_in: BringIn, tmp_path: Path, text: bytes, message: str
) -> None:
    (tmp_path / "names.txt").write_bytes(text)
    with pytest.raises(DataError, match=message):
        bring_in(Manifest(class_names=tmp_path / "names.txt"), table)


def test_paths_begin_in_the_root_that_is_named(table: Path, bring_in: BringIn, tmp_path: Path) -> None:
    moved = tmp_path / "tables"
    moved.mkdir()
    table = table.rename(moved / "all.csv")
    with pytest.raises(DataError, match=r"nothing in .* can be imported as manifest: left out 6: the file is missing"):
        bring_in(Manifest(), table)
    assert bring_in(Manifest(root=tmp_path / "photos"), table).record.pictures == 6


@pytest.mark.parametrize("suffix", [".tsv", ".jsonl", ".parquet"])
def test_other_tables_come_out_the_same(table: Path, bring_in: BringIn, suffix: str) -> None:
    expected = bring_in(Manifest(), table).rows
    rows = [line.split(",") for line in table.read_text().splitlines()[1:]]
    other = table.with_suffix(suffix)
    if suffix == ".tsv":
        other.write_text(table.read_text().replace(",", "\t"))
    elif suffix == ".jsonl":
        other.write_text("".join(f'{{"File_Name": "{path}", "species": "{label}"}}\n' for path, label in rows))
    else:
        columns = {"File_Name": [path for path, _ in rows], "species": [label for _, label in rows]}
        parquet.write_table(pa.table(columns), other)
    (table.parent.parent / "imported" / "import.json").unlink()
    (table.parent.parent / "imported" / "index.csv").unlink()
    assert bring_in(Manifest(), other).rows == expected


def test_a_folder_is_refused_naming_the_tables_in_it(table: Path, bring_in: BringIn) -> None:
    with pytest.raises(DataError, match=r"a manifest is a file .*, got the folder .*; it holds all\.csv"):
        bring_in(Manifest(), table.parent)


@pytest.mark.shared_data
def test_a_table_of_real_photos_has_the_counts_of_their_folders(
    shared_data: Path, bring_in: BringIn, tmp_path: Path
) -> None:
    flowers = shared_data / "flowers5"
    lines = [
        f"{path.relative_to(flowers)},{path.parent.name},{path.parent.parent.name},{path.name.split('_')[0]}"
        for path in sorted(flowers.rglob("*.jpg"))
    ]
    (tmp_path / "flowers.csv").write_text("\n".join(["filename,class,subset,group", *lines]))
    done = bring_in(Manifest(root=flowers), tmp_path / "flowers.csv")
    assert done.record.counts == {label: {"test": 50, "train": 140} for label in done.record.classes}
    assert len(done.record.classes) == 5 and done.record.left_out == []
