"""WebDataset shards: pictures stay where they are, labels come from their neighbours."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hawklet.errors import DataError
from hawklet.images import read_image
from hawklet_trainer.data import Place
from hawklet_trainer.data.importing.webdataset import WebDataset

BringIn = Callable[..., Any]


def _picture(seed: int, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def _shard(path: Path, members: list[tuple[str, bytes]], form: int = tarfile.PAX_FORMAT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=form) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def _samples(first: int, labels: list[str], extension: str = "cls") -> list[tuple[str, bytes]]:
    return [
        member
        for number, label in enumerate(labels, first)
        for member in ((f"{number:06d}.{extension}", label.encode()), (f"{number:06d}.png", _picture(number)))
    ]


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    folder = tmp_path / "shards"
    _shard(folder / "imagenet-train-000000.tar", _samples(0, ["cat", "dog"]))
    _shard(folder / "imagenet-train-000001.tar", _samples(2, ["dog"]))
    _shard(folder / "imagenet-val-000000.tar", _samples(3, ["cat"]))
    return folder


def test_pictures_are_read_in_place_with_the_labels_of_their_samples(shards: Path, bring_in: BringIn) -> None:
    done = bring_in(WebDataset(), shards)
    assert done.record.counts == {"cat": {"train": 1, "val": 1}, "dog": {"train": 2}}
    assert not (done.folder / "pictures").exists()
    for number, row in enumerate(done.rows):
        assert (row.place.read() == read_image(io.BytesIO(_picture(number)))).all()


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_form_of_tar_is_read_with_long_names_too(tmp_path: Path, bring_in: BringIn, form: int) -> None:
    key = "/".join(["folder" * 10] * 2)
    _shard(tmp_path / "s" / "a.tar", [(f"{key}/1.jpg", _picture(1, "JPEG")), (f"{key}/1.cls", b"cat")], form)
    (row,) = bring_in(WebDataset(), tmp_path / "s").rows
    assert row.label == "cat" and row.place.read().shape == (20, 20, 3)


@pytest.mark.parametrize(
    ("members", "options", "label"),
    [
        ([("1.cls", b" 3\n")], {}, "3"),
        ([("1.txt", b"a cat")], {}, "a cat"),
        ([("1.json", b'{"label": "dog", "id": 4}')], {}, "dog"),
        ([("1.json", b'{"label": 4, "label_name": "dog"}')], {}, "dog"),
        ([("1.txt", b"a picture of a cat"), ("1.cls", b"cat")], {}, "cat"),
        ([("1.txt", b"a cat"), ("1.cls", b"7")], {"label_key": "txt"}, "a cat"),
        ([("1.json", b'{"kind": 5}')], {"label_key": "json:kind"}, "5"),
        ([("1.label.txt", b"dog")], {"label_key": "label.txt"}, "dog"),
        ([("1.cls", b"cat"), ("1.seg.png", b"mask")], {"image_key": "png"}, "cat"),
    ],
)
def test_labels_are_found_in_their_members(
    tmp_path: Path, bring_in: BringIn, members: list[tuple[str, bytes]], options: dict[str, Any], label: str
) -> None:
    _shard(tmp_path / "s" / "a.tar", [("1.PNG", _picture(1)), *members])
    done = bring_in(WebDataset(**options), tmp_path / "s")
    assert [row.label for row in done.rows] == [label]
    assert len(done.record.notes) == (0 if "label_key" in options else 1)


def test_numbers_get_their_names_from_the_file_beside_the_shards(tmp_path: Path, bring_in: BringIn) -> None:
    _shard(tmp_path / "s" / "a.tar", _samples(0, ["1", "0", "2"]))
    (tmp_path / "s" / "classnames.txt").write_text("cat\ndog\n")
    done = bring_in(WebDataset(), tmp_path / "s")
    assert [row.label for row in done.rows] == ["dog", "cat"]
    assert done.left_out() == {"the label is none of the class names, nor the number of one": 1}
    assert any("classnames.txt" in note for note in done.record.notes)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([("9.cls", b"cat")], "no picture in the sample"),
        ([("9.png", b"x")], "no label"),
        ([("9.png", b""), ("9.cls", b"cat")], "the picture is empty"),
        (
            [("9.png", b"x"), ("9.jpg", b"x"), ("9.cls", b"cat")],
            "several pictures in the sample; say which with --image-key",
        ),
        ([("9.png", b"x"), ("9.cls", b"\xff\xfe")], "no label"),
        ([("9.png", b"x"), ("9.cls", b"1" * (2 << 20))], "no label"),
    ],
)
def test_a_sample_that_is_not_whole_is_left_out_by_its_key(
    tmp_path: Path, bring_in: BringIn, members: list[tuple[str, bytes]], reason: str
) -> None:
    _shard(tmp_path / "s" / "a.tar", [*_samples(0, ["dog"]), *members])
    done = bring_in(WebDataset(), tmp_path / "s")
    assert done.record.left_out == [{"reason": reason, "count": 1, "first": ["9 in a.tar"]}]


def test_what_is_no_sample_is_passed_over(tmp_path: Path, bring_in: BringIn) -> None:
    members = [("__meta__/shard.json", b"{}"), ("./._1.png", b"x"), ("README", b"x"), *_samples(0, ["dog"])]
    path = _shard(tmp_path / "s" / "a.tar", members)
    with tarfile.open(path, "a") as archive:
        link = tarfile.TarInfo("5.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    done = bring_in(WebDataset(), tmp_path / "s")
    assert done.record.pictures == 1 and done.left_out() == {}


def test_two_members_of_one_name_are_refused(tmp_path: Path, bring_in: BringIn) -> None:
    _shard(tmp_path / "s" / "a.tar", [("1.png", b"x"), ("1.PNG", b"y")])
    with pytest.raises(DataError, match=r"got 1\.PNG twice in .*a\.tar"):
        bring_in(WebDataset(), tmp_path / "s")


def test_a_truncated_shard_is_refused_saying_which_wherever_it_was_cut(shards: Path, bring_in: BringIn) -> None:
    path = shards / "imagenet-train-000001.tar"
    whole = path.read_bytes()
    end = len(whole.rstrip(b"\0")) // 512 * 512 + 512
    for length in range(0, end + 1, 256):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"imagenet-train-000001\.tar"):
            bring_in(WebDataset(), shards)


def test_a_shard_with_a_damaged_header_is_refused_saying_after_how_many(shards: Path, bring_in: BringIn) -> None:
    path = shards / "imagenet-train-000000.tar"
    data = bytearray(path.read_bytes())
    data[1024 + 10] ^= 1  # the second member's header begins after the first one's and its block
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"000000\.tar is cut short or damaged after 1 members"):
        bring_in(WebDataset(), shards)


def test_compressed_shards_are_refused_since_nothing_in_them_can_be_read_in_place(
    shards: Path, bring_in: BringIn
) -> None:
    path = shards / "imagenet-train-000000.tar"
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(DataError, match=r"an uncompressed tar.*000000.tar; unpack it first"):
        bring_in(WebDataset(), shards)


@pytest.mark.parametrize("name", ["imagenet-train-000002.tar.gz", "more/0.tgz"])
def test_a_compressed_shard_beside_others_is_not_passed_over(shards: Path, bring_in: BringIn, name: str) -> None:
    (shards / name).parent.mkdir(exist_ok=True)
    (shards / name).write_bytes(b"")
    with pytest.raises(DataError, match=f"must not be compressed, .* got {shards / name}; unpack it first"):
        bring_in(WebDataset(), shards)


def test_a_list_of_shards_is_taken_and_each_line_must_be_one(shards: Path, bring_in: BringIn, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(
        f"# mine\n{shards / 'imagenet-val-000000.tar'}\nshards/imagenet-train-000001.tar\n"
    )
    done = bring_in(WebDataset(), tmp_path / "list.txt")
    assert done.record.counts == {"cat": {"val": 1}, "dog": {"train": 1}}
    (tmp_path / "list.txt").write_text("shards/none.tar\n")
    with pytest.raises(DataError, match=r"there is no file .*none\.tar"):
        bring_in(WebDataset(), tmp_path / "list.txt")


def test_splits_may_be_folders_of_shards(tmp_path: Path, bring_in: BringIn) -> None:
    _shard(tmp_path / "s" / "train" / "0.tar", _samples(0, ["cat"]))
    _shard(tmp_path / "s" / "test" / "0.tar", _samples(1, ["cat"]))
    assert bring_in(WebDataset(), tmp_path / "s").record.counts == {"cat": {"test": 1, "train": 1}}


def test_one_shard_may_be_named_alone(shards: Path, bring_in: BringIn) -> None:
    assert bring_in(WebDataset(), shards / "imagenet-val-000000.tar").record.counts == {"cat": {"val": 1}}


@pytest.mark.shared_data
def test_real_pictures_come_out_of_shards_as_they_went_in(shared_data: Path, bring_in: BringIn, tmp_path: Path) -> None:
    pictures = sorted((shared_data / "flowers5" / "test").rglob("*.jpg"))[::10]
    for number in range(2):
        members = []
        for path in pictures[number::2]:
            label = json.dumps({"label": path.parent.name})
            members += [(f"{path.stem}.jpg", path.read_bytes()), (f"{path.stem}.json", label.encode())]
        _shard(tmp_path / "s" / f"test-{number:06d}.tar", members)
    done = bring_in(WebDataset(), tmp_path / "s")
    expected = {Place(path).sha256(): path.parent.name for path in pictures}
    assert {row.place.sha256(): row.label for row in done.rows} == expected
