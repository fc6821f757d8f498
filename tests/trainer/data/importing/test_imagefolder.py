"""Hugging Face's imagefolder: metadata beside the pictures, and Parquet with the pictures in it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from hawklet.errors import DataError
from hawklet_trainer.data.importing.imagefolder import ImageFolder, split_in_hub

BringIn = Callable[..., Any]


def _picture(kind: str = "PNG", colour: int = 0) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (24, 24), (colour, 0, 0)).save(stream, kind)
    return stream.getvalue()


def _pictures(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(_picture())
    return folder


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("data/train-00000-of-00002.parquet", "train"),
        ("data/validation-00000-of-00001.parquet", "val"),
        ("test/metadata.csv", "test"),
        ("my_eval_set/a.parquet", "test"),
        ("evaluation.parquet", "test"),
        ("medieval/a.parquet", ""),
        ("dev.parquet", "val"),
        ("training/testing.parquet", "train"),
        ("all.parquet", ""),
    ],
)
def test_splits_are_told_as_the_hub_tells_them(name: str, split: str) -> None:
    assert split_in_hub(name) == split


def test_metadata_in_each_split_names_pictures_and_labels(tmp_path: Path, bring_in: BringIn) -> None:
    source = tmp_path / "folder"
    _pictures(source / "train", "0001.png", "0002.png", "more/0003.png", "unnamed.png")
    _pictures(source / "validation", "0001.png")
    (source / "train/metadata.csv").write_text(
        "file_name,text,label\n0001.png,x,cat\n0002.png,,dog\nmore/0003.png,,cat"
    )
    (source / "validation/metadata.jsonl").write_text('{"file_name": "0001.png", "label": "dog"}\n')
    done = bring_in(ImageFolder(), source)
    assert done.record.counts == {"cat": {"train": 2}, "dog": {"train": 1, "val": 1}}
    assert done.record.left_out == [{"reason": "not named by metadata.csv", "count": 1, "first": ["unnamed.png"]}]


def test_metadata_above_the_splits_names_pictures_in_their_folders(tmp_path: Path, bring_in: BringIn) -> None:
    source = _pictures(tmp_path / "folder", "train/1.png", "test/1.png")
    (source / "metadata.csv").write_text("file_name,label\ntrain/1.png,0\ntest/1.png,1\n")
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    done = bring_in(ImageFolder(class_names=tmp_path / "names.txt"), source)
    assert done.record.counts == {"cat": {"train": 1}, "dog": {"test": 1}}


def test_names_that_lead_elsewhere_and_missing_files_are_left_out(tmp_path: Path, bring_in: BringIn) -> None:
    source = _pictures(tmp_path / "folder", "1.png")
    (source / "metadata.csv").write_text(
        "file_name,label\n1.png,cat\n../../etc/passwd,cat\n/etc/passwd,cat\n2.png,cat\n"
    )
    assert bring_in(ImageFolder(), source).left_out() == {
        "the file's name leads out of the folder": 2,
        "the file is missing": 1,
    }


def test_metadata_without_labels_asks_for_their_column(tmp_path: Path, bring_in: BringIn) -> None:
    source = _pictures(tmp_path / "folder", "1.png")
    (source / "metadata.csv").write_text("file_name,text\n1.png,cat\n")
    with pytest.raises(DataError, match=r"got file_name, text in .*metadata\.csv; say which .* --label-column NAME"):
        bring_in(ImageFolder(), source)
    assert bring_in(ImageFolder(label_column="text"), source).record.classes == ["cat"]


def test_folders_of_classes_without_metadata_are_taken_as_they_are(tmp_path: Path, bring_in: BringIn) -> None:
    source = _pictures(tmp_path / "folder", "train/cat/1.png", "train/dog/1.png", "test/cat/2.png")
    assert bring_in(ImageFolder(), source).record.counts == {"cat": {"test": 1, "train": 1}, "dog": {"train": 1}}


def _export(path: Path, labels: list[Any], pictures: list[bytes | None], features: dict[str, Any] | None) -> None:
    images = pa.array(
        [{"bytes": data, "path": "../x.png"} for data in pictures],
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    )
    schema = pa.schema([("image", images.type), ("label", pa.array(labels).type)])
    if features:
        schema = schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table([images, pa.array(labels)], schema=schema), path)


FEATURES = {"image": {"_type": "Image"}, "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}


def test_pictures_packed_in_parquet_are_written_out_as_they_are(tmp_path: Path, bring_in: BringIn) -> None:
    source = tmp_path / "export"
    pictures = [_picture("JPEG"), _picture("PNG"), _picture("WEBP")]
    _export(source / "data/train-00000-of-00001.parquet", [1, 0, 1], list(pictures), FEATURES)
    _export(source / "data/test-00000-of-00001.parquet", [0], [_picture()], FEATURES)
    done = bring_in(ImageFolder(), source)
    assert done.record.counts == {"cat": {"test": 1, "train": 1}, "dog": {"train": 2}}
    written = [row.place.path for row in done.rows if row.split == "train"]
    assert [path.suffix for path in written] == [".jpeg", ".png", ".webp"]
    assert [path.read_bytes() for path in written] == pictures
    assert done.record.notes == ["label is taken from the column label"]


def test_rows_of_parquet_without_picture_or_label_are_left_out(tmp_path: Path, bring_in: BringIn) -> None:
    source = tmp_path / "export"
    _export(source / "all.parquet", [0, 1, None, 5, 0], [_picture(), None, *[_picture()] * 2, b"no picture"], FEATURES)
    done = bring_in(ImageFolder(), source)
    assert done.record.counts == {"cat": {"": 1}}
    assert done.left_out() == {"the picture cannot be read": 2, "no label": 2}


def test_labels_without_names_are_their_own(tmp_path: Path, bring_in: BringIn) -> None:
    _export(tmp_path / "one.parquet", ["cat", "dog"], [_picture(), _picture()], None)
    assert bring_in(ImageFolder(), tmp_path / "one.parquet").record.classes == ["cat", "dog"]


def test_class_names_lead_nowhere_else_as_folders(tmp_path: Path, bring_in: BringIn) -> None:
    _export(tmp_path / "one.parquet", ["../../cat", ".dog", "a/b"], [_picture()] * 3, None)
    done = bring_in(ImageFolder(), tmp_path / "one.parquet")
    assert done.record.classes == ["../../cat", ".dog", "a/b"]
    assert all(row.place.path.is_relative_to(done.folder / "pictures") for row in done.rows)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: path.write_bytes(b"PAR1 no"), "must be a Parquet file"),
        (lambda path: parquet.write_table(pa.table({"a": [1]}), path), "a column of pictures, got a in"),
    ],
)
def test_parquet_without_pictures_is_refused(
    tmp_path: Path, bring_in: BringIn, write: Callable[[Path], None], message: str
) -> None:
    (tmp_path / "export").mkdir()
    write(tmp_path / "export" / "one.parquet")
    with pytest.raises(DataError, match=message):
        bring_in(ImageFolder(), tmp_path / "export")


@pytest.mark.shared_data
def test_real_photos_come_out_of_parquet_byte_for_byte(shared_data: Path, bring_in: BringIn, tmp_path: Path) -> None:
    photos = sorted((shared_data / "flowers5" / "test").rglob("*.jpg"))[::25]
    names = sorted({path.parent.name for path in photos})
    features = {"label": {"names": names, "_type": "ClassLabel"}}
    labels = [names.index(path.parent.name) for path in photos]
    _export(tmp_path / "flowers" / "test.parquet", labels, [path.read_bytes() for path in photos], features)
    done = bring_in(ImageFolder(), tmp_path / "flowers")
    assert [row.label for row in done.rows] == [path.parent.name for path in photos]
    assert [row.place.path.read_bytes() for row in done.rows] == [path.read_bytes() for path in photos]
