"""Where a training gets its pixels from: the same ones from everywhere."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from hawklet.errors import DataError, ImageError
from hawklet.spec import Pixels, PreprocessSpec
from hawklet_trainer.data import (
    Cache,
    Loading,
    Photo,
    PixelSource,
    Place,
    Span,
    load_pixels,
    pixel_source,
    read_photos,
)
from hawklet_trainer.data.pixels import enough_pixels
from hawklet_trainer.data.workers import Workers, telling_of_killed_workers

SPEC = PreprocessSpec(16, 16)
ORDER = [[3, 1], [0, 2, 5], [4]]


@pytest.fixture
def photos(colour_photos: Path) -> list[Photo]:
    """Twenty-four photos."""
    return read_photos(colour_photos).items("train")


@pytest.mark.parametrize(
    "loading",
    [
        Loading(Cache.RAM),
        Loading(Cache.DISK),
        Loading(Cache.NONE, workers=0),
        Loading(Cache.NONE, workers=1),
        Loading(Cache.NONE, workers=2),
    ],
    ids=lambda loading: f"{loading.cache.value}-{loading.workers}",
)
def test_the_same_pixels_come_from_everywhere_and_in_order(
    photos: list[Photo], loading: Loading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    wanted = load_pixels(photos, SPEC)[0]
    source = PixelSource(photos, SPEC, loading)
    torch.manual_seed(3)
    for _ in range(2):  # two epochs of the same workers
        given = list(source.batches(ORDER))
        assert [indices.tolist() for indices, _ in given] == ORDER
        assert all((pixels == wanted[indices]).all() for indices, pixels in given)
    after = torch.rand(1)
    torch.manual_seed(3)
    assert after == torch.rand(1)  # loading draws no random numbers, which decide what is learned


def test_an_epoch_that_is_broken_off_does_not_reach_into_the_next(photos: list[Photo]) -> None:
    source = PixelSource(photos, SPEC, Loading(Cache.NONE, workers=2))
    for _ in source.batches([[index] for index in range(24)]):
        break
    assert [indices.tolist() for indices, _ in source.batches(ORDER)] == ORDER


def test_pictures_are_kept_in_memory_while_they_fit_and_else_on_disk(photos: list[Photo], tmp_path: Path) -> None:
    said: list[str] = []
    for memory in (24 * 16 * 16 * 3, 24 * 16 * 16 * 3 - 1):
        PixelSource(photos, SPEC, Loading(memory=memory, folder=tmp_path / str(memory), say=said.append))
    assert [path.name for path in tmp_path.iterdir()] == [str(24 * 16 * 16 * 3 - 1)]
    assert len(said) == 1 and "24 pictures are kept decoded" in said[0]


def test_what_is_on_disk_already_is_used_however_full_the_disk_is_by_now(
    photos: list[Photo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    loading = Loading(memory=0, folder=tmp_path, say=said.append)
    PixelSource(photos, SPEC, loading)
    monkeypatch.setattr(pixel_source, "free_bytes", lambda folder: 0)
    PixelSource(photos, SPEC, loading)
    PixelSource(photos[1:], SPEC, loading)  # of which nothing is there
    assert len(said) == 2


class Noisy:
    """An augmentation that can be pickled: adds the same random number to every picture of a batch."""

    def __call__(self, pictures: torch.Tensor) -> torch.Tensor:
        return pictures[:, :, :8] + torch.randint(0, 50, ()).to(torch.uint8)


def _epochs(photos: list[Photo], loading: Loading) -> tuple[list[Pixels], torch.Tensor]:
    """Two epochs of augmented batches, and a random number after them."""
    source = PixelSource(photos, SPEC, loading, Noisy())
    torch.manual_seed(3)
    pixels = [pixels for _ in range(2) for _, pixels in source.batches(ORDER)]
    return pixels, torch.rand(1)


@pytest.mark.parametrize(
    "loading",
    [Loading(Cache.RAM, workers=2), Loading(Cache.NONE, workers=0), Loading(Cache.NONE, workers=2)],
    ids=lambda loading: f"{loading.cache.value}-{loading.workers}",
)
def test_the_same_augmented_pixels_come_whoever_makes_them(photos: list[Photo], loading: Loading) -> None:
    wanted, after = _epochs(photos, Loading(Cache.RAM, workers=0))
    made, after_too = _epochs(photos, loading)
    assert [len(pixels) for pixels in made] == [2, 3, 1, 2, 3, 1] and made[0].shape[1:] == (8, 16, 3)
    assert all((one == other).all() for one, other in zip(made, wanted, strict=True))
    assert (made[0] != made[3]).any()  # another epoch is augmented otherwise
    assert after == after_too


def test_a_process_that_is_killed_is_told_of_in_one_line(photos: list[Photo]) -> None:
    others = set(multiprocessing.active_children())
    source = PixelSource(photos, SPEC, Loading(Cache.NONE, workers=2))
    batches = source.batches([[index] for index in range(24)] * 20)
    next(batches)
    with pytest.raises(DataError, match=r"was killed, .*use --workers 0"), telling_of_killed_workers():
        (set(multiprocessing.active_children()) - others).pop().kill()
        list(batches)


@pytest.mark.parametrize(
    ("count", "cores", "augmented", "processes"),
    [(200, 2, True, 1), (199, 2, True, 0), (200, 1, True, 0), (200, 2, False, 0)],
)
def test_many_kept_pictures_are_augmented_by_a_process_beside_the_cpu(
    photos: list[Photo], monkeypatch: pytest.MonkeyPatch, count: int, cores: int, augmented: bool, processes: int
) -> None:
    started: list[int] = []
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("hawklet_trainer.data.pixel_source._usable_cores", lambda: cores)
    monkeypatch.setattr("hawklet_trainer.data.pixel_source._SHARES_MEMORY", True)
    monkeypatch.setattr(
        "hawklet_trainer.data.pixel_source.Workers",
        lambda reader, number: started.append(number) or Workers(reader, 0),
    )
    many = [photos[number % len(photos)] for number in range(count)]
    augment = (lambda pictures: pictures) if augmented else None
    assert len(list(PixelSource(many, SPEC, Loading(Cache.RAM), augment).batches([[0, 1]]))) == 1
    assert started == [processes]


@pytest.mark.parametrize(
    ("cores", "sharers", "augmented", "forks", "room", "processes"),
    [
        (2, 1, True, True, 1 << 30, 2),
        (10, 1, True, True, 1 << 30, 5),
        (64, 1, True, True, 1 << 30, 8),
        (64, 8, True, True, 1 << 30, 4),
        (64, 1, False, True, 1 << 30, 2),
        (64, 1, True, False, 1 << 30, 2),
        (64, 1, True, True, 5 * 4 * 2 * 16 * 16 * 3, 5),
        (64, 2, True, True, 10 * 4 * 2 * 16 * 16 * 3, 5),
        (64, 1, True, True, 0, 2),
    ],
)
def test_a_gpu_is_fed_by_half_the_cores_as_far_as_there_is_shared_memory(
    photos: list[Photo],
    monkeypatch: pytest.MonkeyPatch,
    cores: int,
    sharers: int,
    augmented: bool,
    forks: bool,
    room: int,
    processes: int,
) -> None:
    started: list[int] = []
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("hawklet_trainer.data.pixel_source._usable_cores", lambda: cores)
    monkeypatch.setattr("hawklet_trainer.data.pixel_source._SHARES_MEMORY", forks)
    monkeypatch.setattr("hawklet_trainer.data.pixel_source._SHARED_MEMORY", Path("/"))
    monkeypatch.setattr("hawklet_trainer.data.pixel_source.free_bytes", lambda folder: room)
    monkeypatch.setattr(
        "hawklet_trainer.data.pixel_source.Workers",
        lambda reader, number: started.append(number) or Workers(reader, 0),
    )
    augment = (lambda pictures: pictures) if augmented else None
    source = PixelSource(photos, SPEC, Loading(Cache.RAM, sharers=sharers), augment)
    assert len(list(source.batches([[0, 1], [0]]))) == 2
    assert started == [processes]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_shard_that_went_missing_is_named_in_one_line(photos: list[Photo], workers: int, tmp_path: Path) -> None:
    source = PixelSource(
        [Photo(Place(tmp_path / "a.tar", Span(512, 100)), 0, "")], SPEC, Loading(Cache.NONE, workers=workers)
    )
    with pytest.raises(ImageError, match=r"^a\.tar: there is no such file$"):
        list(source.batches([[0]]))


def test_two_processes_go_through_shards_exactly_once_between_them(photos: list[Photo], tmp_path: Path) -> None:
    packed = []
    for number in range(6):
        shard = tmp_path / f"{number}.tar"
        with shard.open("wb") as stream:
            for photo in photos[4 * number : 4 * number + 4]:
                data = photo.path.read_bytes()
                packed.append(Photo(Place(shard, Span(stream.tell(), len(data))), photo.label_index, photo.sha256))
                stream.write(data)
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        shares = list(pool.map(_share_of, [packed] * 2, range(2)))
    assert sorted(digest for share in shares for digest in share) == sorted(photo.sha256 for photo in photos)
    assert min(map(len, shares)) > 0


def _share_of(photos: list[Photo], rank: int) -> list[str]:
    """Digests of what one of two processes reads in an epoch."""
    source = PixelSource(photos, SPEC, Loading(Cache.NONE, workers=0))
    torch.manual_seed(5)
    return [
        photos[index].sha256
        for indices, _ in source.batches(torch.split(source.shuffled(rank, 2), 3))
        for index in indices
    ]


def test_a_disk_that_cannot_be_written_is_said_and_done_without(photos: list[Photo], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    said: list[str] = []
    source = PixelSource(photos, SPEC, Loading(Cache.DISK, workers=0, folder=tmp_path / "file", say=said.append))
    assert (source.batch([1, 2]) == load_pixels(photos[1:3], SPEC)[0]).all()
    assert "could not be kept" in said[-1]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_picture_that_went_missing_is_named_in_one_line(photos: list[Photo], workers: int, tmp_path: Path) -> None:
    copy = tmp_path / "copy.png"
    copy.write_bytes(photos[0].path.read_bytes())
    moved = [*photos[1:3], Photo(Place(copy), 0, photos[0].sha256)]
    source = PixelSource(moved, SPEC, Loading(Cache.NONE, workers=workers))
    copy.unlink()
    with pytest.raises(ImageError, match=r"^copy\.png: there is no such file$"):
        list(source.batches([[0, 1], [2]]))


@pytest.mark.parametrize(
    ("spec", "pixels"),
    [
        (PreprocessSpec(224, 224), 314),
        (PreprocessSpec(224, 224, crop_fraction=0.875), 359),
        (PreprocessSpec(64, 96), 135),
    ],
)
def test_more_pixels_are_decoded_than_the_network_sees(spec: PreprocessSpec, pixels: int) -> None:
    assert enough_pixels(spec) == pixels


def test_labels_go_with_the_pixels(photos: list[Photo]) -> None:
    assert PixelSource(photos, SPEC).label_indices.tolist() == [photo.label_index for photo in photos]
    assert np.unique(PixelSource(photos, SPEC).label_indices).tolist() == [0, 1, 2]
