"""Pixels of photos, through the one preprocessing path."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from hawklet.errors import DataError
from hawklet.preprocess import preprocess
from hawklet.spec import Pixels, PreprocessSpec
from hawklet_trainer.data.photo_set import WORKERS, Photo
from hawklet_trainer.data.place import Place

_ROOM = 1.4
"""A large JPEG is decoded smaller while it keeps this many times the pixels that the spec needs along a side. Even at
1.0 a network's answers change less than by another interpolation (docs/decisions/0110); 1.4 lets the 12 million pixels
of a camera (3000 rows) be decoded at an eighth for an input of 224."""


def enough_pixels(spec: PreprocessSpec) -> int:
    """Pixels of a picture's shorter side from which on decoding it smaller changes nothing that matters."""
    return math.ceil(_ROOM * max(spec.height, spec.width) / spec.crop_fraction)


def read_pixels(place: Place, spec: PreprocessSpec) -> Pixels:
    """One picture as ``uint8 [H, W, C]``, 0..255, of the spec's size and channels.

    Raises:
        ImageError: it cannot be read, or has no fourth plane where the spec needs one.
    """
    return preprocess(place.read(enough_pixels(spec), spec.planes), spec)


def load_pixels(
    photos: Sequence[Photo], spec: PreprocessSpec, limit: int | None = None
) -> tuple[Pixels, npt.NDArray[np.int64]]:
    """Read photos through :func:`hawklet.preprocess.preprocess`.

    Args:
        photos: Which; at least one.
        spec: The preprocessing contract.
        limit: Take this many at most, evenly spaced over ``photos`` (which are sorted by class).

    Returns:
        ``uint8 [N, H, W, C]``, 0..255, and the label indices ``int64 [N]``.

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
        pixels[index] = read_pixels(photos[index].place, spec)

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(read, range(len(photos))))
    return pixels, np.array([photo.label_index for photo in photos], dtype=np.int64)
