"""Labelled photos in two parts: some to calibrate on, the rest to measure on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hawklet.errors import DataError
from hawklet.images import read_image
from hawklet.preprocess import preprocess
from hawklet.spec import Pixels, PreprocessSpec
from hawklet_converter.package_photos import labelled_pictures

DEFAULT_CALIBRATION = 128


@dataclass(frozen=True)
class SplitPhotos:
    """Pairs of a picture's path and its class; no picture is in both parts."""

    calibration: tuple[tuple[Path, int], ...]
    held_out: tuple[tuple[Path, int], ...]


def split_photos(folder: Path, labels: Sequence[str], calibration: int, seed: int) -> SplitPhotos:
    """Draw about ``calibration`` pictures evenly from the classes, at most half of each, to calibrate on.

    Raises:
        DataError: there are no labelled pictures, a folder is named as no label, or a class has only one picture.
    """
    of_class: dict[int, list[Path]] = {}
    for path, index in labelled_pictures(folder, labels):
        of_class.setdefault(index, []).append(path)
    if not of_class:
        raise DataError(
            f"--photos must hold one folder of pictures for each label, to calibrate int8 on and to measure it, and "
            f"{folder} has none; leave --photos out for a float bundle"
        )
    share = -(-calibration // len(of_class))
    draw = random.Random(seed)
    parts: tuple[list[tuple[Path, int]], list[tuple[Path, int]]] = ([], [])
    for index, paths in sorted(of_class.items()):
        if len(paths) < 2:
            raise DataError(f"a class takes two or more pictures, to calibrate and to measure; {labels[index]} has one")
        drawn = draw.sample(paths, len(paths))
        taken = min(share, len(paths) // 2)
        parts[0].extend((path, index) for path in drawn[:taken])
        parts[1].extend((path, index) for path in drawn[taken:])
    return SplitPhotos(tuple(parts[0]), tuple(parts[1]))


def calibration_pixels(photos: SplitPhotos, spec: PreprocessSpec) -> Pixels:
    """``uint8 [N, H, W, C]``: the calibration part as the runtime prepares it, spanning 0..255.

    One corner of the first picture is made black and one white. The converter lays the input's grid over the values it
    sees, and only over 0..255 is a step of it exactly a step of the pixels.
    """
    pixels = np.stack([preprocess(read_image(path, planes=spec.planes), spec) for path, _ in photos.calibration])
    pixels[0, 0, 0], pixels[0, -1, -1] = 0, 255
    return pixels


def link_held_out(photos: SplitPhotos, labels: Sequence[str], folder: Path) -> None:
    """Lay the held-out pictures out under ``folder``, in folders named as their labels, as links."""
    for path, index in photos.held_out:
        (folder / labels[index]).mkdir(parents=True, exist_ok=True)
        (folder / labels[index] / path.name).symlink_to(path.resolve())
