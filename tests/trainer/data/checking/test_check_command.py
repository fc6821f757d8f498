"""``hawklet data check``: what it says, writes and ends with."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from checked_photos import photo
from hawklet import cli

Fill = Callable[..., Path]
Save = Callable[..., Path]


@pytest.fixture
def check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Call the command within an empty folder, without labels unless said; gives exit code, output and errors."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            cli.main(["data", "check", *map(str, words), *(() if "--labels" in words else ("--no-labels",))])
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    return call


Check = Callable[..., tuple[int, str, str]]


@pytest.fixture
def faulty(fill: Fill, save: Save) -> Path:
    """An unreadable picture, an equal file in test, one in another class, and a dark picture."""
    fill(12, below="train/")
    source = fill(4, below="test/", first=500)
    (source / "train/oak/00000.jpg").write_bytes(b"no picture")
    shutil.copy(source / "train/oak/00001.jpg", source / "test/oak/copy.jpg")
    shutil.copy(source / "train/oak/00002.jpg", source / "train/yew/copy.jpg")
    save(photo(77).point([level // 6 for level in range(256)] * 3), "train/oak/<dark>.jpg")
    return source


def test_good_photos_end_with_what_to_type_next(check: Check, fill: Fill) -> None:
    source = fill(12)
    code, out, err = check(source)
    assert code == 0 and err == ""
    assert "24 pictures of 2 classes: 0 errors, 0 warnings, 0 notes" in out
    assert out.endswith(f"next: hawklet train {source}\n")


def test_findings_are_told_with_an_example_and_errors_by_the_exit_code(check: Check, faulty: Path) -> None:
    code, out, _ = check(faulty)
    assert code == 1
    assert re.search(r"error +1 +1 picture: damaged.*\n.*such as train/oak/00000\.jpg \(not a picture", out)
    assert re.search(r"warning +1 +1 set of equal files \(2 pictures\) in several splits", out)
    assert "35 pictures of 2 classes: 1 error, 2 warnings, 1 note" in out
    assert "not looked for with --no-labels: likely label errors" in out


def test_a_quick_check_decodes_nothing_and_says_so(check: Check, faulty: Path) -> None:
    code, out, _ = check(faulty, "--quick")
    assert code == 1 and "<dark>" not in out and out.count("--quick") == 1
    assert re.search("^not looked for with --quick: end lost, .*, dark, .*, likely label errors$", out, re.M)


def test_the_page_of_a_quick_check_does_not_say_that_pictures_can_be_read(check: Check, faulty: Path) -> None:
    check(faulty, "--quick", "--html", "quick.html")
    page = Path("quick.html").read_text(encoding="utf-8")
    assert "of 35 begin as pictures do; none was decoded" in page and "can be read</span>" not in page
    assert page.count("Not looked for with --quick: ") == 1
    check(faulty, "--html", "check.html")
    assert "of 35 can be read</span>" in Path("check.html").read_text(encoding="utf-8")


def test_a_finding_of_classes_is_counted_in_classes(check: Check, fill: Fill) -> None:
    code, out, _ = check(fill(7), "--html", "check.html", "--json", "check.json")
    assert code == 0 and re.search(r"warning +2 +2 classes have fewer than 10 pictures", out)
    assert '<span class="count">2</span>' in Path("check.html").read_text(encoding="utf-8")
    assert json.loads(Path("check.json").read_text(encoding="utf-8"))["findings"][0]["count"] == 2


def test_layouts_that_are_imported_first_are_refused_saying_how(check: Check, tmp_path: Path) -> None:
    (tmp_path / "coco" / "annotations").mkdir(parents=True)
    (tmp_path / "coco" / "annotations" / "instances_val.json").write_text("{}")
    code, out, err = check(tmp_path / "coco")
    assert code == 1 and out == "" and f"hawklet data import coco {tmp_path / 'coco'} " in err


def test_a_flat_folder_of_pictures_is_told_where_they_belong(check: Check, fill: Fill) -> None:
    code, out, _ = check(fill(3) / "oak")
    assert code == 1 and "no pictures, in any class; put each class's pictures into a folder of its own" in out


def test_links_that_lead_nowhere_are_told_by_name(check: Check, fill: Fill) -> None:
    source = fill(12)
    (source / "oak" / "dangling.jpg").symlink_to("gone.jpg")
    (source / "oak" / "self.jpg").symlink_to("self.jpg")
    code, out, _ = check(source, "--json", "check.json")
    assert code == 1 and re.search(r"error +2 +2 pictures: the file is missing", out)
    (finding,) = json.loads(Path("check.json").read_text(encoding="utf-8"))["findings"]
    assert [(picture["path"], picture["detail"]) for picture in finding["pictures"]] == [
        ("oak/dangling.jpg", "there is no such file"),
        ("oak/self.jpg", "a link that leads back to itself"),
    ]


def test_warnings_end_with_1_when_strict(check: Check, faulty: Path) -> None:
    (faulty / "train/oak/00000.jpg").unlink()
    assert check(faulty)[0] == 0
    assert check(faulty, "--strict")[0] == 1


def test_the_json_holds_every_picture_of_every_finding(check: Check, faulty: Path) -> None:
    check(faulty, "--json", "check.json")
    content = json.loads(Path("check.json").read_text(encoding="utf-8"))
    assert content["schema"] == "hawklet-data-check/1"
    assert content["pictures"] == 35 and content["readable"] == 34 and content["decoded"] is True
    assert content["classes"] == {"oak": {"train": 13, "test": 5}, "yew": {"train": 13, "test": 4}}
    assert content["totals"] == {"error": 1, "warning": 2, "note": 1}
    by_name = {finding["name"]: finding for finding in content["findings"]}
    assert list(by_name) == ["damaged", "equal_across_classes", "equal_across_splits", "dark"]
    leak = by_name["equal_across_splits"]
    assert leak["severity"] == "warning" and leak["count"] == 1 and leak["sets"] == [[0, 1]]
    assert [picture["path"] for picture in leak["pictures"]] == ["train/oak/00001.jpg", "test/oak/copy.jpg"]
    assert by_name["damaged"]["pictures"] == [
        {
            "path": "train/oak/00000.jpg",
            "label": "oak",
            "split": "train",
            "detail": "not a picture in a format that can be read here",
        }
    ]
    assert content["left_out"] == [{"title": "Likely label errors", "why": "not looked for with --no-labels"}]


def test_the_page_is_one_file_that_shows_what_was_found(check: Check, faulty: Path) -> None:
    _, out, _ = check(faulty, "--html", "check.html")
    page = Path("check.html").read_text(encoding="utf-8")
    assert out.rstrip().endswith(f"hawklet data check {faulty} --fix NEW, for an index without what was found")
    assert "page: check.html" in out
    assert page.count("data:image/jpeg;base64,") == 5
    assert "not a picture in a format that can be read here" in page
    assert "&lt;dark&gt;.jpg" in page and "<dark>" not in page
    assert not re.search(r"(src|href)=\"(?!data:|#)", page) and "<script" not in page


def test_a_page_of_many_findings_stays_small(check: Check, fill: Fill) -> None:
    source = fill(60)
    for path in list(source.rglob("*.jpg")):
        shutil.copy(path, path.with_name(f"copy of {path.name}"))
    check(source, "--html", "check.html")
    page = Path("check.html").read_text(encoding="utf-8")
    assert page.count('class="set"') == 12 and "108 more sets are in the file that --json writes" in page
    assert len(page) < 5_000_000


def test_the_fix_says_what_it_left_out_and_what_to_type_next(check: Check, faulty: Path) -> None:
    before = {path: path.read_bytes() for path in faulty.rglob("*") if path.is_file()}
    code, out, _ = check(faulty, "--fix", "new")
    assert code == 1
    assert "left out 2: the same picture is in several classes" in out
    assert "left out 1: equal to one that is kept" in out
    assert out.endswith(
        "index of the 31 others: new/index.csv; what is not in it: new/removed.csv\nnext: hawklet train new/index.csv\n"
    )
    assert {path: path.read_bytes() for path in faulty.rglob("*") if path.is_file()} == before


def test_a_fix_that_leaves_too_little_does_not_send_anybody_to_train(check: Check, fill: Fill) -> None:
    source = fill(2)
    for path in sorted(source.rglob("*.jpg"))[:2]:
        path.write_bytes(b"no picture")
    _, out, _ = check(source, "--fix", "new")
    assert "not fit for training yet: a classifier needs at least two classes, got 1 (yew)" in out
    assert "next:" not in out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("none",), 1, "there is no folder none"),
        (("PHOTOS", "--fix-labels"), 2, "--fix NEW as well"),
        (("PHOTOS", "--fix", "PHOTOS/new"), 1, "would be in it"),
        (("PHOTOS", "--quick", "--labels"), 2, "drop one of them"),
        (("PHOTOS", "--workers", "0"), 2, "--workers"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(
    check: Check, fill: Fill, words: tuple[str, ...], code: int, message: str
) -> None:
    source = fill(2)
    ended, out, err = check(*(word.replace("PHOTOS", str(source)) for word in words))
    assert ended == code and message in err and "Traceback" not in out + err


@pytest.mark.parametrize(
    ("option", "name"), [("--html", "check.html"), ("--json", "check.json"), ("--fix", "new"), ("--fix", "new.csv")]
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_looked_at(
    check: Check, fill: Fill, option: str, name: str
) -> None:
    Path("taken").write_text("")
    code, out, err = check(fill(2), option, f"taken/{name}")
    assert code == 1 and out == "" and f"taken/{name}" in err


def test_photos_that_training_refuses_are_checked(check: Check, fill: Fill) -> None:
    code, out, _ = check(fill(12, ("oak",)))
    assert code == 1 and "a classifier needs at least two classes, got 1 ('oak')" in out


def test_a_folder_of_other_files_is_told_in_one_finding(check: Check, tmp_path: Path) -> None:
    folder = tmp_path / "texts" / "oak"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("no picture")
    code, out, _ = check(tmp_path / "texts")
    assert code == 1 and "there are no pictures, in any class" in out
