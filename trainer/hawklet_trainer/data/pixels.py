"""Pixels of photos, through the one preprocessing path."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from hawklet.errors import DataError
from hawklet.preprocess import preprocess
from hawklet.spec import Pixels, PreprocessSpec
from hawklet_trainer.data.photo_set import WORKERS, Photo


def load_pixels(
    photos: Sequence[Photo], spec: PreprocessSpec, limit: int | None = None
) -> tuple[Pixels, npt.NDArray[np.int64]]:
    """Read photos through :func:`hawklet.preprocess.preprocess`.

    Args:
        photos: Which; at least one.
        spec: The preprocessing contract.
        limit: Take this many at most, evenly spaced over ``photos`` (which are sorted by class).

    Returns:
        ``uint8 [N, H, W, C]``, RGB, 0..255, and the label indices ``int64 [N]``.

    Raises:
        DataError: ``photos`` is empty.
        ImageError: a picture that could be read before cannot any more.
    """
    if not photos:
        raise DataError("there are no pictures in this split")
    if limit is not None and limit < len(photos):
        photos = [photos[i] for i in np.linspace(0, len(photos) - 1, limit).round().astype(int)]
    pixels = np.empty((len(photos), spec.height, spec.width, spec.channels), dtype=np.uint8)

    def read(index: int) -> None:
        pixels[index] = preprocess(photos[index].place.read(), spec)

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(read, range(len(photos))))
    return pixels, np.array([photo.label_index for photo in photos], dtype=np.int64)


class PixelSource:
    """Pixels of photos by index: decoded once and kept, or decoded each time where they would not fit in memory.

    Args:
        photos: Which.
        spec: How they are preprocessed.
        budget: Keep the decoded pictures while they take at most this much memory, bytes.
    """

    def __init__(self, photos: Sequence[Photo], spec: PreprocessSpec, budget: int = 1 << 30):
        self.photos = list(photos)
        self.spec = spec
        self.label_indices = np.array([photo.label_index for photo in photos], dtype=np.int64)
        fits = len(photos) * spec.height * spec.width * spec.channels <= budget
        self._kept = load_pixels(self.photos, spec)[0] if fits else None

    def __len__(self) -> int:
        return len(self.photos)

    def batch(self, indices: Sequence[int] | npt.NDArray[np.int64]) -> Pixels:
        """``uint8 [len(indices), H, W, C]``, RGB, 0..255."""
        if self._kept is not None:
            kept: Pixels = self._kept[np.asarray(indices)]
            return kept
        return load_pixels([self.photos[i] for i in indices], self.spec)[0]
