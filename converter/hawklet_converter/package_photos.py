"""Pictures for packaging: golden frames, and where folders name the class, pictures to measure accuracy on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hawklet.cards import CLASSES, photograph
from hawklet.errors import DataError
from hawklet.images import IMAGE_SUFFIXES, read_image
from hawklet.preprocess import preprocess
from hawklet.spec import Pixels, PreprocessSpec

GOLDEN_FRAMES = 8
_DRAWN_SIDE = 288


@dataclass(frozen=True)
class PackagePictures:
    """What is shown to the models."""

    golden: Pixels
    """Up to :data:`GOLDEN_FRAMES`, prepared: ``uint8 [N, H, W, C]``."""
    labelled: tuple[tuple[Path, int], ...] = ()
    """Every picture whose folder names its class, as a path and that class: read one at a time, there may be many."""


def drawn_pictures(spec: PreprocessSpec) -> PackagePictures:
    """Eight drawn pictures, the same on every machine; a fourth plane is the brightest of their colours."""
    names = (*CLASSES, CLASSES[0])
    pictures = [
        photograph(name, np.random.default_rng([0, number]), _DRAWN_SIDE)
        for number, name in enumerate(names[:GOLDEN_FRAMES])
    ]
    if spec.planes == 4:
        pictures = [np.dstack([picture, picture.max(axis=2)]) for picture in pictures]
    return PackagePictures(np.stack([preprocess(picture, spec) for picture in pictures]))


def read_pictures(folder: Path, labels: Sequence[str], spec: PreprocessSpec) -> PackagePictures:
    """Pictures of a folder, or of its sub-folders, each of which must be named as one of the labels.

    Raises:
        DataError: there is no such folder, it holds no pictures, or a sub-folder is named as no label.
        ImageError: a picture for a golden frame cannot be read.
    """
    labelled = labelled_pictures(folder, labels)
    paths = [path for path, _ in labelled] or _pictures_of(folder)
    if not paths:
        raise DataError(f"--photos must hold pictures, and {folder} holds none; leave --photos out for drawn ones")
    golden = [preprocess(read_image(path, planes=spec.planes), spec) for path in _spread(paths)]
    return PackagePictures(np.stack(golden), tuple(labelled))


def _spread(paths: Sequence[Path]) -> list[Path]:
    count = min(GOLDEN_FRAMES, len(paths))
    return [paths[number] for number in np.linspace(0, len(paths) - 1, count).round().astype(int)]


def labelled_pictures(folder: Path, labels: Sequence[str]) -> list[tuple[Path, int]]:
    """Pictures of the sub-folders, each with its class.

    Raises:
        DataError: there is no such folder, or a sub-folder is named as no label.
    """
    classes = class_folders(folder)
    unknown = [child.name for child in classes if child.name not in labels]
    if unknown:
        raise DataError(
            f"folders in --photos must be named as labels of the model, got {unknown[0]!r}; rename it to one of "
            f"{', '.join(labels[:8])}{', ...' if len(labels) > 8 else ''}, or give pictures without folders"
        )
    return [(path, list(labels).index(child.name)) for child in classes for path in _pictures_of(child)]


def class_folders(folder: Path) -> list[Path]:
    """The sub-folders, hidden ones left out, in the order of their names.

    Raises:
        DataError: there is no such folder.
    """
    if not folder.is_dir():
        raise DataError(f"--photos must name a folder of pictures; there is no folder {folder}")
    return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))


def _pictures_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
