"""An index of photos with the split of every one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hawklet.errors import DataError, UsageError
from hawklet_trainer.data.distinct import distinct
from hawklet_trainer.data.identity import equal_files, similar_pictures
from hawklet_trainer.data.importing import refuse_foreign
from hawklet_trainer.data.index import GROUP, INDEX, IndexRow, require_outside, write_index
from hawklet_trainer.data.listing import UNSPLIT, list_photos, stream_photos
from hawklet_trainer.data.photo_set import SPLITS
from hawklet_trainer.data.splitting import TEST_SHARE, VAL_SHARE, ByClass, fill_splits
from hawklet_trainer.data.tally import Tally, escaped


@dataclass(frozen=True)
class SplitOptions:
    """How photos are split."""

    val: float = VAL_SHARE
    """Share of the pictures, 0..1; 0: no such split."""
    test: float = TEST_SHARE
    """As before."""
    seed: int = 0
    group: str = GROUP
    """The index's column of what goes into one split together."""
    anew: bool = False
    """Pictures that are in splits already are split like the others."""
    keep_similar_together: bool = False
    """Near duplicates go into one split, whatever their classes."""


def split_index(
    source: Path, destination: Path, options: SplitOptions, say: Callable[[str], None] = lambda line: None
) -> tuple[Path, Tally]:
    """Split photos by class, with copies of a picture and the pictures of a group kept together, and write an index.

    Args:
        source: What :func:`~hawklet_trainer.data.listing.list_photos` takes.
        destination: A ``.csv`` file or a folder to write ``index.csv`` into; it must not be there yet.
        options: How.
        say: Called with one line for each thing worth knowing.

    Returns:
        The index, and how many pictures each class has in each split.

    Raises:
        DataError: nothing can be split here, or a class would be missing in a split; or the index is there already, or
            would lie among the photos; or they are of a foreign layout.
        UsageError: the shares leave nothing to train on, or there is nothing to do.
    """
    index = destination if destination.suffix.lower() == ".csv" else destination / INDEX
    _require_new(index, options)
    require_outside(source.expanduser(), index, "a split")
    refuse_foreign(source)
    found = _found(source, options)
    wanted = _wanted(found, options, source)
    places = [place for classes in found.values() for of_class in classes.values() for place in of_class]
    identities = similar_pictures(places) if options.keep_similar_together else equal_files(places)
    for line in _left_out(identities.unreadable):
        say(line)
    readable = {
        split: {label: [place for place in places if place in identities.of] for label, places in classes.items()}
        for split, classes in found.items()
    }
    labels = _labels(readable, source)
    splits = fill_splits(readable, labels, options.seed, identities.of, wanted, across=options.keep_similar_together)
    tally = Tally()
    write_index(index, tally.counted(_rows(splits)))
    return index, tally


def _require_new(index: Path, options: SplitOptions) -> None:
    if options.val + options.test >= 1:
        raise UsageError(
            f"--val and --test must leave pictures to train on, got {options.val:g} and {options.test:g}; their sum "
            "must be below 1"
        )
    if index.exists():
        raise DataError(f"a split is written into a new index, but {index} is there already; name another")


def _found(source: Path, options: SplitOptions) -> Mapping[str, ByClass]:
    if options.group != GROUP and source.is_dir() and not (source / INDEX).is_file():
        raise UsageError(f"--groups names a column of an index, but {source} is a folder of classes without one")
    if not options.anew:
        return list_photos(source, options.group).found
    together: ByClass = {}
    rows = (replace(row, split=UNSPLIT) for row in stream_photos(source, options.group))
    for row in distinct(rows, source):
        together.setdefault(row.label, []).append(row.place)
    return {UNSPLIT: together}


def _wanted(found: Mapping[str, ByClass], options: SplitOptions, source: Path) -> dict[str, float]:
    """Shares of the splits to make."""
    shares = {"val": options.val, "test": options.test}
    wanted = {split: share for split, share in shares.items() if share and split not in found}
    if not wanted:
        there = " and ".join(split for split in SPLITS if split in found) or "none"
        raise UsageError(
            f"there must be a split to make: {source} has {there}, and of the others none is asked for; split all its "
            "pictures anew with --anew"
        )
    return wanted


def _labels(found: Mapping[str, ByClass], source: Path) -> list[str]:
    """Classes to learn, sorted."""
    learned = found["train" if "train" in found else UNSPLIT]
    for split, classes in found.items():
        unknown = sorted(label for label, places in classes.items() if places and label not in learned)
        if unknown:
            raise DataError(
                f"every class must be in train, got {unknown[0]!r} only in {split} of {source}; leave it out, or split "
                "all pictures anew with --anew"
            )
    if not any(learned.values()):
        raise DataError(f"there must be pictures to split, got none that can be read in {source}")
    return sorted(learned)


def _left_out(unreadable: Sequence[str]) -> list[str]:
    if not unreadable:
        return []
    more = ", ..." if len(unreadable) > 1 else ""
    return [f"left out {len(unreadable)}: the file is missing or cannot be read ({escaped(unreadable[0])}{more})"]


def _rows(splits: Mapping[str, ByClass]) -> Iterator[IndexRow]:
    for split in SPLITS:
        for label, places in sorted(splits.get(split, {}).items()):
            for place in sorted(places, key=lambda place: (place.path, place.span or (0, 0))):
                yield IndexRow(place, label, split)
