"""What pictures a folder or an index names, with their classes and splits, before any of them is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hawklet.errors import DataError
from hawklet.images import IMAGE_SUFFIXES
from hawklet_trainer.data.index import INDEX, read_index
from hawklet_trainer.data.place import Place

ONE_FOLDER_PER_CLASS = "a folder with one folder of pictures per class"
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

    def places(self) -> list[Place]:
        """Every picture."""
        return [place for classes in self.found.values() for places in classes.values() for place in places]

    def learned(self) -> list[str]:
        """Names of the classes to train on, sorted."""
        return sorted(self.found.get("train", self.found.get(UNSPLIT, {})))


def list_photos(source: Path) -> Listing:
    """List a folder of classes, a folder with an index, or an index.

    Args:
        source: ``<class>/...`` or ``{train,val,test}/<class>/...`` (hidden files are not looked at), a folder with an
            ``index.csv``, or a CSV or Parquet file of the same columns.

    Raises:
        DataError: it is none of these.
    """
    source = source.expanduser()
    if source.is_file():
        return _of_index(source.resolve())
    if not source.is_dir():
        raise DataError(f"PHOTOS must be {ONE_FOLDER_PER_CLASS}; there is no folder {source}")
    folder = source.resolve()
    if (folder / INDEX).is_file():
        return _of_index(folder / INDEX)
    return Listing(folder, _list_layout(folder))


def split_named(name: str) -> str | None:
    """The split that a folder of this name holds, or None."""
    return _SPLIT_FOLDERS.get(name.casefold())


def holds_pictures(folder: Path) -> bool:
    """Whether there is any picture in it."""
    return next(_pictures(folder), None) is not None


def _of_index(path: Path) -> Listing:
    found: dict[str, dict[str, list[Place]]] = {}
    below = True
    for row in read_index(path):
        below = below and path.parent in row.place.path.parents
        found.setdefault(row.split, {}).setdefault(row.label, []).append(row.place)
    if not found:
        raise DataError(f"an index must name pictures, got none in {path}")
    if UNSPLIT in found and len(found) > 1:
        with_split = next(split for split in found if split != UNSPLIT)
        count = sum(map(len, found[UNSPLIT].values()))
        raise DataError(
            f"an index must name the split of every picture or of none, got {with_split!r} and {count} without in "
            f"{path}; split it anew: hawklet data split {path} NEW"
        )
    if UNSPLIT not in found and "train" not in found:
        raise DataError(f"an index with splits must have one called train, got {', '.join(found)} in {path}")
    folder = path.parent if below else _common_folder(found)
    return Listing(folder, found)


def _common_folder(found: dict[str, dict[str, list[Place]]]) -> Path:
    parents = {place.path.parent for classes in found.values() for places in classes.values() for place in places}
    return Path(os.path.commonpath([str(parent) for parent in parents]))


def _list_layout(folder: Path) -> dict[str, dict[str, list[Place]]]:
    children = _folders(folder)
    # A folder named train that holds no folders is a class: of trains.
    if not any(split_named(child.name) == "train" and _folders(child) for child in children):
        return {UNSPLIT: _list_classes(folder)}
    found: dict[str, dict[str, list[Place]]] = {}
    for child in children:
        split = split_named(child.name)
        if split is None:
            raise DataError(
                f"beside {folder}'s training pictures only folders of splits may stand (train, val, test), got "
                f"{child.name!r}; rename it, or move it away"
            )
        if split in found:
            raise DataError(f"{folder} must have one folder of {split} pictures, got two; merge them into {split}/")
        found[split] = _list_classes(child)
    return found


def _folders(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))


def _list_classes(folder: Path) -> dict[str, list[Place]]:
    return {child.name: [Place(path) for path in sorted(_pictures(child))] for child in _folders(folder)}


def _pictures(folder: Path) -> Iterator[Path]:
    """Picture files below ``folder``, those behind links too."""
    yield from _walk(folder, (folder.resolve(),))


def _walk(folder: Path, above: tuple[Path, ...]) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = folder / entry.name
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                real = path.resolve()
                if real in above:
                    raise DataError(f"folders must not contain themselves, but the link {path} leads back to {real}")
                yield from _walk(path, (*above, real))
            elif path.suffix.lower() in IMAGE_SUFFIXES and entry.is_file():
                yield path
