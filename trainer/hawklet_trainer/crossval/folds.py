"""Photos into folds: stratified by class, with copies and groups kept together; each fold is a set to train on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hawklet.errors import DataError
from hawklet_trainer.data import SPLITS, Photo, PhotoSet, Place
from hawklet_trainer.data.listing import list_photos
from hawklet_trainer.data.splitting import VAL_SHARE, belonging_together, split_photos

_Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pool:
    """What is divided into folds."""

    photos: PhotoSet
    """All of them as ``train``."""
    held_out: int
    """Test pictures of the source's own, which are in no fold."""


def pool_of(source: Path, photos: PhotoSet) -> Pool:
    """Put photos together for folds, whatever split they are in; a test split of the source's own is left alone.

    Args:
        source: Where they were read from.
        photos: As :func:`~hawklet_trainer.data.read_photos` gave them.
    """
    held_out = photos.items("test") if "test" in list_photos(source).found else []
    left_alone = set(held_out)
    pooled = [photo for split in SPLITS for photo in photos.items(split) if photo not in left_alone]
    return Pool(replace(photos, splits={"train": _in_order(pooled)}), len(held_out))


def make_folds(photos: PhotoSet, count: int, seed: int) -> list[PhotoSet]:
    """Divide pictures into folds, and make of each the set of a training whose test pictures they are.

    Classes are as frequent in every fold as among all (R. Kohavi, "A study of cross-validation and bootstrap for
    accuracy estimation and model selection", 1995). The copies of a picture and the pictures of a group are in one fold
    together. Val, which early stopping looks at, is split off the other folds' pictures in the same way as ever; so
    the test pictures decide nothing.

    Args:
        photos: All pictures in ``train``.
        count: How many folds, at least 2.
        seed: Of the shuffling.

    Raises:
        DataError: a class has too few pictures, or too few groups, to be in every fold.
    """
    pictures = photos.items("train")
    identity = {photo.place: photo.sha256 for photo in pictures}
    together = belonging_together([photo.place for photo in pictures], identity)
    _refuse_scarce(pictures, together, photos.labels, count)
    fold_of = _assign(np.array([photo.label_index for photo in pictures]), together, count, seed)
    _refuse_absent(pictures, fold_of, photos.labels, count)
    return [_training_set(photos, pictures, fold_of == fold, seed) for fold in range(count)]


def _assign(label_of: _Numbers, together: Sequence[str], count: int, seed: int) -> _Numbers:
    """The fold of every picture, ``int64 [N]``, from 0."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    # The one for groups looks for a place for each in turn, which takes a thousand times as long where all stand alone.
    if len(set(together)) == len(together):
        parts = StratifiedKFold(count, shuffle=True, random_state=seed).split(label_of, label_of)
    else:
        parts = StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(label_of, label_of, together)
    fold_of = np.empty(len(label_of), dtype=np.int64)
    for fold, (_, tested) in enumerate(parts):
        fold_of[tested] = fold
    return fold_of


def _refuse_scarce(pictures: Sequence[Photo], together: Sequence[str], labels: Sequence[str], count: int) -> None:
    kinds: dict[int, set[str]] = defaultdict(set)
    for photo, key in zip(pictures, together, strict=True):
        kinds[photo.label_index].add(key)
    for index, label in enumerate(labels):
        if len(kinds[index]) < count:
            what = "groups or different pictures" if any(photo.place.group for photo in pictures) else "pictures"
            raise DataError(
                f"every class must be in every fold, but class {label!r} has {len(kinds[index])} {what} for {count} "
                "folds; add some, leave the class out, or ask for fewer --folds"
            )


def _refuse_absent(pictures: Sequence[Photo], fold_of: _Numbers, labels: Sequence[str], count: int) -> None:
    present = {(photo.label_index, int(fold)) for photo, fold in zip(pictures, fold_of, strict=True)}
    for index, label in enumerate(labels):
        for fold in range(count):
            if (index, fold) not in present:
                raise DataError(
                    f"every class must be in every fold, but fold {fold + 1} of {count} got no group of class "
                    f"{label!r}; take another --seed, or fewer --folds"
                )


def _training_set(photos: PhotoSet, pictures: Sequence[Photo], tested: npt.NDArray[np.bool_], seed: int) -> PhotoSet:
    rest = [photo for photo, of_fold in zip(pictures, tested, strict=True) if not of_fold]
    test = [photo for photo, of_fold in zip(pictures, tested, strict=True) if of_fold]
    photo_at = {photo.place: photo for photo in rest}
    by_class: dict[str, list[Place]] = {label: [] for label in photos.labels}
    for photo in rest:
        by_class[photos.labels[photo.label_index]].append(photo.place)
    identity = {photo.place: photo.sha256 for photo in rest}
    made = split_photos(by_class, photos.labels, seed, identity, {"val": VAL_SHARE})
    splits = {
        split: _in_order([photo_at[place] for places in classes.values() for place in places])
        for split, classes in made.items()
    }
    return PhotoSet(photos.folder, photos.labels, {**splits, "test": _in_order(test)})


def _in_order(pictures: Sequence[Photo]) -> tuple[Photo, ...]:
    return tuple(sorted(pictures, key=lambda photo: (photo.path, photo.place.span or (0, 0))))
