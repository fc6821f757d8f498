"""Foreign layouts are known by their names, and imported once on the way to a training."""

from __future__ import annotations

import os
import pickle
import shutil
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from hawklet.errors import DataError, UsageError
from hawklet_trainer.data import read_photos
from hawklet_trainer.data.importing import for_training, recognise, refuse_foreign

DrawPhotos = Callable[..., Path]


def _touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["batches.meta", "data_batch_1", "test_batch"], "cifar10"),
        (["cifar-10-batches-bin/batches.meta.txt", "cifar-10-batches-bin/data_batch_1.bin"], "cifar10"),
        (["meta", "train", "test"], "cifar100"),
        (["fine_label_names.txt", "train.bin"], "cifar100"),
        (["annotations/instances_val2017.json", "val2017/1.jpg"], "coco"),
        (["train/_annotations.coco.json", "train/1.jpg"], "coco"),
        (["LOC_synset_mapping.txt", "ILSVRC/Data/CLS-LOC/train/n01440764/1.JPEG"], "imagenet"),
        (["train-000000.tar", "train-000001.tar"], "webdataset"),
        (["train/0.tar", "test/0.tar"], "webdataset"),
        (["data/train-00000-of-00001.parquet", "README.md"], "imagefolder"),
        (["train/n01440764/1.JPEG", "val/n01440764/2.JPEG"], None),
        (["cat/1.jpg", "dog/1.jpg"], None),
        (["cat/1.jpg", "dog/1.jpg", "photos.tar"], None),
        (["train/cat/1.jpg", "train.tar"], None),
        (["cat/1.jpg", "table.parquet"], None),
        (["index.csv", "batches.meta", "data_batch_1"], None),
        (["meta", "train/cat/1.jpg"], None),
        ([], None),
    ],
)
def test_a_layout_is_known_by_its_names(tmp_path: Path, names: list[str], kind: str | None) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    assert recognise(_touch(folder, *names)) == kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [("file_name,label\n1.jpg,cat\n", "imagefolder"), ("file_name,caption\n1.jpg,a cat\n", None), ("a,b\n1,2\n", None)],
)
def test_metadata_counts_where_it_names_files_and_labels(tmp_path: Path, text: str, kind: str | None) -> None:
    (_touch(tmp_path, "cat/1.jpg") / "metadata.csv").write_text(text)
    assert recognise(tmp_path) == kind


def test_a_shard_is_known_by_its_suffix_and_what_is_not_there_is_unknown(tmp_path: Path) -> None:
    assert recognise(_touch(tmp_path, "train.tar") / "train.tar") == "webdataset"
    assert recognise(tmp_path / "nowhere") is None


@pytest.fixture
def cifar(tmp_path: Path) -> Path:
    folder = tmp_path / "cifar"
    folder.mkdir()
    (folder / "batches.meta.txt").write_text("cat\ndog\n")
    (folder / "data_batch_1.bin").write_bytes(
        b"".join(bytes([number % 2]) + bytes([number]) * 3072 for number in range(20))
    )
    return folder


def test_a_plain_folder_is_taken_as_it_is(draw_photos: DrawPhotos, tmp_path: Path) -> None:
    folder = draw_photos(3)
    assert for_training(folder, tmp_path / "runs") == folder
    assert not (tmp_path / "runs").exists()


def test_an_import_is_made_once_and_said(cifar: Path, tmp_path: Path) -> None:
    said: list[str] = []
    runs = tmp_path / "runs"
    folder = for_training(cifar, runs, said.append)
    assert folder == runs / ".photos" / "cifar-cifar10"
    assert said[0] == f"{cifar} is cifar10: importing it into {folder}"
    index = (folder / "index.csv").stat().st_mtime_ns
    said.clear()
    assert for_training(cifar, runs, said.append) == folder
    assert said == [f"{cifar} is cifar10: taken from {folder}, where it was imported before"]
    assert (folder / "index.csv").stat().st_mtime_ns == index
    assert read_photos(folder).labels == ("cat", "dog")


def test_a_source_that_changed_is_imported_beside_the_earlier_one(cifar: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    first = for_training(cifar, runs)
    before = (first / "index.csv").read_bytes()
    os.utime(cifar / "data_batch_1.bin", ns=(1, 1))
    second = for_training(cifar, runs)
    assert second.name == "cifar-cifar10-2" and (first / "index.csv").read_bytes() == before
    assert for_training(cifar, runs) == second


def test_another_source_of_the_same_name_gets_a_folder_of_its_own(cifar: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    first = for_training(cifar, runs)
    shutil.copytree(cifar, tmp_path / "other" / "cifar")
    assert for_training(tmp_path / "other" / "cifar", runs) != first


def test_an_import_that_was_tampered_with_is_not_taken(cifar: Path, tmp_path: Path) -> None:
    first = for_training(cifar, tmp_path / "runs")
    (first / "index.csv").write_text("path,label\na.png,cat\n")
    assert for_training(cifar, tmp_path / "runs") != first


def test_runs_within_the_source_do_not_count_as_a_change_of_it(cifar: Path) -> None:
    runs = cifar / "runs"
    first = for_training(cifar, runs)
    _touch(runs, "cifar-resnet18/manifest.json")
    assert for_training(cifar, runs) == first


@pytest.mark.parametrize(
    ("names", "kind"), [(["train-0.tar"], "webdataset"), (["data/train-00000-of-00001.parquet"], "imagefolder")]
)
@pytest.mark.parametrize("below", ["runs", "my/runs"])
def test_runs_within_the_source_do_not_make_it_unknown(
    tmp_path: Path, names: list[str], kind: str, below: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    _touch(folder, *names, f"{below}/source-resnet18/manifest.json")
    assert recognise(folder, folder / below) == kind
    monkeypatch.chdir(folder)
    assert recognise(Path(), Path(below)) == kind


def test_a_kept_import_of_another_version_is_left_and_a_new_one_made(cifar: Path, tmp_path: Path) -> None:
    first = for_training(cifar, tmp_path / "runs")
    record = first / "import.json"
    record.write_text(record.read_text().replace("hawklet-import/1", "hawklet-import/2"))
    before = record.read_bytes()
    second = for_training(cifar, tmp_path / "runs")
    assert second.name == "cifar-cifar10-2" and for_training(cifar, tmp_path / "runs") == second
    assert record.read_bytes() == before


def test_two_trainings_that_begin_together_import_once(cifar: Path, tmp_path: Path) -> None:
    said: list[str] = []
    threads = [threading.Thread(target=for_training, args=(cifar, tmp_path / "runs", said.append)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("importing it" in line for line in said) == 1 and sum("taken from" in line for line in said) == 3


def test_shards_are_trained_from_where_they_are(draw_photos: DrawPhotos, tmp_path: Path) -> None:
    folder, shards = draw_photos(6), tmp_path / "shards"
    shards.mkdir()
    with tarfile.open(shards / "train-000000.tar", "w") as archive:
        for path in sorted(folder.rglob("*.png")):
            archive.add(path, f"{path.parent.name}{path.name}")
            (tmp_path / "label").write_text(path.parent.name)
            archive.add(tmp_path / "label", f"{path.parent.name}{path.name.replace('.png', '.cls')}")
    photos = read_photos(for_training(shards, tmp_path / "runs"))
    assert photos.folder == shards and photos.labels == ("blue", "green", "red")
    assert sum(photos.counts().values()) == 18
    again = read_photos(folder)
    assert {photo.sha256 for photo in photos.items("train") + photos.items("val")} == {
        photo.sha256 for split in ("train", "val", "test") for photo in again.items(split)
    }


def test_a_folder_named_like_a_pickle_of_names_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "meta").write_bytes(pickle.dumps("anything"))
    Image.new("RGB", (4, 4)).save(_touch(tmp_path, "cat/1.png") / "cat/1.png")
    assert recognise(tmp_path) is None


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "kind"),
    [("cifar10/cifar-10-batches-py", "cifar10"), ("coco_mini", "coco"), ("flowers5", None), ("imagenet_sample", None)],
)
def test_real_folders_are_known(shared_data: Path, name: str, kind: str | None) -> None:
    assert recognise(shared_data / name) == kind


@pytest.mark.parametrize("below", ["", "runs", "red", "red/runs"])
def test_runs_among_the_classes_of_a_plain_folder_are_refused(draw_photos: DrawPhotos, below: str) -> None:
    """The next training would take them for a class."""
    folder = draw_photos(3)
    before = sorted(folder.rglob("*"))
    with pytest.raises(UsageError, match="name another place with --out"):
        for_training(folder, folder / below)
    assert sorted(folder.rglob("*")) == before


def test_runs_may_lie_beside_an_index(draw_photos: DrawPhotos) -> None:
    folder = draw_photos(3)
    (folder / "index.csv").write_text("path,label\nred/02000.png,red\n")
    assert for_training(folder, folder / "runs") == folder


def test_a_foreign_layout_is_refused_with_the_import_to_type(cifar: Path, draw_photos: DrawPhotos) -> None:
    with pytest.raises(DataError, match=f"is cifar10; bring it in first: hawklet data import cifar10 {cifar} cifar-ph"):
        refuse_foreign(cifar)
    refuse_foreign(draw_photos(1))
