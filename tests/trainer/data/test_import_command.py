"""``hawklet data import``: what it prints, what it refuses, and a training on what it brought in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hawklet import cli
from hawklet_trainer.data.importing import IMPORTERS

DrawPhotos = Callable[..., Path]


def _call(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main(list(words))
    return int(end.value.code or 0)


@pytest.fixture
def table(draw_photos: DrawPhotos) -> Path:
    folder = draw_photos(3)
    lines = [f"{path.relative_to(folder)},{path.parent.name}" for path in sorted(folder.rglob("*.png"))]
    (folder / "all.csv").write_text("\n".join(["file,colour", *lines, "red/none.png,red"]) + "\n")
    return folder / "all.csv"


def test_an_import_prints_its_classes_what_it_left_out_and_what_comes_next(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "new one"
    assert _call("data", "import", "manifest", str(table), str(new), "--label-column", "colour") == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "path is taken from the column file",
        " class  in no split",
        " blue             3",
        " green            3",
        " red              3",
        " all              9",
        "left out 1: the file is missing (red/none.png)",
        f"next: hawklet train '{new}'",
    ]
    assert json.loads((new / "import.json").read_text())["options"]["label_column"] == "colour"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("coko", "a", "b"), "there is no kind of source 'coko'; did you mean 'coco'?"),
        (("video", "a", "b"), "there is no kind of source 'video'; there are folder, cifar10"),
        (("cifar10", "a", "b", "--margin", "0.2"), "No such option '--margin'"),
        (("coco", "a", "b", "--min-side", "0"), "0 is not in the range x>=1"),
        (("coco", "a", "b", "--margin", "nan"), "nan"),
        (("coco", "a", "b", "--margin", "5"), "5.0 is not in the range 0<=x<=1"),
        (("coco", "a", "b", "--per-picture", "smallest"), "'smallest' is not one of 'largest', 'only'"),
        (("cifar100", "a", "b", "--labels", "super"), "'super' is not one of 'fine', 'coarse'"),
    ],
)
def test_what_cannot_be_meant_is_refused_as_usage(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _call("data", "import", *words) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_what_cannot_be_imported_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _call("data", "import", "coco", str(tmp_path / "none"), str(tmp_path / "new")) == 1
    error = capsys.readouterr().err
    assert error.startswith("hawklet: an import needs a source that exists") and error.count("\n") == 1


def test_every_kind_has_help_with_the_options_that_are_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert _call("data", "import", "--help") == 0
    listed = capsys.readouterr().out
    for kind, importer in IMPORTERS.items():
        assert f"  {kind} " in listed
        assert _call("data", "import", kind, "--help") == 0
        assert importer.summary.split(":")[0] in " ".join(capsys.readouterr().out.split())


def test_options_reach_the_importer(draw_photos: DrawPhotos, tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "00000.png"}]
    boxes = [{"id": n, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "iscrowd": n} for n in (0, 1)]
    document = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "a"}]}
    source = draw_photos(1) / "blue"
    (source / "instances_all.json").write_text(json.dumps(document))
    words = ("--min-side", "5", "--margin", "0", "--no-skip-crowd", "--classes", "a")
    assert _call("data", "import", "coco", str(source), str(tmp_path / "new"), *words) == 0
    record = json.loads((tmp_path / "new" / "import.json").read_text())
    assert record["options"] == {
        "min_side": 5,
        "margin": 0.0,
        "skip_crowd": False,
        "classes": ["a"],
        "per_picture": "",
    }
    assert record["counts"] == {"a": {"": 2}}


def test_an_import_that_cannot_be_trained_on_says_how_to_split_it(
    draw_photos: DrawPhotos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = draw_photos(3, below="test")
    lines = [f"{path},{path.parent.name},test" for path in sorted(folder.rglob("*.png"))]
    (tmp_path / "t.csv").write_text("\n".join(["path,label,split", *lines]))
    assert _call("data", "import", "manifest", str(tmp_path / "t.csv"), str(tmp_path / "new")) == 0
    assert f"next: hawklet data split --anew {tmp_path / 'new'} {tmp_path / 'new'}-split" in capsys.readouterr().out


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["coco_mini", "cifar10/cifar-10-batches-bin"])
def test_original_layouts_train_with_one_command(
    shared_data: Path, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs"
    words = ("--model", "mobilenet_v3_small", "--weights", "none", "--imgsz", "32", "--epochs", "1", "--out", str(out))
    assert _call("train", str(shared_data / name), *words) == 0
    assert "importing it into" in capsys.readouterr().out
    (run,) = (path for path in out.iterdir() if not path.name.startswith("."))
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["data"]["path"].startswith(str(out / ".photos"))
    assert manifest["data"]["counts"]["train"] > 100


@pytest.mark.parametrize(
    ("rows", "last"),
    [
        (["1,cat", "2,cat", "3,cat"], "not fit for training yet: a classifier needs at least two classes, got 1 (cat)"),
        (["1,cat", "2,cat", "3,cat", "4,Cat"], "not fit for training yet: class names must differ by more than case"),
        (["1,cat", "2,cat", "3,cat", "4,dog"], "every class needs at least 3 pictures to be split, got 1 of 'dog'"),
        (["1,cat", "2,cat", "3,cat", "1,dog", "4,dog", "5,dog"], "next: hawklet data check new --fix new-clean"),
        (["1,cat", "2,cat", "3,cat", "4,dog", "5,dog", "6,dog"], "next: hawklet train new"),
        (["1,cat,train", "2,dog,train", "3,fox,val"], "every class must be in train, got 'fox' only in other splits"),
        (["1,cat,train", "2,dog,train", "3,cat,val"], "next: hawklet train new"),
    ],
)
def test_the_closing_line_says_what_training_would_refuse(
    rows: list[str],
    last: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(1, 7):
        (tmp_path / f"{number}.jpg").write_bytes(b"")
    lines = [row.replace(",", ".jpg,", 1) for row in rows]
    (tmp_path / "t.csv").write_text("\n".join(["path,label,split", *lines]))
    assert _call("data", "import", "manifest", "t.csv", "new") == 0
    assert last in capsys.readouterr().out.splitlines()[-1]


def test_links_that_lead_nowhere_are_left_out_by_name_and_stop_nothing(
    draw_photos: DrawPhotos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = draw_photos(3)
    for link in (folder / "red" / "self.jpg", folder / "beside"):
        link.symlink_to(link.name)
    (folder / "red" / "dangling.jpg").symlink_to("nowhere.jpg")
    assert _call("data", "import", "folder", str(folder), str(tmp_path / "new")) == 0
    out = capsys.readouterr().out
    assert "left out 2: the file is missing (red/dangling.jpg, red/self.jpg)" in out


def test_pictures_in_no_class_are_refused_with_what_to_do(
    draw_photos: DrawPhotos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _call("data", "import", "folder", str(draw_photos(3) / "red"), str(tmp_path / "new")) == 1
    assert "put each class's pictures into a folder of its own" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
