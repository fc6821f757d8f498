"""A set of photos in its splits, as a run has it and writes it down."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from hawklet.errors import DataError, ImageError
from hawklet_trainer.data.place import Place, Span
from hawklet_trainer.data.table import line_writer

SPLITS = ("train", "val", "test")
NEW_PLACE = "name their new place with --photos FOLDER"
"""What to do about photos that have moved, in most commands."""
WORKERS = min(4, os.cpu_count() or 1)
"""Threads that read pictures."""


@dataclass(frozen=True, slots=True)
class Photo:
    """One picture and its class."""

    place: Place
    label_index: int
    """Position in :attr:`PhotoSet.labels`."""
    sha256: str
    """Of the picture's bytes."""

    @property
    def path(self) -> Path:
        """The file that holds it."""
        return self.place.path


@dataclass(frozen=True)
class PhotoSet:
    """Photos in their splits. A set read back from a run is the set that was trained on."""

    folder: Path
    """Every photo is below it."""
    labels: tuple[str, ...]
    """Class names, sorted; a network's outputs are in this order."""
    splits: dict[str, tuple[Photo, ...]]
    warnings: tuple[str, ...] = field(default=())
    """One line for each picture left out, and for what looks wrong in the data."""

    @property
    def digest(self) -> str:
        """SHA-256 over the sorted paths, from the folder on, and contents."""
        contents = (
            (photo.place.name_below(self.folder), photo.sha256) for split in SPLITS for photo in self.items(split)
        )
        total = hashlib.sha256()
        for name, digest in sorted(contents):
            total.update(f"{name}\0{digest}\n".encode())
        return total.hexdigest()

    def items(self, split: str) -> list[Photo]:
        """Photos of ``train``, ``val`` or ``test``, sorted by place; ``test`` may be empty."""
        if split not in SPLITS:
            raise DataError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
        return list(self.splits.get(split, ()))

    def counts(self) -> dict[str, int]:
        """Photos per split."""
        return {split: len(self.splits.get(split, ())) for split in SPLITS}

    def to_csv(self) -> str:
        """``path,label,split,sha256`` lines; paths relative to the folder, with forward slashes.

        Where pictures lie within shards two columns more say where: ``offset,size``, bytes. Where pictures are in
        groups, so does ``group``.
        """
        text = io.StringIO()
        write = line_writer(text)
        every = [photo.place for photos in self.splits.values() for photo in photos]
        spans, groups = any(place.span for place in every), any(place.group for place in every)
        write(("path", "label", "split", "sha256", *(Span._fields if spans else ()), *(("group",) if groups else ())))
        for split in SPLITS:
            for photo in self.items(split):
                path = photo.path.relative_to(self.folder).as_posix()
                where = photo.place.span or ("", "") if spans else ()
                group = (photo.place.group,) if groups else ()
                write((path, self.labels[photo.label_index], split, photo.sha256, *where, *group))
        return text.getvalue()

    @classmethod
    def from_csv(cls, text: str, folder: Path, labels: tuple[str, ...], way_out: str = NEW_PLACE) -> PhotoSet:
        """Read :meth:`to_csv` back.

        Args:
            text: What it gave.
            folder: Where the photos are now.
            labels: The run's.
            way_out: What to do where they are not, for the message.

        Raises:
            DataError: the folder or a photo in it is no longer there or another one, or the text is not a split.csv.
        """
        index_of = {label: index for index, label in enumerate(labels)}
        splits: dict[str, list[Photo]] = {split: [] for split in SPLITS}
        try:
            for row in csv.DictReader(io.StringIO(text)):
                span = Span(int(row["offset"]), int(row["size"])) if row.get("offset") else None
                place = Place(folder / row["path"], span, row.get("group") or "")
                splits[row["split"]].append(Photo(place, index_of[row["label"]], row["sha256"]))
        except (KeyError, ValueError, csv.Error) as error:
            raise DataError(
                f"split.csv needs lines of path,label,split,sha256 with the run's labels, got {error}; train again"
            ) from error
        every = [photo for photos in splits.values() for photo in photos]
        _refuse_missing(folder, every, way_out)
        _refuse_changed(folder, every)
        return cls(folder, labels, {split: tuple(photos) for split, photos in splits.items()})


def _refuse_missing(folder: Path, photos: Sequence[Photo], way_out: str) -> None:
    if not folder.is_dir():
        raise DataError(f"the run's photos must still be where they were, but there is no folder {folder}; {way_out}")
    missing = [photo for photo in photos if not photo.place.is_there()]
    if missing:
        raise DataError(
            f"the run's photos must still be where they were, but {len(missing)} of {len(photos)} are missing in "
            f"{folder} (the first: {missing[0].place.name_below(folder)}); put them back, or {way_out}"
        )


def _refuse_changed(folder: Path, photos: Sequence[Photo]) -> None:
    with ThreadPoolExecutor(WORKERS) as pool:
        same = pool.map(_is_unchanged, photos)
        changed = [photo for photo, unchanged in zip(photos, same, strict=True) if not unchanged]
    if changed:
        raise DataError(
            f"the run's photos must be those it was trained on, but {len(changed)} of {len(photos)} have changed since "
            f"in {folder} (the first: {changed[0].place.name_below(folder)}); put them back, or train again"
        )


def _is_unchanged(photo: Photo) -> bool:
    try:
        return photo.place.sha256() == photo.sha256
    except (ImageError, OSError):
        return False
