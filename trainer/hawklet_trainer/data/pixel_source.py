"""Where a training gets its pixels from, batch after batch: memory, disk, or the photos themselves."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from multiprocessing import get_all_start_methods
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hawklet.spec import Pixels, PreprocessSpec
from hawklet_trainer.available_memory import available_memory
from hawklet_trainer.data.order import shuffled
from hawklet_trainer.data.photo_set import Photo
from hawklet_trainer.data.pixel_cache import LIMIT, DiskPixels, bytes_of, free_bytes, is_kept, pixel_folder
from hawklet_trainer.data.pixels import load_pixels
from hawklet_trainer.data.workers import AHEAD, Augmentation, Indices, Job, Reader, Workers

if TYPE_CHECKING:
    import torch

_MOST_MEMORY = 8 << 30
_WORTH_A_PROCESS = 200
"""Pictures that are augmented in an epoch; fewer are done before a process has started."""
_MOST_FOR_A_GPU = 8
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 -- looked at only
"""Where batches pass from process to process on Linux; a container often has but 64 MiB of it."""
_SHARES_MEMORY = get_all_start_methods()[0] == "fork"
"""Whether a process is started without a copy of the pixels."""
_DISK_SHARE = 0.5
"""Of the free disk space, the most that decoded pictures take by themselves."""


class Cache(str, Enum):
    """Where decoded pictures are kept."""

    AUTO = "auto"
    """In memory where they fit, else on disk where they fit, else nowhere."""
    RAM = "ram"
    DISK = "disk"
    NONE = "none"


@dataclass(frozen=True)
class Loading:
    """How pictures come to a training; which pixels come does not depend on it."""

    cache: Cache = Cache.AUTO
    workers: int | None = None
    """Processes that make batches ready ahead; 0 = none, this one does. None = where processes are forked and pictures
    are augmented for a GPU, as many as half the cores, 2 to 8, as far as shared memory holds their batches; else 2
    where a GPU computes or pictures have to be decoded; else 1 where some hundred are augmented and there is a core
    besides; else none."""
    memory: int | None = None
    """Most bytes of pixels that are kept in memory by themselves; None = a quarter of what is free, 8 GiB at most."""
    sharers: int = 1
    """Processes of one training that share this machine's cores."""
    folder: Path | None = None
    """Where pixels are kept on disk; None = the user's cache folder."""
    say: Callable[[str], None] = field(default=lambda line: None, compare=False)
    """Told what is kept on disk, and what could not be."""


class PixelSource:
    """Pixels of photos by index.

    Args:
        photos: Which.
        spec: How they are preprocessed.
        loading: Where they are kept, and who makes batches ready.
        augment: What :meth:`batches` does to them, batch by batch.
    """

    def __init__(
        self,
        photos: Sequence[Photo],
        spec: PreprocessSpec,
        loading: Loading | None = None,
        augment: Augmentation | None = None,
    ):
        self.photos = list(photos)
        self.spec = spec
        self.label_indices = np.array([photo.label_index for photo in photos], dtype=np.int64)
        self._loading = loading or Loading()
        self._reader = Reader(self.photos, spec, augment)
        self._workers: Workers | None = None
        cache = _settled(self._loading, self.photos, spec)
        if cache is Cache.RAM:
            self._reader.memory = load_pixels(self.photos, spec)[0]
        elif cache is Cache.DISK:
            self._reader.disk = self._on_disk()

    def __len__(self) -> int:
        return len(self.photos)

    @property
    def in_shards(self) -> bool:
        """Whether pictures lie within larger files, which processes share as wholes."""
        return bool(self.photos) and all(photo.place.span is not None for photo in self.photos)

    def batch(self, indices: Sequence[int] | Indices) -> Pixels:
        """As they are, ``uint8 [len(indices), H, W, C]``, RGB, 0..255."""
        return self._reader.batch(np.asarray(indices, np.int64))

    def batches(self, order: Iterable[Sequence[int] | Indices], begin: int = 0) -> Iterator[tuple[Indices, Pixels]]:
        """One batch after the other, augmented where the source was told how, with their indices.

        The random numbers of the augmentation follow from torch's global ones at the time of the call, whoever makes
        the batches.

        Args:
            order: The batches.
            begin: How many of them are left out at the beginning; the others are as they would be without.

        Raises:
            ImageError: a picture that could be read before cannot any more.
            DataError: a process that makes them was killed.
        """
        import torch

        listed = [np.asarray(indices, np.int64) for indices in order]
        seeds = [0] * len(listed)
        if self._reader.augment is not None:
            seeds = torch.randint(1 << 62, (len(listed),)).tolist()
        jobs = [Job(indices, seed) for indices, seed in zip(listed, seeds, strict=True)][begin:]
        if self._workers is None:
            self._workers = Workers(self._reader, self._processes(max((len(batch) for batch in listed), default=0)))
        return zip(listed[begin:], self._workers.batches(jobs), strict=True)

    def shuffled(self, rank: int = 0, world: int = 1) -> torch.Tensor:
        """A new order of the pictures, ``int64 [n]``, or of one process's share of them.

        It is the same wherever pixels are kept, since how much memory is free must not decide what is learned. See
        :func:`~hawklet_trainer.data.order.shuffled`.
        """
        return shuffled([photo.place for photo in self.photos], rank, world)

    def _processes(self, batch: int) -> int:
        """A network seldom keeps all cores busy, and augmenting in between keeps all but one idle.

        Args:
            batch: Pictures of the largest batch.
        """
        if self._loading.workers is not None:
            return self._loading.workers
        import torch

        augments = self._reader.augment is not None
        if torch.cuda.is_available() and augments and _SHARES_MEMORY:
            most = min(_usable_cores() // 2, _that_find_room(batch * bytes_of(self.photos[:1], self.spec)))
            return max(2, min(_MOST_FOR_A_GPU, most // self._loading.sharers))
        if torch.cuda.is_available() or not self._reader.kept:
            return 2
        is_work = augments and len(self) >= _WORTH_A_PROCESS
        return 1 if is_work and _usable_cores() > 1 and _SHARES_MEMORY else 0

    def _on_disk(self) -> DiskPixels | None:
        folder = self._loading.folder or pixel_folder()
        size = bytes_of(self.photos, self.spec) / 1e9
        self._loading.say(f"{len(self)} pictures are kept decoded: {size:.1f} GB in {folder}")
        try:
            return DiskPixels(self.photos, self.spec, folder)
        except OSError as error:
            self._loading.say(f"they could not be kept ({error.strerror or error}), and are decoded every time")
            return None


def most_memory(sharers: int = 1) -> int:
    """Bytes of pixels that are kept in memory by themselves, in each of so many processes of this machine."""
    return min(_MOST_MEMORY, available_memory() // 4) // sharers


def _settled(loading: Loading, photos: Sequence[Photo], spec: PreprocessSpec) -> Cache:
    if loading.cache is not Cache.AUTO:
        return loading.cache
    size = bytes_of(photos, spec)
    if size <= (most_memory() if loading.memory is None else loading.memory):
        return Cache.RAM
    folder = loading.folder or pixel_folder()
    fits = size <= min(LIMIT, _DISK_SHARE * free_bytes(folder))
    return Cache.DISK if fits or is_kept(photos, spec, folder) else Cache.NONE


def _that_find_room(batch: int) -> int:
    """So many processes' batches of so many bytes fill no more than half of the free shared memory."""
    if not _SHARED_MEMORY.is_dir() or not batch:
        return sys.maxsize
    return free_bytes(_SHARED_MEMORY) // 2 // (AHEAD * batch)


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
