"""What pictures a folder or an index names, with their classes and splits, before any of them is opened."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hawklet.errors import DataError
from hawklet.images import IMAGE_SUFFIXES
from hawklet_trainer.data.distinct import distinct
from hawklet_trainer.data.index import GROUP, INDEX, IndexRow, read_index
from hawklet_trainer.data.place import Place

ONE_FOLDER_PER_CLASS = "a folder with one folder of pictures per class"
EACH_INTO_ITS_FOLDER = "put each class's pictures into a folder of its own"
_SPLIT_FOLDERS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val"}
_SPLIT_FOLDERS |= {"dev": "val", "eval": "val", "test": "test", "testing": "test"}
"""What a folder of a split may be called, in any case."""

UNSPLIT = ""
"""The split of pictures that are in none yet."""


@dataclass(frozen=True)
class Listing:
    """Pictures by split and class."""

    folder: Path
    """Every picture is below it."""
    found: dict[str, dict[str, list[Place]]]
    """Split (:data:`UNSPLIT`, or of train, val and test) -> class -> its pictures."""
    index: Path | None = None
    """What it was read from; None: folders."""

    def places(self) -> list[Place]:
        """Every picture."""
        return [place for classes in self.found.values() for places in classes.values() for place in places]

    def learned(self) -> list[str]:
        """Names of the classes to train on, sorted."""
        return sorted(self.found.get("train", self.found.get(UNSPLIT, {})))


def list_photos(source: Path, group: str = GROUP) -> Listing:
    """List a folder of classes, a folder with an index, or an index.

    Args:
        source: ``<class>/...`` or ``{train,val,test}/<class>/...`` (hidden files are not looked at), a folder with an
            ``index.csv``, or a CSV, JSONL or Parquet file of the same columns.
        group: The index's column that names groups.

    Returns:
        Every picture once in a split, however often an index names it there.

    Raises:
        DataError: it is none of these, or an index that says two things of a picture.
    """
    index = _index_of(source)
    if index is not None:
        return _of_index(index, group)
    folder = source.expanduser().resolve()
    return Listing(
        folder,
        {
            split: {child.name: [Place(path) for path in _pictures(child)] for child in children}
            for split, children in _class_folders(folder).items()
        },
    )


def stream_photos(
    source: Path, group: str = GROUP, skipped: Callable[[Path], None] = lambda path: None
) -> Iterator[IndexRow]:
    """What :func:`list_photos` lists, one after the other, and not judged: a stream for what needs no more.

    Args:
        source: See there.
        group: See there.
        skipped: Called with each file of a folder of a class that is no picture by its name.

    Raises:
        DataError: it is none of these.
    """
    index = _index_of(source)
    if index is not None:
        yield from read_index(index, group)
        return
    for split, children in _class_folders(source.expanduser().resolve()).items():
        for child in children:
            yield from (IndexRow(Place(path), child.name, split) for path in _pictures(child, skipped))


def folders_of_classes(source: Path) -> list[str]:
    """Classes that a source has folders of, with pictures or without, sorted; of an index none.

    Raises:
        DataError: as :func:`stream_photos`.
    """
    if _index_of(source) is not None:
        return []
    found = _class_folders(source.expanduser().resolve())
    return sorted({child.name for children in found.values() for child in children})


def split_named(name: str) -> str | None:
    """The split that a folder of this name holds, or None."""
    return _SPLIT_FOLDERS.get(name.casefold())


def split_within(name: str) -> str | None:
    """The split that one of a name's words means, or None: ``imagenet-train-000123`` and ``train2017`` are train."""
    words = re.split(r"[-._ 0-9]+", name)
    return next((split for split in map(split_named, words) if split), None)


def holds_pictures(folder: Path) -> bool:
    """Whether there is any picture in it."""
    return next(_pictures(folder), None) is not None


def walk(folder: Path) -> Iterator[Path]:
    """Files below ``folder`` in the order of their names, those behind links too; hidden ones are passed over.

    A link that leads nowhere counts as a file, which cannot be read: so it is missed by name.

    Raises:
        DataError: a link leads back to a folder above it.
    """
    yield from _walk(folder, (folder.resolve(),))


def _walk(folder: Path, above: tuple[Path, ...]) -> Iterator[Path]:
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        path = folder / entry.name
        if entry.name.startswith("."):
            continue
        if _is_folder(entry):
            real = path.resolve()
            if real in above:
                link = next((part for part in (path, *path.parents) if part.is_symlink()), path)
                raise DataError(f"folders must not contain themselves, but the link {link} leads back; take it away")
            yield from _walk(path, (*above, real))
        elif _is_file_or_nothing(entry):
            yield path


# Of links by os.path, which unlike an entry does not raise for one that leads to itself.
def _is_folder(entry: os.DirEntry[str]) -> bool:
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()  # noqa: PTH112


def _is_file_or_nothing(entry: os.DirEntry[str]) -> bool:
    if not entry.is_symlink():
        return entry.is_file()
    return os.path.isfile(entry.path) or not os.path.exists(entry.path)  # noqa: PTH110, PTH113


def _pictures(folder: Path, skipped: Callable[[Path], None] = lambda path: None) -> Iterator[Path]:
    for path in walk(folder):
        if path.suffix.lower() in IMAGE_SUFFIXES:
            yield path
        else:
            skipped(path)


def _index_of(source: Path) -> Path | None:
    """The index that a source is or holds; None for a folder without one."""
    source = source.expanduser()
    if source.is_file():
        if source.suffix.lower() in IMAGE_SUFFIXES:
            raise DataError(f"PHOTOS must be {ONE_FOLDER_PER_CLASS}, or an index of pictures, got the picture {source}")
        return source.resolve()
    if not source.is_dir():
        raise DataError(f"PHOTOS must be {ONE_FOLDER_PER_CLASS}; there is no folder {source}")
    index = source.resolve() / INDEX
    return index if index.is_file() else None


def _of_index(path: Path, group: str) -> Listing:
    found: dict[str, dict[str, list[Place]]] = {}
    here = f"{path.parent}{os.sep}"
    below = True
    for row in distinct(read_index(path, group), path):
        below = below and str(row.place.path).startswith(here)
        found.setdefault(row.split, {}).setdefault(row.label, []).append(row.place)
    if not found:
        raise DataError(f"an index must name pictures, got none in {path}")
    if UNSPLIT in found and len(found) > 1:
        with_split = next(split for split in found if split != UNSPLIT)
        count = sum(map(len, found[UNSPLIT].values()))
        raise DataError(
            f"an index must name the split of every picture or of none, got {with_split!r} and {count} without in "
            f"{path}; split it anew: hawklet data split --anew {path} NEW"
        )
    if UNSPLIT not in found and "train" not in found:
        raise DataError(
            f"an index with splits must have one called train, got {', '.join(found)} in {path}; split it anew: "
            f"hawklet data split --anew {path} NEW"
        )
    return Listing(path.parent if below else _common_folder(found), found, path)


def _common_folder(found: dict[str, dict[str, list[Place]]]) -> Path:
    places = (place for classes in found.values() for places in classes.values() for place in places)
    return Path(os.path.commonpath({os.path.dirname(place.path) for place in places}))  # noqa: PTH120 -- see read_index


def _class_folders(folder: Path) -> dict[str, list[Path]]:
    """Split -> folders of classes, those without pictures too."""
    children = _folders(folder)
    # A folder named train that holds no folders is a class: of trains.
    if not any(split_named(child.name) == "train" and _folders(child) for child in children):
        return {UNSPLIT: children}
    return {split: _folders(child) for split, child in _split_folders(folder, children).items()}


def _split_folders(folder: Path, children: list[Path]) -> dict[str, Path]:
    splits: dict[str, Path] = {}
    for child in children:
        split = split_named(child.name)
        if split is None:
            raise DataError(
                f"beside {folder}'s training pictures only folders of splits may stand (train, val, test), got "
                f"{child.name!r}; rename it, or move it away"
            )
        if split in splits:
            raise DataError(f"{folder} must have one folder of {split} pictures, got two; merge them into {split}/")
        splits[split] = child
    return splits


def _folders(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))
