"""The cleaned index: what is left out, what stays, and why."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from checked_photos import evidence_of, photo
from hawklet.errors import DataError, UsageError
from hawklet_trainer.data.checking.check import Checked
from hawklet_trainer.data.checking.facts import Depth
from hawklet_trainer.data.checking.finding import Evidence
from hawklet_trainer.data.checking.fix import require_fixable, require_new, write_fixed
from hawklet_trainer.data.checking.label_errors import Judgement, Suspect
from hawklet_trainer.data.index import read_index
from hawklet_trainer.data.reading import read_photos

Fill = Callable[..., Path]
Save = Callable[..., Path]


def _checked(source: Path) -> Checked:
    return Checked(source, evidence_of(source), [], [])


def _fixed(source: Path, target: Path) -> tuple[set[str], dict[str, str]]:
    """What is left, and reason by path of what is not."""
    fixed = write_fixed(_checked(source), target)
    kept = {row.place.path.relative_to(source).as_posix() for row in read_index(fixed.index)}
    with fixed.removed.open(encoding="utf-8", newline="") as stream:
        removed = {row["path"]: row["reason"] for row in csv.DictReader(stream)}
    assert not kept & set(removed) and len(kept) == fixed.kept and sum(fixed.reasons.values()) == len(removed)
    assert len(kept) + len(removed) == sum(1 for path in source.rglob("*") if path.is_file())
    return kept, removed


@pytest.fixture
def split(fill: Fill) -> Path:
    fill(8, below="train/")
    fill(3, below="val/", first=300)
    return fill(3, below="test/", first=600)


def test_good_photos_are_all_kept(split: Path, tmp_path: Path) -> None:
    kept, removed = _fixed(split, tmp_path / "new")
    assert len(kept) == 28 and removed == {}


def test_what_cannot_be_read_is_left_out(split: Path, tmp_path: Path) -> None:
    (split / "train/oak/00000.jpg").write_bytes(b"no picture")
    assert _fixed(split, tmp_path / "new")[1] == {"train/oak/00000.jpg": "cannot be read"}


def test_of_equal_files_in_several_splits_that_in_test_is_kept(split: Path, tmp_path: Path) -> None:
    for name in ("train/oak/copy.jpg", "val/oak/copy.jpg"):
        shutil.copy(split / "test/oak/00600.jpg", split / name)
    assert _fixed(split, tmp_path / "new")[1] == dict.fromkeys(
        ("train/oak/copy.jpg", "val/oak/copy.jpg"), "equal to one that is kept"
    )


def test_of_equal_files_in_train_the_first_is_kept(split: Path, tmp_path: Path) -> None:
    shutil.copy(split / "train/oak/00000.jpg", split / "train/oak/zzz.jpg")
    assert _fixed(split, tmp_path / "new")[1] == {"train/oak/zzz.jpg": "equal to one that is kept"}


def test_of_near_duplicates_in_train_and_val_that_in_val_is_kept(split: Path, save: Save, tmp_path: Path) -> None:
    save(photo(300, 320, 240), "train/oak/larger.jpg", quality=95)
    assert _fixed(split, tmp_path / "new")[1] == {"train/oak/larger.jpg": "a near duplicate of one that is kept"}


def test_of_near_duplicates_in_one_split_the_largest_is_kept(split: Path, save: Save, tmp_path: Path) -> None:
    save(photo(0, 320, 240), "train/oak/larger.jpg", quality=95)
    assert _fixed(split, tmp_path / "new")[1] == {"train/oak/00000.jpg": "a near duplicate of one that is kept"}


def test_no_copy_is_left_in_another_split(split: Path, save: Save, tmp_path: Path) -> None:
    for number, below in enumerate(("train", "val", "test", "train")):
        save(photo(42), f"{below}/oak/near{number}.jpg", quality=60 + 8 * number)
    shutil.copy(split / "train/oak/near3.jpg", split / "test/oak/equal.jpg")
    write_fixed(_checked(split), tmp_path / "new")
    copies = evidence_of(tmp_path / "new").copies
    assert not copies.equal and not copies.near


def test_a_picture_in_two_classes_is_left_out_of_both(split: Path, save: Save, tmp_path: Path) -> None:
    shutil.copy(split / "train/oak/00000.jpg", split / "train/yew/copy.jpg")
    save(photo(1), "test/yew/near.jpg", quality=60)
    reason = "the same picture is in several classes"
    assert _fixed(split, tmp_path / "new")[1] == dict.fromkeys(
        ("train/oak/00000.jpg", "train/oak/00001.jpg", "train/yew/copy.jpg", "test/yew/near.jpg"), reason
    )


def test_mirrored_copies_are_left_out_across_splits_of_one_class_alone(split: Path, save: Save, tmp_path: Path) -> None:
    mirrored = photo(0).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    save(mirrored, "test/yew/arrow_to_the_right.jpg")
    save(photo(1).transpose(Image.Transpose.FLIP_LEFT_RIGHT), "test/oak/leak.jpg")
    save(photo(2).transpose(Image.Transpose.FLIP_LEFT_RIGHT), "train/oak/harmless.jpg")
    assert _fixed(split, tmp_path / "new")[1] == {
        "train/oak/00001.jpg": "a mirrored or turned copy is in another split"
    }


def test_a_class_that_train_lacks_is_left_out(split: Path, save: Save, tmp_path: Path) -> None:
    save(photo(77), "test/elm/1.jpg")
    assert _fixed(split, tmp_path / "new")[1] == {"test/elm/1.jpg": "its class is not in train"}


def test_likely_label_errors_are_left_out_only_when_asked_for(split: Path, tmp_path: Path) -> None:
    found = evidence_of(split, Depth.THUMB)
    judgement = Judgement((Suspect(2, 0.01, 1, 0.9),), len(found.catalogue), 0.1)
    checked = Checked(split, Evidence(found.catalogue, found.facts, found.copies, found.readable, judgement), [], [])
    assert write_fixed(checked, tmp_path / "a.csv").kept == 28
    assert write_fixed(checked, tmp_path / "b.csv", labels=True).reasons == {"its label is probably wrong": 1}


def test_the_ends_of_a_chain_of_near_duplicates_are_both_kept(tmp_path: Path, save: Save, fill: Fill) -> None:
    """As of a camera that pans: neighbours are near duplicates, the first and the last are not."""
    source = fill(4)
    wide = photo(5, 400, 120)
    for number in range(12):
        save(wide.crop((8 * number, 0, 8 * number + 160, 120)), f"oak/pan{number:02d}.png")
    chain = max(evidence_of(source).copies.near, key=len)
    kept, _ = _fixed(source, tmp_path / "new")
    pan = [name for name in kept if "pan" in name]
    assert len(chain) >= 8 and 1 < len(pan) < len(chain)


def test_of_a_film_of_one_class_with_a_frame_in_another_only_what_is_like_that_frame_goes(
    tmp_path: Path, save: Save, fill: Fill
) -> None:
    source = fill(4)
    wide = photo(5, 400, 120)
    for number in range(12):
        label = "yew" if number == 11 else "oak"
        save(wide.crop((8 * number, 0, 8 * number + 160, 120)), f"{label}/pan{number:02d}.png")
    kept, removed = _fixed(source, tmp_path / "new")
    contradictory = {name for name, reason in removed.items() if reason == "the same picture is in several classes"}
    assert {"oak/pan10.png", "yew/pan11.png"} <= contradictory
    assert "oak/pan00.png" in kept and len(contradictory) < 8


def test_a_class_of_which_nothing_is_left_is_named(tmp_path: Path, fill: Fill) -> None:
    source = fill(3)
    for path in sorted((source / "oak").iterdir()):
        shutil.copy(path, source / "yew" / f"copy of {path.name}")
    fixed = write_fixed(_checked(source), tmp_path / "new")
    assert fixed.emptied == ("oak",)
    assert any("nothing is left to learn of oak" in line for line in fixed.lines())


def test_a_name_with_a_carriage_return_is_read_back(split: Path, tmp_path: Path) -> None:
    odd = split / "train/oak/a\rb.jpg"
    (split / "train/oak/00000.jpg").rename(odd)
    fixed = write_fixed(_checked(split), tmp_path / "new")
    with fixed.removed.open(encoding="utf-8", newline="") as stream:
        assert [row["reason"] for row in csv.DictReader(stream)] == ["its name is not printable text"]


def test_the_cleaned_index_is_trained_on_without_warnings(split: Path, save: Save, tmp_path: Path) -> None:
    shutil.copy(split / "test/oak/00600.jpg", split / "train/oak/copy.jpg")
    save(photo(601), "train/oak/near.jpg", quality=60)
    (split / "train/oak/00000.jpg").write_bytes(b"no picture")
    assert len(read_photos(split).warnings) == 3
    write_fixed(_checked(split), tmp_path / "new")
    assert read_photos(tmp_path / "new").warnings == ()


def test_where_nothing_would_be_left_nothing_is_written(fill: Fill, tmp_path: Path) -> None:
    source = fill(2)
    for path in source.rglob("*.jpg"):
        path.write_bytes(b"no picture")
    with pytest.raises(DataError, match="would be left"):
        write_fixed(_checked(source), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_an_index_is_never_written_over(split: Path, tmp_path: Path) -> None:
    assert require_new(tmp_path / "new") == (tmp_path / "new/index.csv", tmp_path / "new/removed.csv")
    assert require_new(tmp_path / "a.csv") == (tmp_path / "a.csv", tmp_path / "a.removed.csv")
    (tmp_path / "a.removed.csv").touch()
    with pytest.raises(DataError, match=r"a\.removed\.csv is there already"):
        require_new(tmp_path / "a.csv")


def test_options_that_do_not_go_together_are_refused(split: Path, tmp_path: Path) -> None:
    def refuse(error: type[Exception], match: str, target: Path | None, **options: object) -> None:
        with pytest.raises(error, match=match):
            require_fixable(split, target, **{"fix_labels": False, "labels": None, "quick": False, **options})

    refuse(UsageError, "--fix NEW as well", None, fix_labels=True)
    refuse(UsageError, "got --no-labels", tmp_path / "new", fix_labels=True, labels=False)
    refuse(UsageError, "got --quick", tmp_path / "new", fix_labels=True, quick=True)
    refuse(DataError, "would be in it", split / "new")
    require_fixable(split, tmp_path / "new", fix_labels=True, labels=True, quick=True)


def test_names_that_are_no_text_are_left_out_escaped(fill: Fill, tmp_path: Path) -> None:
    source = fill(4)
    (source / "oak/00000.jpg").rename(source / "oak" / os.fsdecode(b"\xff.jpg"))
    fixed = write_fixed(_checked(source), tmp_path / "new")
    assert "\\udcff.jpg,oak,,its name is not printable text" in fixed.removed.read_text(encoding="utf-8")


def test_of_many_copies_one_is_kept(fill: Fill, save: Save, tmp_path: Path) -> None:
    source = fill(4)
    for number in range(20):
        noise = np.random.default_rng(number).integers(-4, 5, (120, 160, 3))
        noisy = (np.asarray(photo(9)).astype(int) + noise).clip(0, 255).astype(np.uint8)
        save(Image.fromarray(noisy), f"oak/n{number}.png")
    kept, _ = _fixed(source, tmp_path / "new")
    assert len([name for name in kept if "/n" in name]) == 1
