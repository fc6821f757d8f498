"""ImageNet's layouts, the names of its synsets, and its validation labels."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hawklet.errors import DataError
from hawklet_trainer.data.importing.imagenet import ImageNet
from hawklet_trainer.data.importing.synsets import read_mapping

BringIn = Callable[..., Any]
MAPPING = """\
n01440764 tench, Tinca tinca
n02012849 crane
n03126707 crane
n02113186 Cardigan, Cardigan Welsh corgi
n02963159 cardigan
n03710637 maillot
n03710721 maillot, tank suit
"""


def _picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 20)).save(path, "JPEG")


@pytest.fixture
def kaggle(tmp_path: Path) -> Path:
    """The archive's own layout: two synsets in train, three pictures in val, one in test."""
    source = tmp_path / "imagenet"
    pictures = source / "ILSVRC/Data/CLS-LOC"
    for synset, count in (("n01440764", 3), ("n02012849", 2)):
        for number in range(count):
            _picture(pictures / "train" / synset / f"{synset}_{number}.JPEG")
    for number in (1, 2, 3):
        _picture(pictures / "val" / f"ILSVRC2012_val_{number:08d}.JPEG")
    _picture(pictures / "test" / "ILSVRC2012_test_00000001.JPEG")
    (source / "LOC_synset_mapping.txt").write_text(MAPPING)
    (source / "LOC_val_solution.csv").write_text(
        "ImageId,PredictionString\n"
        "ILSVRC2012_val_00000001,n02012849 85 1 499 272 \n"
        "ILSVRC2012_val_00000003,n01440764 1 2 3 4 n01440764 5 6 7 8 \n"
    )
    return source


def test_names_come_from_the_mapping_and_equal_ones_keep_their_synset(tmp_path: Path) -> None:
    (tmp_path / "mapping.txt").write_text(MAPPING)
    assert list(read_mapping(tmp_path / "mapping.txt").values()) == [
        "tench",
        "crane (n02012849)",
        "crane (n03126707)",
        "Cardigan (n02113186)",
        "cardigan (n02963159)",
        "maillot (n03710637)",
        "maillot (n03710721)",
    ]


@pytest.mark.parametrize("line", ["tench", "n01440764", "n01440764 tench again"])
def test_a_mapping_with_another_line_is_refused_saying_which(tmp_path: Path, line: str) -> None:
    (tmp_path / "mapping.txt").write_text(f"n01440764 tench\n{line}\n")
    with pytest.raises(DataError, match=f"got '{line}' in line 2"):
        read_mapping(tmp_path / "mapping.txt")


@pytest.mark.parametrize("begin", [".", "ILSVRC"])
def test_the_archive_s_layout_is_taken_with_the_labels_of_its_solution(
    kaggle: Path, bring_in: BringIn, begin: str
) -> None:
    done = bring_in(ImageNet(), kaggle / begin)
    assert done.record.counts == {"crane (n02012849)": {"train": 2, "val": 1}, "tench": {"train": 3, "val": 1}}
    assert {row.place.path.name: row.label for row in done.rows if row.split == "val"} == {
        "ILSVRC2012_val_00000001.JPEG": "crane (n02012849)",
        "ILSVRC2012_val_00000003.JPEG": "tench",
    }
    assert done.left_out() == {"no label in LOC_val_solution.csv": 1, "test pictures have no labels": 1}
    assert not (done.folder / "pictures").exists()


def test_val_in_folders_of_synsets_is_taken_too(kaggle: Path, bring_in: BringIn) -> None:
    pictures = kaggle / "ILSVRC/Data/CLS-LOC"
    shutil.rmtree(pictures / "val")
    _picture(pictures / "val" / "n02012849" / "a.JPEG")
    assert bring_in(ImageNet(), pictures).record.counts == {
        "n01440764": {"train": 3},
        "n02012849": {"train": 2, "val": 1},
    }


def test_val_without_a_solution_is_left_out_saying_so(kaggle: Path, bring_in: BringIn) -> None:
    (kaggle / "LOC_val_solution.csv").unlink()
    assert bring_in(ImageNet(), kaggle).left_out()["there is no LOC_val_solution.csv"] == 3


def test_folders_and_files_that_are_none_of_it_are_left_out_by_name(kaggle: Path, bring_in: BringIn) -> None:
    train = kaggle / "ILSVRC/Data/CLS-LOC/train"
    _picture(train / "n99999999" / "a.JPEG")
    _picture(train / "mine" / "a.JPEG")
    (train / "n01440764" / "readme.txt").write_text("no picture")
    left_out = {left["reason"]: left["first"] for left in bring_in(ImageNet(), kaggle).record.left_out}
    assert left_out["the synset is not in LOC_synset_mapping.txt"] == ["train/n99999999"]
    assert left_out["the folder is called by no synset"] == ["train/mine"]
    assert left_out["no picture by its name"] == ["n01440764/readme.txt"]


def test_a_folder_without_synsets_is_refused_saying_what_is_needed(tmp_path: Path, bring_in: BringIn) -> None:
    _picture(tmp_path / "photos" / "train" / "dog" / "a.jpg")
    with pytest.raises(DataError, match="one folder per synset"):
        bring_in(ImageNet(), tmp_path / "photos")


@pytest.mark.shared_data
def test_real_pictures_in_the_torchvision_layout_are_counted_right(
    shared_data: Path, bring_in: BringIn, tmp_path: Path
) -> None:
    pictures = sorted((shared_data / "imagenet_sample").iterdir())[:40]
    for number, path in enumerate(pictures):
        folder = tmp_path / "imagenet" / ("val" if number % 4 == 3 else "train") / f"n0000000{number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder)
    (tmp_path / "imagenet/LOC_synset_mapping.txt").write_text("n00000000 zero\nn00000001 one, uno\nn00000002 two\n")
    done = bring_in(ImageNet(), tmp_path / "imagenet")
    assert done.record.classes == ["one", "two", "zero"] and done.record.pictures == 40
    assert all(row.place.read().shape == (256, 256, 3) for row in done.rows[:5])
