"""COCO instances: crops around boxes, and whole pictures by a rule."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hawklet.errors import DataError
from hawklet.images import read_image
from hawklet_trainer.data.importing.coco import Coco, crop_around
from hawklet_trainer.data.importing.coco_annotations import Box

BringIn = Callable[..., Any]
CATEGORIES = [{"id": 18, "name": "dog"}, {"id": 3, "name": "car"}, {"id": 90, "name": "toothbrush"}]
"""Ids with gaps and in no order, as COCO's are."""


def _annotation(number: int, image: int, category: int, bbox: list[float], **more: int) -> dict[str, Any]:
    return {"id": number, "image_id": image, "category_id": category, "bbox": bbox, "segmentation": [[1, 2]], **more}


BOXES = [
    _annotation(1, 7, 18, [10, 20, 50, 40]),
    _annotation(2, 7, 3, [100, 100, 60.5, 90.25]),
    _annotation(3, 7, 3, [5, 5, 8, 60]),
    _annotation(4, 7, 18, [0, 0, 150, 150], iscrowd=1),
    _annotation(5, 8, 18, [40, 0, 100, 100]),
]


def _write(folder: Path, name: str = "train2017", boxes: list[dict[str, Any]] | None = None, **more: Any) -> Path:
    """A split of two pictures, 7 and 8, of 200 x 240 pixels."""
    pictures = folder / "images" / name
    pictures.mkdir(parents=True, exist_ok=True)
    images = []
    for number in (8, 7):
        pixels = np.random.default_rng(number).integers(0, 256, (240, 200, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(pictures / f"{number:012d}.png")
        images.append({"id": number, "file_name": f"{number:012d}.png", "width": 200, "height": 240})
    document = {"images": images, "annotations": BOXES if boxes is None else boxes, "categories": CATEGORIES, **more}
    (folder / "annotations").mkdir(exist_ok=True)
    (folder / "annotations" / f"instances_{name}.json").write_text(json.dumps(document))
    return folder


def test_each_box_becomes_a_crop_of_the_category_that_its_id_names(tmp_path: Path, bring_in: BringIn) -> None:
    done = bring_in(Coco(), _write(tmp_path / "coco"))
    assert done.labels() == {
        "pictures/train2017/dog/000000000007-1.png": "dog",
        "pictures/train2017/car/000000000007-2.png": "car",
        "pictures/train2017/dog/000000000008-1.png": "dog",
    }
    assert done.left_out() == {"the box is smaller than 32 pixels": 1, "the box is around a crowd": 1}
    assert {row.split for row in done.rows} == {"train"}


def test_a_crop_is_its_box_and_the_margin_as_far_as_there_is_picture(tmp_path: Path, bring_in: BringIn) -> None:
    source = _write(tmp_path / "coco")
    done = bring_in(Coco(margin=0.1), source)
    picture = read_image(source / "images/train2017/000000000008.png")
    crop = read_image(done.folder / "pictures/train2017/dog/000000000008-1.png")
    assert (crop == picture[0:110, 30:150]).all()  # the box is 40..140 by 0..100


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        ((10.4, 20.6, 5.2, 5.2), (20, 26), (10, 16)),
        ((-3, -4, 10, 10), (0, 6), (0, 7)),
        ((90, 70, 50, 50), (70, 80), (90, 100)),
        ((100, 0, 5, 5), None, None),
        ((0, -9, 5, 9), None, None),
    ],
)
def test_boxes_are_rounded_outwards_and_end_at_the_border(
    box: tuple[float, ...], rows: tuple[int, int] | None, columns: tuple[int, int] | None
) -> None:
    pixels = np.arange(80 * 100 * 3, dtype=np.uint32).astype(np.uint8).reshape(80, 100, 3)
    crop = crop_around(pixels, Box("dog", *box, False), 0.0)
    if rows is None or columns is None:
        assert crop.size == 0
    else:
        assert (crop == pixels[slice(*rows), slice(*columns)]).all()


def test_crops_of_one_picture_form_a_group(tmp_path: Path, bring_in: BringIn) -> None:
    groups = Counter(row.place.group for row in bring_in(Coco(), _write(tmp_path / "coco")).rows)
    assert groups == {"000000000007.png": 2, "000000000008.png": 1}


def test_options_choose_boxes(tmp_path: Path, bring_in: BringIn) -> None:
    source = _write(tmp_path / "coco")
    assert bring_in(Coco(min_side=1, skip_crowd=False), source).record.pictures == 5
    assert bring_in(Coco(classes=("car",)), source).record.counts == {"car": {"train": 1}}
    with pytest.raises(DataError, match="got 'dgo'; did you mean 'dog'"):
        bring_in(Coco(classes=("dgo",)), source)


@pytest.mark.parametrize(
    ("options", "expected", "reason"),
    [
        ({"per_picture": "largest"}, {"000000000007.png": "car", "000000000008.png": "dog"}, None),
        ({"per_picture": "only"}, {"000000000008.png": "dog"}, "boxes of several classes are in the picture"),
        ({"per_picture": "only", "classes": ("car",)}, {"000000000007.png": "car"}, "no box of the picture is taken"),
    ],
)
def test_whole_pictures_get_one_label_by_the_rule_that_is_asked_for(
    tmp_path: Path, bring_in: BringIn, options: dict[str, Any], expected: dict[str, str], reason: str | None
) -> None:
    done = bring_in(Coco(**options), _write(tmp_path / "coco"))
    assert {row.place.path.name: row.label for row in done.rows} == expected
    assert not (done.folder / "pictures").exists()
    assert done.left_out() == ({reason: 1} if reason else {})


def test_a_category_that_train_lacks_is_left_out_of_val(tmp_path: Path, bring_in: BringIn) -> None:
    source = _write(_write(tmp_path / "coco"), "val2017", [_annotation(9, 7, 90, [0, 0, 50, 50]), BOXES[0]])
    done = bring_in(Coco(), source)
    assert done.record.counts == {"car": {"train": 1}, "dog": {"train": 2, "val": 1}}
    assert done.left_out()["no training picture is of the category"] == 1


def test_val_alone_is_taken_as_it_is(tmp_path: Path, bring_in: BringIn) -> None:
    done = bring_in(Coco(), _write(tmp_path / "coco", "val2017"))
    assert done.record.counts == {"car": {"val": 1}, "dog": {"val": 2}}


def _missing(source: Path) -> None:
    (source / "images/train2017/000000000007.png").unlink()


def _broken(source: Path) -> None:
    path = source / "images/train2017/000000000007.png"
    path.write_bytes(path.read_bytes()[:300])


def _turned(source: Path) -> None:
    path = source / "images/train2017/000000000007.png"
    Image.open(path).rotate(90, expand=True).save(path)


def _renamed(source: Path, **picture: Any) -> None:
    path = source / "annotations/instances_train2017.json"
    document = json.loads(path.read_text())
    document["images"][1].update(picture)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_missing, "the file is missing"),
        (_broken, "the picture cannot be read"),
        (_turned, "the picture is not of the size that its annotations say"),
        (lambda source: _renamed(source, file_name="../../../etc/passwd"), "the file's name leads out of the folder"),
        (lambda source: _renamed(source, file_name="/etc/passwd"), "the file's name leads out of the folder"),
        (lambda source: _renamed(source, id=99), "no picture has the box's image_id"),
    ],
)
def test_what_cannot_be_taken_of_a_picture_is_left_out_saying_why(
    tmp_path: Path, bring_in: BringIn, spoil: Callable[[Path], None], reason: str
) -> None:
    source = _write(tmp_path / "coco")
    spoil(source)
    done = bring_in(Coco(), source)
    assert reason in done.left_out()
    assert {row.place.group for row in done.rows} == {"000000000008.png"}


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        (_annotation(9, 7, 1, [0, 0, 50, 50]), "no category has the box's category_id"),
        (_annotation(9, 7, 3, [0, 0, 0, 50]), "the box has no area"),
        (_annotation(9, 7, 3, [0, 0, 50]), "the box has no area"),
        (_annotation(9, 7, 3, [float("nan"), 0, 50, 50]), "the box has no area"),
        (_annotation(9, 7, 3, [0, 0, 50, 10**400]), "the box has no area"),
        (_annotation(9, 7, 3, [900, 0, 50, 50]), "the box lies outside of the picture"),
    ],
)
def test_a_box_that_is_none_is_left_out_saying_why(
    tmp_path: Path, bring_in: BringIn, annotation: dict[str, Any], reason: str
) -> None:
    done = bring_in(Coco(), _write(tmp_path / "coco", boxes=[*BOXES, annotation]))
    assert done.left_out()[reason] == 1 and done.record.pictures == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"images": [', "must be JSON"),
        ("[1]", "must be a JSON object"),
        ("[" * 100_000, "must be JSON, got maximum recursion"),
        (
            json.dumps({"images": [{"id": 1, "file_name": 5}], "annotations": [], "categories": []}),
            "need a file_name that is text, got 5",
        ),
        (
            json.dumps(
                {"images": [{"id": 1, "file_name": f"{n}.png"} for n in "ab"], "annotations": [], "categories": []}
            ),
            "must differ by id, got 1 for 'a.png' and 'b.png'",
        ),
        ('{"images": [], "annotations": []}', "'categories'"),
        (
            json.dumps({"images": [{"id": 1}], "annotations": [], "categories": []}),
            "none or another form of 'file_name'",
        ),
        (
            json.dumps({"images": [], "annotations": [], "categories": [{"id": n, "name": "a"} for n in (1, 2)]}),
            "must differ by name, got 'a' twice",
        ),
    ],
)
def test_annotations_of_another_form_are_refused_saying_what_they_lack(
    tmp_path: Path, bring_in: BringIn, text: str, message: str
) -> None:
    source = _write(tmp_path / "coco")
    (source / "annotations/instances_train2017.json").write_text(text)
    with pytest.raises(DataError, match=message):
        bring_in(Coco(), source)


@pytest.mark.parametrize("place", ["train2017", "images", "."])
def test_pictures_are_found_where_they_usually_lie(tmp_path: Path, bring_in: BringIn, place: str) -> None:
    source = _write(tmp_path / "coco")
    (source / "images" / "train2017").rename(source / "moved")
    (source / "images").rmdir()
    target = source / "annotations" if place == "." else source / place
    target.mkdir(exist_ok=True)
    for path in (source / "moved").iterdir():
        path.rename(target / path.name)
    assert bring_in(Coco(), source).record.pictures == 3


def test_pictures_that_are_nowhere_are_asked_for_by_name(tmp_path: Path, bring_in: BringIn) -> None:
    source = _write(tmp_path / "coco")
    shutil.rmtree(source / "images")
    with pytest.raises(DataError, match=r"images/train2017, .*but 000000000008\.png is in none of them"):
        bring_in(Coco(), source)


def test_a_folder_for_each_split_with_its_own_annotations_is_taken_too(tmp_path: Path, bring_in: BringIn) -> None:
    source = _write(tmp_path / "whole")
    exported = tmp_path / "export"
    for split in ("train", "valid"):
        shutil.copytree(source / "images/train2017", exported / split)
        shutil.copy(source / "annotations/instances_train2017.json", exported / split / "_annotations.coco.json")
    assert bring_in(Coco(), exported).record.counts == {
        "car": {"train": 1, "val": 1},
        "dog": {"train": 2, "val": 2},
    }


def test_crops_of_jpegs_are_jpegs_close_to_the_original(tmp_path: Path, bring_in: BringIn) -> None:
    source = _write(tmp_path / "coco")
    smooth = np.add.outer(np.arange(240), np.arange(200))[..., None] // np.array([2, 3, 4])
    Image.fromarray(smooth.astype(np.uint8)).save(source / "images/train2017/000000000008.jpg", quality=95)
    _as_jpeg = json.loads((source / "annotations/instances_train2017.json").read_text())
    _as_jpeg["images"][0]["file_name"] = "000000000008.jpg"
    (source / "annotations/instances_train2017.json").write_text(json.dumps(_as_jpeg))
    done = bring_in(Coco(margin=0.0), source)
    crop = read_image(done.folder / "pictures/train2017/dog/000000000008-1.jpg")
    original = read_image(source / "images/train2017/000000000008.jpg")[0:100, 40:140]
    assert np.abs(crop.astype(int) - original).mean() < 1


def test_crops_of_pictures_that_differ_by_suffix_alone_are_all_kept(tmp_path: Path, bring_in: BringIn) -> None:
    source = _write(tmp_path / "coco", boxes=[BOXES[0], BOXES[4]])
    pictures = source / "images/train2017"
    Image.open(pictures / "000000000008.png").save(pictures / "000000000007.bmp")
    path = source / "annotations/instances_train2017.json"
    path.write_text(path.read_text().replace("000000000008.png", "000000000007.bmp"))
    done = bring_in(Coco(margin=0.0), source)
    assert set(done.labels()) == {
        "pictures/train2017/dog/000000000007-1.png",
        "pictures/train2017/dog/000000000007.bmp-1.png",
    }
    crop = read_image(done.folder / "pictures/train2017/dog/000000000007.bmp-1.png")
    assert (crop == read_image(pictures / "000000000008.png")[0:100, 40:140]).all()


@pytest.mark.shared_data
def test_the_real_annotations_are_accounted_for_box_by_box(shared_data: Path, bring_in: BringIn) -> None:
    source = shared_data / "coco_mini"
    done = bring_in(Coco(), source)
    counts: Counter[tuple[str, str]] = Counter()
    boxes = 0
    for split in ("train", "val"):
        document = json.loads((source / "annotations" / f"instances_{split}2017.json").read_text())
        name_of = {category["id"]: category["name"] for category in document["categories"]}
        boxes += len(document["annotations"])
        for annotation in document["annotations"]:
            if not annotation["iscrowd"] and min(annotation["bbox"][2:]) >= 32:
                counts[name_of[annotation["category_id"]], split] += 1
    learned = {label for label, split in counts if split == "train"}
    expected = {key: count for key, count in counts.items() if key[0] in learned}
    found = Counter((row.label, row.split) for row in done.rows)
    assert found == expected
    assert sum(done.left_out().values()) + done.record.pictures == boxes == 424


@pytest.mark.shared_data
@pytest.mark.parametrize("rule", ["largest", "only"])
def test_the_real_pictures_are_accounted_for_one_by_one(shared_data: Path, bring_in: BringIn, rule: str) -> None:
    done = bring_in(Coco(per_picture=rule), shared_data / "coco_mini")
    assert sum(done.left_out().values()) + done.record.pictures == 38
    assert all(row.place.path.is_relative_to(shared_data) for row in done.rows)
