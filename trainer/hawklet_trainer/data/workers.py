"""Batches made ready ahead of a training, by processes or threads that stay between epochs."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from hawklet.errors import DataError, HawkletError, ImageError
from hawklet.spec import Pixels, PreprocessSpec
from hawklet_trainer.data.photo_set import Photo
from hawklet_trainer.data.pixel_cache import DiskPixels
from hawklet_trainer.data.pixels import load_pixels, read_pixels

if TYPE_CHECKING:
    import torch

Indices: TypeAlias = npt.NDArray[np.int64]
Augmentation: TypeAlias = Callable[["torch.Tensor"], "torch.Tensor"]
"""From ``uint8 [N, C, H', W']`` to ``uint8 [N, C, H, W]``, with torch's global random numbers; can be pickled."""


AHEAD = 2
"""Batches that each process makes ready ahead."""


class Job(NamedTuple):
    """One batch to make ready."""

    indices: Indices
    seed: int
    """Of the augmentation of this batch, so that it is the same whoever makes it, and when."""


@dataclass
class Reader:
    """Reads pictures by index, from wherever they are kept, and augments them."""

    photos: Sequence[Photo]
    spec: PreprocessSpec
    augment: Augmentation | None = None
    memory: Pixels | None = None
    """``uint8 [N, H, W, C]`` of all pictures."""
    disk: DiskPixels | None = None
    threads: bool = True
    """Decode with several threads; not in one of several processes."""
    _announced: set[Path] = field(default_factory=set)

    @property
    def kept(self) -> bool:
        """Whether nothing has to be decoded."""
        return self.memory is not None or self.disk is not None

    def batch(self, indices: Indices) -> Pixels:
        """As they are kept, ``uint8 [n, H, W, C]``."""
        if self.memory is not None:
            chosen: Pixels = self.memory[indices]
            return chosen
        if self.disk is not None:
            return self.disk.rows(indices)
        if not len(indices):
            return np.empty((0, self.spec.height, self.spec.width, self.spec.channels), np.uint8)
        photos = [self.photos[index] for index in indices]
        self._announce_shards(photos)
        if self.threads:
            return load_pixels(photos, self.spec)[0]
        return np.stack([read_pixels(photo.place, self.spec) for photo in photos])

    def ready(self, job: Job) -> Pixels:
        """Augmented too, where there is an augmentation; random numbers elsewhere are not touched."""
        pixels = self.batch(job.indices)
        if self.augment is None:
            return pixels
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(job.seed)  # torch.manual_seed would seed GPUs too
            varied = self.augment(torch.from_numpy(pixels).permute(0, 3, 1, 2))
        made: Pixels = varied.permute(0, 2, 3, 1).contiguous().numpy()
        return made

    def _announce_shards(self, photos: Sequence[Photo]) -> None:
        """Have the system read a shard from end to end when its first picture is wanted: the others follow soon."""
        for path in {photo.path for photo in photos if photo.place.span} - self._announced:
            self._announced.add(path)
            if hasattr(os, "posix_fadvise") and path.is_file():
                with path.open("rb") as stream:
                    os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)


@contextlib.contextmanager
def telling_of_killed_workers() -> Iterator[None]:
    """Say in one line what a killed process means. Torch raises it anywhere: by a signal, when the process has died.

    Raises:
        DataError: a process of :class:`Workers` was killed.
    """
    try:
        try:
            yield
        except (ConnectionError, EOFError) as error:  # it died while it handed a batch over
            raise _killed() from error
    except RuntimeError as error:  # the signal may come while the above is handled
        if "DataLoader worker" not in str(error):
            raise
        raise _killed() from error


def _killed() -> DataError:
    return DataError(
        "a process that reads pictures was killed, probably for want of memory (or of shared memory, /dev/shm); "
        "use --workers 0, or keep them with --cache disk"
    )


class Workers:
    """Processes that make batches ready ahead; or this one, where there are to be none.

    Args:
        reader: What they read from.
        processes: How many; 0 = each batch is made when it is wanted.
    """

    def __init__(self, reader: Reader, processes: int):
        import torch
        from torch.utils.data import DataLoader

        reader.threads = processes == 0
        self._jobs = _Jobs()
        self._loader: DataLoader[Any] = DataLoader(
            cast("Any", _Made(reader)),
            batch_size=None,
            sampler=self._jobs,
            num_workers=processes,
            persistent_workers=processes > 0,
            prefetch_factor=AHEAD if processes else None,
            worker_init_fn=_leave_the_word_to_the_parent,
            # One of its own: it would draw from the global one, which decides orders and seeds.
            generator=torch.Generator(),
        )

    def batches(self, jobs: list[Job]) -> Iterator[Pixels]:
        """The pixels of each job in turn.

        Raises:
            ImageError: a picture cannot be read any more.
            DataError: a process has been killed.
        """
        self._jobs.wanted = jobs
        with telling_of_killed_workers():
            for pixels in self._loader:
                if isinstance(pixels, str):
                    raise ImageError(pixels)
                yield pixels.numpy()


class _Jobs:
    """What the loader's sampler is in torch: gives what to make next."""

    wanted: list[Job]

    def __iter__(self) -> Iterator[Job]:
        return iter(self.wanted)

    def __len__(self) -> int:
        return len(self.wanted)


class _Made:
    """What the loader's data set is in torch: whole batches by their jobs."""

    def __init__(self, reader: Reader):
        self._reader = reader

    def __getitem__(self, job: Job) -> torch.Tensor | str:
        import torch

        try:
            return torch.from_numpy(self._reader.ready(job))
        except (HawkletError, OSError) as error:
            return " ".join(str(error).split())  # torch would wrap an exception into a page of text


def _leave_the_word_to_the_parent(worker: int) -> None:
    """Signals are its to heed, and when another process is gone it is the one that says so."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = _tell_unless_gone


def _tell_unless_gone(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
    if not isinstance(error, (ConnectionError, EOFError)):  # the thread that hands batches over writes tracebacks
        sys.__excepthook__(kind, error, at)
