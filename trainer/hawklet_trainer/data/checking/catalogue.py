"""The pictures that are checked, with their classes and splits, whether they could be trained on or not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hawklet.errors import DataError
from hawklet_trainer.data.index import IndexRow
from hawklet_trainer.data.listing import UNSPLIT, list_photos, stream_photos
from hawklet_trainer.data.photo_set import SPLITS
from hawklet_trainer.data.place import Place
from hawklet_trainer.data.tally import escaped


@dataclass(frozen=True)
class Catalogue:
    """Pictures by position."""

    folder: Path
    """What their names begin at."""
    labels: tuple[str, ...]
    """Every class of any split, those without pictures too, sorted."""
    splits: tuple[str, ...]
    """Those that there are; :data:`~hawklet_trainer.data.listing.UNSPLIT` alone where there are none."""
    places: Sequence[Place]
    label_of: npt.NDArray[np.int32]
    """Position in ``labels``, ``[N]``."""
    split_of: npt.NDArray[np.int8]
    """Position in ``splits``, ``[N]``."""
    refusal: str = ""
    """Why training refuses an index, where it does."""

    @classmethod
    def of(cls, folder: Path, labels: Iterable[str], rows: Iterable[IndexRow], refusal: str = "") -> Catalogue:
        """Of rows; ``labels`` are the classes that there are beside theirs."""
        rows = list(rows)
        known = sorted({*labels, *(row.label for row in rows)})
        used = {row.split for row in rows}
        splits = tuple(split for split in (*SPLITS, UNSPLIT) if split in used) or (UNSPLIT,)
        number, of_split = ({name: i for i, name in enumerate(names)} for names in (known, splits))
        return cls(
            folder,
            tuple(known),
            splits,
            [row.place for row in rows],
            np.array([number[row.label] for row in rows], np.int32),
            np.array([of_split[row.split] for row in rows], np.int8),
            refusal,
        )

    def __len__(self) -> int:
        return len(self.places)

    @property
    def learned(self) -> int:
        """Position of the split that is trained on: train, or that of pictures in none; -1: there is none."""
        return next((i for i, split in enumerate(self.splits) if split in ("train", UNSPLIT)), -1)

    def name(self, position: int) -> str:
        """A picture's path from the folder on, and where it lies within a shard; fit to be printed.

        Pictures that are elsewhere, or that have only the topmost folder in common, are named by their whole path.
        """
        place = self.places[position]
        top = Path(place.path.anchor)
        if self.folder == top or not place.path.is_relative_to(self.folder):
            return escaped(f"{top.as_posix()}{place.name_below(top)}")
        return escaped(place.name_below(self.folder))

    def label(self, position: int) -> str:
        """A picture's class."""
        return escaped(self.labels[self.label_of[position]])

    def split(self, position: int) -> str:
        """A picture's split; empty: it is in none."""
        return self.splits[int(self.split_of[position])]

    def counts(self, mask: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[np.int64]:
        """Pictures by class and split, ``[classes, splits]``; of those that ``mask`` names."""
        counts = np.zeros((len(self.labels), len(self.splits)), np.int64)
        chosen = slice(None) if mask is None else mask
        np.add.at(counts, (self.label_of[chosen], self.split_of[chosen]), 1)
        return counts


def read_catalogue(source: Path) -> Catalogue:
    """List pictures that are to be checked.

    Args:
        source: What :func:`~hawklet_trainer.data.listing.list_photos` takes. An index that it would refuse for its
            splits is taken too.

    Raises:
        DataError: nothing here names pictures.
    """
    try:
        listing = list_photos(source)
    except DataError as error:
        rows = list(stream_photos(source))
        if not rows:
            raise
        return Catalogue.of(source.expanduser().resolve().parent, (), rows, str(error))
    labels = {label for classes in listing.found.values() for label in classes}
    rows = [
        IndexRow(place, label, split)
        for split in (*SPLITS, UNSPLIT)
        for label, places in listing.found.get(split, {}).items()
        for place in places
    ]
    return Catalogue.of(listing.folder, labels, rows)
