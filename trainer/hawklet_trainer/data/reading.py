"""A source of photos, listed, checked, split and digested: what a training or a measurement begins with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hawklet.errors import DataError
from hawklet_trainer.data.checking.before_training import look_at
from hawklet_trainer.data.fitness import equal_but_case
from hawklet_trainer.data.listing import (
    EACH_INTO_ITS_FOLDER,
    ONE_FOLDER_PER_CLASS,
    UNSPLIT,
    Listing,
    holds_pictures,
    list_photos,
    split_named,
)
from hawklet_trainer.data.photo_set import SPLITS, Photo, PhotoSet
from hawklet_trainer.data.place import Place
from hawklet_trainer.data.splitting import complete_splits


def read_photos(source: Path, seed: int = 0) -> PhotoSet:
    """List, check and split photos. Each picture is decoded once; unreadable ones are left out by name.

    Args:
        source: What :func:`~hawklet_trainer.data.listing.list_photos` takes.
        seed: Of the split, where the source leaves one to make.

    Raises:
        DataError: nothing can be trained on these; says why.
    """
    listing = list_photos(source)
    labels = _labels(listing)
    looked = look_at(listing.folder, listing.places())
    digests = looked.digests
    readable = {
        split: {label: [place for place in places if place in digests] for label, places in classes.items()}
        for split, classes in listing.found.items()
    }
    try:
        splits = _photos(complete_splits(readable, labels, seed, digests), labels, digests)
        if not splits["val"]:
            raise DataError("val/ has no readable pictures; fill it, or remove it to have it split from train/")
    except DataError as error:
        if not looked.left_out:
            raise
        first = looked.left_out[0].removeprefix("left out ")
        raise DataError(f"{error}; of {len(looked.left_out)} pictures that were left out the first: {first}") from error
    return PhotoSet(listing.folder, labels, splits, (*looked.named(), *looked.warnings(splits, labels)))


@dataclass(frozen=True)
class Labelled:
    """Pictures to measure a finished model on."""

    folder: Path
    """Every one is below it."""
    photos: tuple[Photo, ...]
    """Sorted by class."""
    warnings: tuple[str, ...]
    """One line for each that was left out, and for each split that was."""


def read_labelled(source: Path, labels: Sequence[str]) -> Labelled:
    """List and check pictures to measure a finished model on, which are split no further.

    Args:
        source: ``<class>/...``, each class one of ``labels``; not all need to be there. Or an index or a folder with
            one, of which the test pictures are taken, or all where they are in no split.
        labels: The model's.

    Raises:
        DataError: there are none, or a folder is named otherwise.
    """
    if not source.expanduser().exists():
        raise DataError(f"photos to measure on must be {ONE_FOLDER_PER_CLASS}; there is no folder {source}")
    listing = list_photos(source)
    classes, notes = _to_measure_on(listing, source)
    _refuse_foreign(listing.folder, classes, labels)
    looked = look_at(listing.folder, [place for places in classes.values() for place in places])
    index_of = {label: index for index, label in enumerate(labels)}
    photos = tuple(
        Photo(place, index_of[label], looked.digests[place])
        for label, places in sorted(classes.items())
        for place in places
        if place in looked.digests
    )
    if not photos:
        raise DataError(f"{listing.folder} must have one folder of pictures per class, got no readable pictures in any")
    return Labelled(listing.folder, photos, (*notes, *looked.named()))


def _photos(
    splits: dict[str, dict[str, list[Place]]], labels: Sequence[str], digests: dict[Place, str]
) -> dict[str, tuple[Photo, ...]]:
    return {
        split: tuple(
            sorted(
                (
                    Photo(place, index, digests[place])
                    for index, label in enumerate(labels)
                    for place in splits.get(split, {}).get(label, [])
                ),
                key=lambda photo: (photo.path, photo.place.span or (0, 0)),
            )
        )
        for split in SPLITS
    }


def _to_measure_on(listing: Listing, source: Path) -> tuple[dict[str, list[Place]], list[str]]:
    if UNSPLIT in listing.found:
        return listing.found[UNSPLIT], []
    if "test" not in listing.found:
        raise DataError(
            f"photos to measure on must be test pictures or in no split, got {' and '.join(listing.found)} in "
            f"{source}; name the folder of one split"
        )
    return listing.found["test"], [f"measured on the test pictures of {source} alone"]


def _refuse_foreign(folder: Path, classes: Iterable[str], labels: Sequence[str]) -> None:
    foreign = sorted(set(classes) - set(labels))
    if not foreign:
        return
    split = next((name for name in foreign if split_named(name)), None)
    way_out = f"name the folder of one split, as {folder / split}" if split else "are these another model's pictures?"
    raise DataError(
        f"the classes in {folder} must be named by the model's labels, got {foreign[0]!r}, which is none of "
        f"{', '.join(labels[:8])}{' ...' if len(labels) > 8 else ''}; {way_out}"
    )


def _labels(listing: Listing) -> tuple[str, ...]:
    folder, labels = listing.folder, tuple(listing.learned())
    odd = [label for label in labels if not label.isprintable()]
    if odd:
        way_out = f"save {listing.index} as UTF-8, or rename the class in it" if listing.index else "rename the folder"
        raise DataError(f"class names must be printable text, got {odd[0]!a}; {way_out}")
    if not listing.places():
        hint = EACH_INTO_ITS_FOLDER if holds_pictures(folder) else "is it the right folder?"
        raise DataError(f"{folder} must have one folder of pictures per class, got no pictures in any; {hint}")
    if len(labels) < 2:
        raise DataError(f"a classifier needs at least two classes, got {len(labels)} ({', '.join(labels)}) in {folder}")
    if UNSPLIT in listing.found and all(split_named(label) for label in labels):
        raise DataError(f"{folder} has folders of splits ({', '.join(labels)}), of which one must be train/; add it")
    if same := equal_but_case(labels):
        raise DataError(f"class names must differ by more than case, got {same[0]!r} and {same[1]!r}; merge or rename")
    for split, classes in listing.found.items():
        unknown = sorted(set(classes) - set(labels))
        if unknown:
            place, way_out = (listing.index, "leave it out") if listing.index else (folder, "move it away")
            raise DataError(
                f"every class must be in train, got {unknown[0]!r} only in {split} of {place}; {way_out}, or split all "
                f"pictures anew: hawklet data split --anew {place} NEW"
            )
    return labels
