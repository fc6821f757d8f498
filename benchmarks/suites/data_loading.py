"""How fast pictures come: large JPEGs against plain Pillow, kept pixels against decoded ones, shards against files."""

from __future__ import annotations

import io
import os
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image, ImageOps

from hawklet.images import read_image
from hawklet.preprocess import preprocess
from hawklet.safefiles import sha256_of
from hawklet.spec import Pixels, PreprocessSpec
from hawklet_benchmarks.interleave import cpu_of_call, cpu_ratio, take_turns
from hawklet_trainer.data import Cache, Loading, Photo, PixelSource, Place, Span
from hawklet_trainer.data.pixels import enough_pixels
from suite_figures import Figure, Goal, ratio_figure

SPEC = PreprocessSpec(224, 224, crop_fraction=0.875)
_LARGER = PreprocessSpec(256, 256)
"""What is kept for training at 224 pixels."""
_BATCH = 32
_A_SHARD = 250
_PASSES = 5


def large_photos(data: Path) -> Iterator[Figure]:
    """Decode and resize 12 million pixels, in turns with Pillow as everybody uses it."""
    photo = _jpeg(sorted((data / "imagenet_sample").glob("*.jpg")), 4000, 3000, 500)

    def ours() -> object:
        return preprocess(_read(photo), SPEC)

    def plain() -> object:
        picture = ImageOps.exif_transpose(Image.open(io.BytesIO(photo))).convert("RGB")
        scale = 256 / min(picture.size)
        picture = picture.resize(
            (round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BILINEAR
        )
        left, top = (picture.width - 224) // 2, (picture.height - 224) // 2
        return np.asarray(picture.crop((left, top, left + 224, top + 224)))

    cpu_ms = take_turns({"ours": cpu_of_call(ours, 2), "plain": cpu_of_call(plain, 2)}, 15)
    medians = {name: median(times) for name, times in cpu_ms.items()}
    ratio = cpu_ratio(cpu_ms, "ours", "plain")
    note = f"{medians['ours']:.1f} and {medians['plain']:.1f} ms CPU, a JPEG of {len(photo) / 1e6:.1f} MB"
    yield ratio_figure("12-Mpx JPEG to 224 px, ours / Pillow", ratio, Goal(0.35, 0.24, more=False), note)


def _read(photo: bytes) -> Pixels:
    return read_image(io.BytesIO(photo), enough_pixels(SPEC))


def kept_pixels(data: Path, work: Path) -> Iterator[Figure]:
    """An epoch from memory and from disk, against decoding."""
    photos = _files(data, work, 1000)
    sources = {
        "memory": PixelSource(photos, _LARGER, Loading(Cache.RAM)),
        "disk": PixelSource(photos, _LARGER, Loading(Cache.DISK, folder=work / "pixels")),
        "decoded": PixelSource(photos, _LARGER, Loading(Cache.NONE, workers=0)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sources}
    for _ in range(_PASSES):
        for name, source in sources.items():
            seconds[name].append(_cpu_of_epoch(source))
    for name in ("memory", "disk"):
        ratio = median(seconds[name]) / median(seconds["decoded"])
        rate = len(photos) / median(seconds[name])
        yield Figure(f"CPU time of an epoch from {name} / decoded", ratio, note=f"{rate:.0f} pictures/s of CPU")


def shards(data: Path, work: Path) -> Iterator[Figure]:
    """Two worker processes over shards, against the same over files: all pictures, and pictures a second."""
    files = _files(data, work, 4000)
    packed = _pack(files, work / "shards")
    contestants = {
        name: PixelSource(photos, _LARGER, Loading(Cache.NONE, workers=2))
        for name, photos in (("files", files), ("shards", packed))
    }
    missed = sum(_not_exactly_once(source) for source in contestants.values())  # and workers are started
    yield Figure("pictures not seen exactly once in an epoch", missed, Goal(0, 0, more=False))
    for state in ("cold", "warm"):
        rates = _rates(contestants, cold=state == "cold")
        goal = Goal(1.0, 1.3, more=True) if state == "cold" else None
        note = ", ".join(f"{name} {rate:.0f} pictures/s" for name, rate in rates.items())
        yield Figure(
            f"pictures/s from shards / from files, {state} page cache",
            rates["shards"] / rates["files"],
            goal,
            note=note,
        )


def _rates(contestants: dict[str, PixelSource], *, cold: bool) -> dict[str, float]:
    """Pictures a second of wall time, the median of several turns."""
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(_PASSES):
        for name, source in contestants.items():
            if cold:
                _forget(source)
            begin = time.perf_counter()
            for _ in source.batches(torch.split(source.shuffled(), _BATCH)):
                pass
            rates[name].append(len(source) / (time.perf_counter() - begin))
    return {name: median(values) for name, values in rates.items()}


def _forget(source: PixelSource) -> None:
    """Have the system drop these files from its page cache, and no others."""
    for path in {photo.path for photo in source.photos}:
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _not_exactly_once(source: PixelSource) -> int:
    seen = np.zeros(len(source), np.int64)
    for indices, _ in source.batches(torch.split(source.shuffled(), _BATCH)):
        np.add.at(seen, indices, 1)
    return int((seen != 1).sum())


def _cpu_of_epoch(source: PixelSource) -> float:
    begin = time.process_time()
    for _ in source.batches(torch.split(source.shuffled(), _BATCH)):
        pass
    return time.process_time() - begin


def _files(data: Path, work: Path, count: int) -> list[Photo]:
    """Photos of 500 x 375 pixels, pasted together from the samples."""
    samples = sorted((data / "imagenet_sample").glob("*.jpg"))
    folder = work / "photos"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:05d}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        if not path.is_file():
            path.write_bytes(_jpeg(np.roll(np.array(samples), -7 * number).tolist(), 500, 375, 250))
    return [Photo(Place(path), number % 5, sha256_of(path)) for number, path in enumerate(paths)]


def _pack(photos: list[Photo], folder: Path) -> list[Photo]:
    """The same photos in shards, each written once through."""
    folder.mkdir(exist_ok=True)
    packed = []
    for begin in range(0, len(photos), _A_SHARD):
        path = folder / f"train-{begin // _A_SHARD:06d}.tar"
        with tarfile.open(path, "w") as archive:
            for photo in photos[begin : begin + _A_SHARD]:
                archive.add(photo.path, photo.path.name)
        with tarfile.open(path) as archive:
            spans = [Span(member.offset_data, member.size) for member in archive]
        own = zip(photos[begin : begin + _A_SHARD], spans, strict=True)
        packed += [Photo(Place(path, span), photo.label_index, photo.sha256) for photo, span in own]
    return packed


def _jpeg(samples: list[Path], width: int, height: int, tile: int) -> bytes:
    """A photo of that size with as much detail as real ones: samples side by side."""
    picture, number = Image.new("RGB", (width, height)), 0
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            with Image.open(samples[number % len(samples)]) as sample:
                picture.paste(sample.convert("RGB").resize((tile, tile)), (left, top))
            number += 1
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=92)
    return stream.getvalue()
