"""The pictures a conversion is made and judged with, as the device will prepare them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hawklet.errors import DataError, UsageError
from hawklet.spec import Pixels
from hawklet_trainer.data import Photo, PhotoSet, load_pixels
from hawklet_trainer.run import Run

DEFAULT_CALIBRATION = 128
"""Training pictures that ranges are collected on, unless there are more classes."""


@dataclass(frozen=True)
class Pictures:
    """Prepared pictures, ``uint8 [N, H, W, C]``, and true labels, ``int64 [N]``."""

    calibration: Pixels
    """Of the training split, sorted by class, as many of each as can be."""
    val: Pixels
    val_truth: npt.NDArray[np.int64]
    test: Pixels
    """Empty where the run has no test split."""
    test_truth: npt.NDArray[np.int64]


def load_pictures(run: Run, photos: PhotoSet, calibration: int | None) -> Pictures:
    """Load what a conversion needs of a run's own splits.

    Args:
        run: For the preprocessing.
        photos: The photos it was trained on; others were refused when they were listed.
        calibration: How many training pictures; None: 128, or one of each class where that is more.

    Raises:
        UsageError: too few pictures are asked for to have one of each class.
        DataError: a class has no training picture.
    """
    chosen = choose_calibration(photos.items("train"), photos.labels, calibration)
    seen, _ = load_pixels(chosen, run.spec)
    val, val_truth = load_pixels(photos.items("val"), run.spec)
    if photos.items("test"):
        test, test_truth = load_pixels(photos.items("test"), run.spec)
    else:
        test, test_truth = val[:0], val_truth[:0]
    return Pictures(seen, val, val_truth, test, test_truth)


def choose_calibration(train: Sequence[Photo], labels: Sequence[str], wanted: int | None) -> list[Photo]:
    """Take the same number of each class, the rest of the small ones from the large ones, evenly spaced in each.

    Raises:
        UsageError: fewer are wanted than there are classes.
        DataError: a class has no picture.
    """
    by_class: list[list[Photo]] = [[] for _ in labels]
    for photo in train:
        by_class[photo.label_index].append(photo)
    empty = [label for label, photos in zip(labels, by_class, strict=True) if not photos]
    if empty:
        raise DataError(
            f"every class needs a training picture to calibrate on, got none of {', '.join(empty[:5])}; ranges found "
            "without it would be wrong for it; train again with pictures of every class"
        )
    count = max(DEFAULT_CALIBRATION, len(labels)) if wanted is None else wanted
    if count < max(2, len(labels)):
        raise UsageError(
            f"--calibration must be at least {max(2, len(labels))} pictures, one of each class, got {count}"
        )
    return [
        photo
        for photos, share in zip(by_class, _shares(by_class, count), strict=True)
        for photo in _evenly(photos, share)
    ]


def _shares(by_class: Sequence[Sequence[Photo]], count: int) -> list[int]:
    """How many to take of each class: handed out in turns, to those that have more."""
    shares = [0] * len(by_class)
    left = min(count, sum(map(len, by_class)))
    while left:
        open_classes = [i for i, photos in enumerate(by_class) if shares[i] < len(photos)]
        for index in open_classes[:left]:
            shares[index] += 1
        left -= min(left, len(open_classes))
    return shares


def _evenly(photos: Sequence[Photo], count: int) -> list[Photo]:
    return [photos[i] for i in np.linspace(0, len(photos) - 1, count).round().astype(int)]
