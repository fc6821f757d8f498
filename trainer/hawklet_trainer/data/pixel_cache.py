"""Decoded pictures kept on disk: read once, mapped from then on, each guarded by a checksum.

A file holds ``uint8 [N, H, W, C]`` row after row, then the CRC-32 of each row, ``uint32 [N]``. Its name is the SHA-256
of what the rows are made of (the photos' digests and the spec), so it never goes stale, and trainings on the same
photos share it. The folder is bounded: what was used least recently goes first.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hawklet.safefiles import atomic_file
from hawklet.spec import Pixels, PreprocessSpec
from hawklet_trainer.data.photo_set import Photo

LIMIT = 64 << 30
"""Most bytes of the whole folder."""
_SUFFIX = ".pixels"
_FORMAT = "hawklet-pixels/2"
"""To be raised whenever preprocessing or decoding gives other pixels than before."""


def pixel_folder() -> Path:
    """Where decoded pictures are kept: ``$XDG_CACHE_HOME/hawklet/pixels``, by default below ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hawklet" / "pixels"


def bytes_of(photos: Sequence[Photo], spec: PreprocessSpec) -> int:
    """Size of these photos' pixels."""
    return len(photos) * spec.height * spec.width * spec.channels


class DiskPixels:
    """Pixels of photos in a file.

    Args:
        photos: Which.
        spec: How they are preprocessed.
        read: Gives the pixels of some of them, ``uint8 [n, H, W, C]``; for a new file, and for rows that are damaged.
        folder: Where the file is or will be.
        limit: Most bytes of the folder.

    Raises:
        OSError: a new file cannot be written.
        ImageError: a photo cannot be read any more.
    """

    def __init__(
        self,
        photos: Sequence[Photo],
        spec: PreprocessSpec,
        read: Callable[[Sequence[Photo]], Pixels],
        folder: Path | None = None,
        limit: int = LIMIT,
    ):
        self._photos, self._read = photos, read
        self._shape = (len(photos), spec.height, spec.width, spec.channels)
        folder = folder or pixel_folder()
        self.path = folder / f"{_key(photos, spec)}{_SUFFIX}"
        size = bytes_of(photos, spec) + 4 * len(photos)
        if not self.path.is_file() or self.path.stat().st_size != size:
            make_room(folder, size, limit)
            self._write()
        os.utime(self.path)
        self._rows = np.memmap(self.path, np.uint8, "r", shape=self._shape)
        self._sums = np.fromfile(self.path, np.uint32, offset=bytes_of(photos, spec))

    def rows(self, indices: npt.NDArray[np.int64]) -> Pixels:
        """``uint8 [len(indices), H, W, C]``; a row that the disk has spoilt is read from its photo again."""
        chosen: Pixels = self._rows[indices]
        spoilt = [n for n, index in enumerate(indices) if zlib.crc32(chosen[n].data) != self._sums[index]]
        if spoilt:
            self.path.unlink(missing_ok=True)  # the next training makes it anew; this one keeps the rest mapped
            chosen[spoilt] = self._read([self._photos[indices[n]] for n in spoilt])
        return chosen

    def _write(self, at_once: int = 256) -> None:
        sums = []
        with atomic_file(self.path) as stream:
            for begin in range(0, len(self._photos), at_once):
                rows = self._read(self._photos[begin : begin + at_once])
                sums += [zlib.crc32(row.data) for row in rows]
                stream.write(rows.data)
            stream.write(np.array(sums, np.uint32).data)


def make_room(folder: Path, size: int, limit: int) -> None:
    """Remove what was used least recently until ``size`` bytes more are within the limit."""
    if not folder.is_dir():
        return
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
    total = hashlib.sha256(json.dumps([_FORMAT, spec.to_dict()], sort_keys=True).encode())
    for photo in photos:
        total.update(photo.sha256.encode())
    return total.hexdigest()
