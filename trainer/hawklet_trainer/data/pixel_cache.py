"""Decoded pictures kept on disk: read once, mapped from then on, each guarded by a checksum.

A file holds ``uint8 [N, H, W, C]`` row after row, then the CRC-32 of each row, ``uint32 [N]``. Its name is the SHA-256
of what the rows are made of (the photos' digests and the spec), so it never goes stale, and trainings on the same
photos share it. The folder is bounded: what was used least recently goes first.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL
from PIL import features

from hawklet.safefiles import atomic_file
from hawklet.spec import Pixels, PreprocessSpec
from hawklet_trainer.data.photo_set import Photo
from hawklet_trainer.data.pixels import load_pixels
from hawklet_trainer.machine import kept_folder

LIMIT = 64 << 30
"""Most bytes of the whole folder."""
_SUFFIX = ".pixels"
_FORMAT = "hawklet-pixels/2"
"""To be raised whenever preprocessing or decoding gives other pixels than before."""


def pixel_folder() -> Path:
    """Where decoded pictures are kept: ``$XDG_CACHE_HOME/hawklet/pixels``, by default below ``~/.cache``."""
    return kept_folder() / "pixels"


def bytes_of(photos: Sequence[Photo], spec: PreprocessSpec) -> int:
    """Size of these photos' pixels."""
    return len(photos) * spec.height * spec.width * spec.channels


def is_kept(photos: Sequence[Photo], spec: PreprocessSpec, folder: Path) -> bool:
    """Whether these photos' pixels are in a file of this folder."""
    path = folder / f"{_key(photos, spec)}{_SUFFIX}"
    return path.is_file() and path.stat().st_size == bytes_of(photos, spec) + 4 * len(photos)


class DiskPixels:
    """Pixels of photos in a file, which is made where it is not there yet.

    Args:
        photos: Which.
        spec: How they are preprocessed.
        folder: Where the file is or will be.
        limit: Most bytes of the folder.

    Raises:
        OSError: a new file cannot be written, or would be larger than the limit.
        ImageError: a photo cannot be read any more.
    """

    def __init__(self, photos: Sequence[Photo], spec: PreprocessSpec, folder: Path, limit: int = LIMIT):
        self._photos, self._spec = photos, spec
        self.path = folder / f"{_key(photos, spec)}{_SUFFIX}"
        if not is_kept(photos, spec, folder):
            with _alone_in(folder):
                if not is_kept(photos, spec, folder):  # by another training, while this one waited
                    make_room(folder, bytes_of(photos, spec) + 4 * len(photos), limit)
                    self._write()
        os.utime(self.path)
        self._rows = np.memmap(self.path, np.uint8, "r", shape=(len(photos), spec.height, spec.width, spec.channels))
        self._sums = np.fromfile(self.path, np.uint32, offset=bytes_of(photos, spec))

    def rows(self, indices: npt.NDArray[np.int64]) -> Pixels:
        """``uint8 [len(indices), H, W, C]``; a row that the disk has spoilt is read from its photo again."""
        chosen: Pixels = self._rows[indices]
        spoilt = [n for n, index in enumerate(indices) if zlib.crc32(chosen[n].data) != self._sums[index]]
        if spoilt:
            self.path.unlink(missing_ok=True)  # the next training makes it anew; this one keeps the rest mapped
            chosen[spoilt] = load_pixels([self._photos[indices[n]] for n in spoilt], self._spec)[0]
        return chosen

    def _write(self, at_once: int = 256) -> None:
        sums = []
        with atomic_file(self.path) as stream:
            for begin in range(0, len(self._photos), at_once):
                rows = load_pixels(self._photos[begin : begin + at_once], self._spec)[0]
                sums += [zlib.crc32(row.data) for row in rows]
                stream.write(rows.data)
            stream.write(np.array(sums, np.uint32).data)


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """No other process writes into the folder within the block."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_room(folder: Path, size: int, limit: int) -> None:
    """Remove what was used least recently until ``size`` bytes more are within the limit; and what kills left behind.

    Nobody may be writing into the folder.

    Raises:
        OSError: ``size`` alone is beyond the limit.
    """
    if size > limit:
        raise OSError(errno.EFBIG, f"{size / 1e9:.1f} GB are more than the {limit / 1e9:.0f} GB that may be kept")
    for broken_off in folder.glob(f".*{_SUFFIX}.*"):
        broken_off.unlink()
    files = sorted(folder.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime)
    used = sum(path.stat().st_size for path in files)
    for path in files:
        if used + size <= limit:
            return
        used -= path.stat().st_size
        path.unlink()


def free_bytes(folder: Path) -> int:
    """Free disk space where ``folder`` is or would be."""
    there = next(path for path in (folder, *folder.parents) if path.is_dir())
    return shutil.disk_usage(there).free


def _key(photos: Iterable[Photo], spec: PreprocessSpec) -> str:
    decoder = [PIL.__version__, features.version("jpg")]  # others may give other pixels
    total = hashlib.sha256(json.dumps([_FORMAT, decoder, spec.to_dict()], sort_keys=True).encode())
    for photo in photos:
        total.update(photo.sha256.encode())
    return total.hexdigest()
