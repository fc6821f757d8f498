"""An import is whole or absent, says what it did, and touches nothing that is the user's."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from hawklet.errors import DataError
from hawklet_trainer.data.importing import Importer, import_photos, read_record
from hawklet_trainer.data.importing.class_folders import ClassFolders
from hawklet_trainer.data.importing.destination import locked
from hawklet_trainer.data.importing.intake import Intake
from hawklet_trainer.data.index import IndexRow
from hawklet_trainer.data.listing import list_photos
from hawklet_trainer.data.place import Place

BringIn = Callable[..., Any]
DrawPhotos = Callable[..., Path]


@dataclass(frozen=True)
class Written(Importer):
    """Writes one picture for each line of a file."""

    kind: ClassVar[str] = "written"
    summary: ClassVar[str] = "For tests."
    breaks_after: int = 99

    def rows(self, source: Path, intake: Intake) -> Iterator[IndexRow]:
        for number, line in enumerate(source.read_text().split()):
            if number == self.breaks_after:
                raise OSError(28, "No space left on device")
            yield IndexRow(Place(intake.keep((line, f"{number}.png"), b"picture")), line, "train")


def _tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    (tmp_path / "lines.txt").write_text("cat dog cat")
    return tmp_path / "lines.txt"


def test_the_record_says_what_came_from_where(draw_photos: DrawPhotos, bring_in: BringIn) -> None:
    source = draw_photos(3)
    for number in range(7):
        (source / "red" / f"notes{number}.txt").write_text("no picture")
    done = bring_in(ClassFolders(), source)
    record = json.loads((done.folder / "import.json").read_text())
    assert record["schema"] == "hawklet-import/1"
    assert record["kind"] == "folder" and record["source"] == str(source) and record["options"] == {}
    assert record["classes"] == ["blue", "green", "red"] and record["pictures"] == 9
    assert record["counts"] == {label: {"": 3} for label in record["classes"]}
    assert record["left_out"] == [
        {"reason": "no picture by its name", "count": 7, "first": [f"red/notes{number}.txt" for number in range(5)]}
    ]
    assert done.record.lines()[0].endswith("red/notes4.txt, ...)")


def test_pictures_that_are_files_are_referred_to(draw_photos: DrawPhotos, bring_in: BringIn) -> None:
    source = draw_photos(2, below="train")
    done = bring_in(ClassFolders(), source)
    assert {path.name for path in done.folder.iterdir()} == {"index.csv", "import.json"}
    assert list_photos(done.folder).found == list_photos(source).found


def test_names_that_are_no_text_are_taken_and_shown_escaped(draw_photos: DrawPhotos, bring_in: BringIn) -> None:
    source = draw_photos(1)
    folder = (source / "red").rename(source / os.fsdecode(b"r\xf6d"))
    (folder / os.fsdecode(b"\xff.txt")).write_text("no picture")
    done = bring_in(ClassFolders(), source)
    assert all(row.place.is_there() for row in done.rows)
    record = json.loads((done.folder / "import.json").read_text())
    assert record["classes"] == ["blue", "green", "r\\udcf6d"]
    assert record["left_out"][0]["first"] == ["r\\udcf6d/\\udcff.txt"]


def test_written_pictures_are_named_from_the_index_on(lines: Path, bring_in: BringIn) -> None:
    done = bring_in(Written(), lines)
    assert (done.folder / "index.csv").read_text().splitlines()[1:] == [
        "pictures/cat/0.png,cat,train,,,",
        "pictures/dog/1.png,dog,train,,,",
        "pictures/cat/2.png,cat,train,,,",
    ]


def test_an_import_that_breaks_off_leaves_nothing(lines: Path, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left on device; free some, or name another place") as caught:
        import_photos(Written(breaks_after=2), lines, tmp_path / "new")
    assert caught.value.filename == str(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_an_import_that_breaks_off_leaves_the_earlier_one_as_it_was(lines: Path, bring_in: BringIn) -> None:
    folder = bring_in(Written(), lines).folder
    before = _tree(folder)
    with pytest.raises(OSError, match="No space left"):
        import_photos(Written(breaks_after=2), lines, folder)
    assert _tree(folder) == before


def test_an_earlier_import_of_the_same_source_is_replaced_pictures_too(lines: Path, bring_in: BringIn) -> None:
    bring_in(Written(), lines)
    lines.write_text("cow")
    done = bring_in(Written(), lines)
    assert set(_tree(done.folder)) == {"index.csv", "import.json", "pictures/cow/0.png"}


def test_what_a_killed_import_left_is_cleared_away(lines: Path, bring_in: BringIn, tmp_path: Path) -> None:
    (tmp_path / "imported" / ".import-killed" / "pictures").mkdir(parents=True)
    folder = bring_in(Written(), lines).folder
    assert {path.name for path in folder.iterdir()} == {"index.csv", "import.json", "pictures"}


def _a_stranger_s_file(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")


def _an_edited_index(folder: Path) -> None:
    with (folder / "index.csv").open("a") as stream:
        stream.write("a.png,dog,,,,\n")


def _another_source(folder: Path) -> None:
    record = json.loads((folder / "import.json").read_text())
    (folder / "import.json").write_text(json.dumps({**record, "source": "/elsewhere"}))


def _no_record(folder: Path) -> None:
    (folder / "import.json").unlink()


def _another_schema(folder: Path) -> None:
    (folder / "import.json").write_text('{"schema": "hawklet-import/99"}')


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_a_stranger_s_file, "holds notes.txt; name a new folder"),
        (_an_edited_index, "index.csv was changed since; name a new folder"),
        (_another_source, "needs a new folder or that of an earlier written import"),
        (_no_record, "name a new folder"),
        (_another_schema, "must be of the schema hawklet-import/1, got another schema"),
    ],
)
def test_a_destination_with_anything_else_in_it_is_refused_and_left_alone(
    lines: Path, bring_in: BringIn, change: Callable[[Path], None], message: str
) -> None:
    folder = bring_in(Written(), lines).folder
    change(folder)
    before = _tree(folder)
    with pytest.raises(DataError, match=message):
        import_photos(Written(), lines, folder)
    assert _tree(folder) == before


def test_a_destination_that_is_a_file_or_within_the_source_is_refused(draw_photos: DrawPhotos, tmp_path: Path) -> None:
    source = draw_photos(1)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match="got the file"):
        import_photos(ClassFolders(), source, tmp_path / "file")
    for inside in (source, source / "index"):
        with pytest.raises(DataError, match="outside of its source"):
            import_photos(ClassFolders(), source, inside)
    assert not (source / "index").exists()


def test_a_second_import_at_the_same_time_is_refused(lines: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    with locked(tmp_path / "new", wait=False), pytest.raises(DataError, match="another does; wait for it"):
        import_photos(Written(), lines, tmp_path / "new")


def test_a_source_that_is_not_there_or_has_nothing_to_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no .*nowhere"):
        import_photos(ClassFolders(), tmp_path / "nowhere", tmp_path / "new")
    (tmp_path / "texts" / "a").mkdir(parents=True)
    (tmp_path / "texts" / "a" / "b.txt").write_text("no picture")
    with pytest.raises(DataError, match=r"nothing in .* as folder: left out 1: no picture by its name \(a/b\.txt\)"):
        import_photos(ClassFolders(), tmp_path / "texts", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_link_that_leads_back_is_refused_by_name(draw_photos: DrawPhotos, tmp_path: Path) -> None:
    source = draw_photos(1)
    (source / "red" / "again").symlink_to(source)
    with pytest.raises(DataError, match=r"must not contain themselves, but the link .*red/again"):
        import_photos(ClassFolders(), source, tmp_path / "new")


def test_two_pictures_of_one_name_are_refused(lines: Path, tmp_path: Path) -> None:
    intake = Intake(tmp_path / "pictures")
    intake.keep(("cat", "1.png"), b"a")
    with pytest.raises(DataError, match=r"would be written as 1\.png"):
        intake.keep(("cat", "1.png"), b"b")
    assert (tmp_path / "pictures/cat/1.png").read_bytes() == b"a"


@pytest.mark.parametrize(
    ("part", "written"),
    [
        ("..", "_"),
        ("../../etc", "__.._etc"),
        (".hidden", "_hidden"),
        ("a/b\0c\nd", "a_b_c_d"),
        ("größer als 5", "größer als 5"),
        ("", "_"),
        ("name. ", "name"),
    ],
)
def test_names_from_a_source_stay_in_their_folder(tmp_path: Path, part: str, written: str) -> None:
    path = Intake(tmp_path / "pictures").keep((part, "x.png"), b"")
    assert path == tmp_path / "pictures" / written / "x.png"


def test_names_that_are_too_long_are_shortened_and_still_differ(tmp_path: Path) -> None:
    intake = Intake(tmp_path / "pictures")
    paths = {intake.keep(("ü" * 200 + end,), b"") for end in ("1.jpeg", "2.jpeg")}
    assert len(paths) == 2 and {path.suffix for path in paths} == {".jpeg"}


def test_a_folder_that_holds_no_record_has_none(tmp_path: Path) -> None:
    assert read_record(tmp_path) is None


def test_an_index_brought_in_moves_with_its_written_pictures(lines: Path, bring_in: BringIn, tmp_path: Path) -> None:
    folder = bring_in(Written(), lines).folder
    shutil.move(folder, tmp_path / "moved")
    assert all(place.is_there() for place in list_photos(tmp_path / "moved").places())
