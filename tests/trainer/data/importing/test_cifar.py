"""CIFAR-10 and CIFAR-100 in their original layouts."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hawklet.errors import DataError
from hawklet.images import read_image
from hawklet_trainer.data.importing.cifar import Cifar10, Cifar100

BringIn = Callable[..., Any]
NAMES = ("airplane", "automobile", "bird")


def _flat(count: int, seed: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (count, 3072), dtype=np.uint8)


def _write_pickle(path: Path, value: object) -> None:
    path.write_bytes(pickle.dumps(value, protocol=2))


@pytest.fixture
def python_layout(tmp_path: Path) -> Path:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    _write_pickle(folder / "batches.meta", {b"label_names": [name.encode() for name in NAMES]})
    for name, seed in (("data_batch_1", 1), ("data_batch_2", 2), ("test_batch", 3)):
        _write_pickle(folder / name, {b"data": _flat(4, seed), b"labels": [0, 2, 1, 2], b"filenames": [b"a.png"] * 4})
    return folder


@pytest.fixture
def binary_layout(tmp_path: Path) -> Path:
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    (folder / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")
    labels = np.array([[0], [2], [1], [2]], dtype=np.uint8)
    for name, seed in (("data_batch_1.bin", 1), ("data_batch_2.bin", 2), ("test_batch.bin", 3)):
        np.hstack([labels, _flat(4, seed)]).tofile(folder / name)
    return folder


def test_the_python_layout_gives_every_picture_its_own_label_and_pixels(python_layout: Path, bring_in: BringIn) -> None:
    done = bring_in(Cifar10(), python_layout)
    assert done.record.counts == {
        "airplane": {"test": 1, "train": 2},
        "automobile": {"test": 1, "train": 2},
        "bird": {"test": 2, "train": 4},
    }
    red = _flat(4, 2)[3, :1024].reshape(32, 32)
    picture = read_image(done.folder / "pictures/train/bird/data_batch_2-00003.png")
    assert picture.shape == (32, 32, 3) and (picture[:, :, 0] == red).all()


def test_both_layouts_of_the_same_pictures_become_the_same_files(
    python_layout: Path, binary_layout: Path, bring_in: BringIn, tmp_path: Path
) -> None:
    bring_in(Cifar10(), python_layout)
    (tmp_path / "imported").rename(tmp_path / "first")
    bring_in(Cifar10(), binary_layout)
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / name / "pictures").rglob("*.png")}
        for name in ("first", "imported")
    )
    assert len(first) == 12 and first == second


def test_the_folder_above_a_layout_will_do_too(python_layout: Path, bring_in: BringIn) -> None:
    assert bring_in(Cifar10(), python_layout).record.pictures == 12


def test_a_folder_with_both_layouts_is_refused_naming_them(
    python_layout: Path, binary_layout: Path, bring_in: BringIn, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"cifar-10-batches-bin and .*cifar-10-batches-py; name one"):
        Cifar10()._find(tmp_path)


def test_a_binary_file_that_was_cut_short_is_refused_saying_which(binary_layout: Path, bring_in: BringIn) -> None:
    path = binary_layout / "test_batch.bin"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match=r"whole records of 3073 bytes, got 12282 bytes in .*test_batch\.bin"):
        bring_in(Cifar10(), binary_layout)


def test_a_label_beyond_the_names_is_refused_saying_where(binary_layout: Path, bring_in: BringIn) -> None:
    (binary_layout / "batches.meta.txt").write_text("airplane\nautomobile\n")
    with pytest.raises(DataError, match=r"one of 2 classes, got 2 for picture 1 of .*data_batch_1"):
        bring_in(Cifar10(), binary_layout)


def test_an_archive_that_is_not_unpacked_is_refused_saying_so(tmp_path: Path, bring_in: BringIn) -> None:
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(DataError, match="unpack it first"):
        bring_in(Cifar10(), tmp_path / "cifar-10-python.tar.gz")


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({"labels": [0]}, "3072 bytes for each of 1 labels, has none"),
        ({"labels": [0, 1], "data": _flat(1, 0)}, r"has \[1, 3072\]"),
        ({"data": _flat(1, 0)}, "a list called labels"),
        ({"labels": ["cat"], "data": _flat(1, 0)}, "must be whole numbers"),
        ({"labels": [0], "data": _flat(1, 0).astype(np.float32)}, "array of bytes"),
        ([1, 2], "must hold a dictionary, got list"),
    ],
)
def test_a_batch_of_another_form_is_refused_saying_how(
    python_layout: Path, bring_in: BringIn, batch: object, message: str
) -> None:
    _write_pickle(python_layout / "data_batch_1", batch)
    with pytest.raises(DataError, match=message):
        bring_in(Cifar10(), python_layout)


def _cifar100(folder: Path, binary: bool) -> Path:
    folder.mkdir()
    fine, coarse, data = [0, 2, 1], [0, 1, 0], _flat(3, 5)
    names = {"fine": ["apple", "bee", "cup"], "coarse": ["food", "animals"]}
    for split in ("train", "test"):
        if binary:
            np.hstack([np.array([coarse, fine], dtype=np.uint8).T, data]).tofile(folder / f"{split}.bin")
        else:
            _write_pickle(folder / split, {b"fine_labels": fine, b"coarse_labels": coarse, b"data": data})
    for kind, of_kind in names.items():
        (folder / f"{kind}_label_names.txt").write_text("\n".join(of_kind)) if binary else None
    if not binary:
        _write_pickle(folder / "meta", {f"{kind}_label_names".encode(): of_kind for kind, of_kind in names.items()})
    return folder


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize(("labels", "expected"), [("fine", {"apple", "bee", "cup"}), ("coarse", {"food", "animals"})])
def test_cifar_100_has_fine_and_coarse_labels_in_both_layouts(
    tmp_path: Path, bring_in: BringIn, binary: bool, labels: str, expected: set[str]
) -> None:
    done = bring_in(Cifar100(labels), _cifar100(tmp_path / "cifar-100", binary))
    assert set(done.record.classes) == expected
    by_number = {row.place.path.name: row.label for row in done.rows if row.split == "train"}
    order = {"fine": ["apple", "cup", "bee"], "coarse": ["food", "animals", "food"]}[labels]
    assert [by_number[f"train-0000{number}.png"] for number in range(3)] == order


@pytest.mark.shared_data
def test_every_picture_of_the_real_python_layout_is_the_one_in_its_batch(shared_data: Path, bring_in: BringIn) -> None:
    source = shared_data / "cifar10" / "cifar-10-batches-py"
    done = bring_in(Cifar10(), source)
    assert {label: sum(counts.values()) for label, counts in done.record.counts.items()} == dict.fromkeys(
        done.record.classes, 500
    )
    label_of = {row.place.path.name: row.label for row in done.rows}
    names = pickle.loads((source / "batches.meta").read_bytes(), encoding="latin1")["label_names"]  # noqa: S301 -- ours
    for path in [*source.glob("data_batch_*"), source / "test_batch"]:
        batch = pickle.loads(path.read_bytes(), encoding="latin1")  # noqa: S301 -- ours
        assert [label_of[f"{path.name}-{number:05d}.png"] for number in range(len(batch["labels"]))] == [
            names[label] for label in batch["labels"]
        ]
        last = len(batch["labels"]) - 1
        written = next(done.folder.glob(f"pictures/*/*/{path.name}-{last:05d}.png"))
        assert (np.asarray(Image.open(written)).transpose(2, 0, 1).ravel() == batch["data"][last]).all()


@pytest.mark.shared_data
def test_the_real_binary_layout_has_the_counts_of_its_label_bytes(shared_data: Path, bring_in: BringIn) -> None:
    source = shared_data / "cifar10" / "cifar-10-batches-bin"
    done = bring_in(Cifar10(), source)
    names = (source / "batches.meta.txt").read_text().split()
    for split, file in (("train", "data_batch_1.bin"), ("test", "test_batch.bin")):
        labels = np.fromfile(source / file, dtype=np.uint8).reshape(-1, 3073)[:, 0]
        expected = Counter(names[label] for label in labels)
        assert {label: done.record.counts[label][split] for label in names} == dict(expected)
