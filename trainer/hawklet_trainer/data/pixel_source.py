"""Where a training gets its pixels from, batch after batch: memory, disk, or the photos themselves."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from hawklet.errors import HawkletError, ImageError
from hawklet.spec import Pixels, PreprocessSpec
from hawklet_trainer.available_memory import available_memory
from hawklet_trainer.data.order import shuffled
from hawklet_trainer.data.photo_set import Photo
from hawklet_trainer.data.pixel_cache import LIMIT, DiskPixels, bytes_of, free_bytes, pixel_folder
from hawklet_trainer.data.pixels import load_pixels, read_pixels

if TYPE_CHECKING:
    import torch

Indices = npt.NDArray[np.int64]
_MOST_MEMORY = 8 << 30
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
    """Processes that decode what is not kept; 0 = threads of this process; None = 2 for what is not kept."""
    memory: int | None = None
    """Most bytes of pixels that are kept in memory by themselves; None = a quarter of what is free, 8 GiB at most."""
    folder: Path | None = None
    """Where pixels are kept on disk; None = the user's cache folder."""
    say: Callable[[str], None] = field(default=lambda line: None, compare=False)
    """Told what is kept on disk, and what could not be."""


class PixelSource:
    """Pixels of photos by index.

    Args:
        photos: Which.
        spec: How they are preprocessed.
        loading: Where they are kept, and who decodes them.
    """

    def __init__(self, photos: Sequence[Photo], spec: PreprocessSpec, loading: Loading | None = None):
        self.photos = list(photos)
        self.spec = spec
        self.label_indices = np.array([photo.label_index for photo in photos], dtype=np.int64)
        self._loading = loading or Loading()
        self._memory: Pixels | None = None
        self._disk: DiskPixels | None = None
        self._workers: _Workers | None = None
        cache = _settled(self._loading, bytes_of(self.photos, spec))
        if cache is Cache.RAM:
            self._memory = load_pixels(self.photos, spec)[0]
        elif cache is Cache.DISK:
            self._disk = self._on_disk()

    def __len__(self) -> int:
        return len(self.photos)

    def batch(self, indices: Sequence[int] | Indices) -> Pixels:
        """``uint8 [len(indices), H, W, C]``, RGB, 0..255."""
        chosen = np.asarray(indices, np.int64)
        if self._memory is not None:
            kept: Pixels = self._memory[chosen]
            return kept
        if self._disk is not None:
            return self._disk.rows(chosen)
        return load_pixels([self.photos[index] for index in chosen], self.spec)[0]

    def batches(self, order: Iterable[Sequence[int] | Indices]) -> Iterator[tuple[Indices, Pixels]]:
        """:meth:`batch` of each of ``order`` in turn, with its indices; what has to be decoded is decoded ahead.

        Raises:
            ImageError: a picture that could be read before cannot any more.
        """
        listed = [np.asarray(indices, np.int64) for indices in order]
        if self._memory is not None or self._disk is not None:
            return ((indices, self.batch(indices)) for indices in listed)
        self._workers = self._workers or _Workers(self.photos, self.spec, self._loading.workers)
        return zip(listed, self._workers.batches(listed), strict=True)

    def shuffled(self) -> torch.Tensor:
        """A new order of the pictures, ``int64 [N]``, see :func:`~hawklet_trainer.data.order.shuffled`.

        It is the same wherever pixels are kept, since how much memory is free must not decide what is learned.
        """
        return shuffled([photo.place for photo in self.photos])

    def _on_disk(self) -> DiskPixels | None:
        folder = self._loading.folder or pixel_folder()
        size = bytes_of(self.photos, self.spec) / 1e9
        self._loading.say(f"{len(self)} pictures are kept decoded: {size:.1f} GB in {folder}")
        try:
            return DiskPixels(self.photos, self.spec, lambda some: load_pixels(some, self.spec)[0], folder)
        except OSError as error:
            self._loading.say(f"they could not be kept ({error.strerror or error}), and are decoded every time")
            return None


def _settled(loading: Loading, size: int) -> Cache:
    if loading.cache is not Cache.AUTO:
        return loading.cache
    if size <= (min(_MOST_MEMORY, available_memory() // 4) if loading.memory is None else loading.memory):
        return Cache.RAM
    fits = size <= min(LIMIT, _DISK_SHARE * free_bytes(loading.folder or pixel_folder()))
    return Cache.DISK if fits else Cache.NONE


class _Workers:
    """Processes (or threads) that decode batches ahead, and stay between epochs.

    Args:
        photos: Which pictures.
        spec: How they are preprocessed.
        count: See :attr:`Loading.workers`.
    """

    def __init__(self, photos: list[Photo], spec: PreprocessSpec, count: int | None):
        import torch
        from torch.utils.data import DataLoader

        processes = 2 if count is None else count
        self._order = _Order()
        self._loader: DataLoader[Any] = DataLoader(
            cast("Any", _Batches(photos, spec, processes == 0)),
            batch_size=None,
            sampler=self._order,
            num_workers=processes,
            persistent_workers=processes > 0,
            worker_init_fn=_leave_signals_to_the_parent,
            # One of its own: it would draw from the global one, which decides orders and augmentation.
            generator=torch.Generator(),
        )

    def batches(self, order: list[Indices]) -> Iterator[Pixels]:
        self._order.batches = order
        for pixels in self._loader:
            if isinstance(pixels, str):
                raise ImageError(pixels)
            yield pixels.numpy()


class _Order:
    """What the loader's sampler is in torch: gives what to load next."""

    batches: list[Indices]

    def __iter__(self) -> Iterator[Indices]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class _Batches:
    """What the loader's data set is in torch: whole batches by their indices."""

    def __init__(self, photos: list[Photo], spec: PreprocessSpec, threads: bool):
        self._photos, self._spec, self._threads = photos, spec, threads
        self._announced: set[Path] = set()

    def __getitem__(self, indices: Indices) -> torch.Tensor | str:
        import torch

        chosen = [self._photos[index] for index in indices]
        self._announce_shards(chosen)
        try:
            if self._threads:
                return torch.from_numpy(load_pixels(chosen, self._spec)[0])
            return torch.from_numpy(np.stack([read_pixels(photo, self._spec) for photo in chosen]))
        except HawkletError as error:
            return str(error)  # torch would wrap an exception into a page of text

    def _announce_shards(self, photos: list[Photo]) -> None:
        """Have the system read a shard from end to end when its first picture is wanted: the others follow soon."""
        for path in {photo.path for photo in photos if photo.place.span} - self._announced:
            self._announced.add(path)
            if hasattr(os, "posix_fadvise"):
                with path.open("rb") as stream:
                    os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)


def _leave_signals_to_the_parent(worker: int) -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
