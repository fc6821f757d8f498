"""Small pictures of each class, and its mean picture, in as many bytes as one page can hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from hawklet.errors import ImageError
from hawklet.preprocess import preprocess
from hawklet.spec import Pixels, PreprocessSpec
from hawklet_trainer.data.index import IndexRow
from hawklet_trainer.data.photo_set import WORKERS
from hawklet_trainer.data.pixels import enough_pixels
from hawklet_trainer.data.place import Place
from hawklet_trainer.data.showing.sampling import spread
from hawklet_trainer.thumbnail import data_uri

_SIDES = ((1400, 132), (2500, 96), (5000, 64))
"""Most small pictures of a page, means among them, and the side that they then have, pixels: 8 to 9 MB in each case."""
_MOST_SHOTS = _SIDES[-1][0]
MOST_SHEETS = _MOST_SHOTS // 2
"""Classes that are shown by pictures; of more of them the first."""
_FOR_MEAN = 64
"""Pictures of a class that its mean is of."""
_MOST_DECODED = 6000
"""Pictures that are decoded, unless more than that are shown."""


@dataclass(frozen=True)
class Layout:
    """How much of each class is shown."""

    per_class: int
    """Most small pictures."""
    side: int
    """Theirs, pixels."""
    sampled: int
    """Most pictures that are decoded, for the mean picture too."""


@dataclass(frozen=True)
class Shot:
    """One small picture."""

    image: str
    """A data URI."""
    name: str
    """Of its file."""
    split: str


@dataclass(frozen=True)
class ContactSheet:
    """What a class looks like."""

    label: str
    shots: tuple[Shot, ...]
    mean: str
    """A data URI, empty where no picture could be read."""
    averaged: int
    """Pictures that the mean is of."""


def lay_out(classes: int, per_class: int) -> Layout:
    """Fit as many pictures of every class as are asked for, or as there is room for, onto one page."""
    sheets = min(classes, MOST_SHEETS)
    shown = min(per_class, _MOST_SHOTS // sheets - 1)
    side = next(side for most, side in _SIDES if (shown + 1) * sheets <= most)
    return Layout(shown, side, max(shown, min(_FOR_MEAN, _MOST_DECODED // sheets)))


def contact_sheet(
    label: str, rows: Sequence[IndexRow], layout: Layout, seed: int, unreadable: Callable[[Place, ImageError], None]
) -> ContactSheet:
    """Decode a class's sample: all of it for the mean, some of it to be shown; as squares, as a training sees them.

    Args:
        label: The class.
        rows: Pictures of it.
        layout: How many are shown, and how large.
        seed: Of which are shown.
        unreadable: Told of each picture that cannot be read.
    """
    spec = PreprocessSpec(layout.side, layout.side, crop_fraction=1.0)

    def read(row: IndexRow) -> Pixels | None:
        try:
            return preprocess(row.place.read(enough_pixels(spec)), spec)
        except ImageError as error:
            unreadable(row.place, error)
            return None

    with ThreadPoolExecutor(WORKERS) as pool:
        decoded = [(row, pixels) for row, pixels in zip(rows, pool.map(read, rows), strict=True) if pixels is not None]
    if not decoded:
        return ContactSheet(label, (), "", 0)
    mean = np.mean([pixels for _, pixels in decoded], axis=0, dtype=np.float32).round().astype(np.uint8)
    shown = [decoded[position] for position in spread(len(decoded), layout.per_class, f"{seed}/{label}")]
    shots = tuple(Shot(data_uri(pixels, 70), row.place.path.name, row.split) for row, pixels in shown)
    return ContactSheet(label, shots, data_uri(mean, 85), len(decoded))
