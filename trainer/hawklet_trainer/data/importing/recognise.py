"""Which foreign layout a source is, told by its names alone, and its import on the way to a training."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path

from hawklet.errors import DataError, UsageError
from hawklet_trainer.data.importing.bring_in import import_photos, options_of
from hawklet_trainer.data.importing.cifar import CIFAR10, cifar100, folders_of
from hawklet_trainer.data.importing.coco_files import json_files
from hawklet_trainer.data.importing.destination import holds_nothing, locked
from hawklet_trainer.data.importing.fingerprint import fingerprint
from hawklet_trainer.data.importing.imagefolder import is_metadata, metadata_files, parquet_files
from hawklet_trainer.data.importing.imagenet import folder_of_pictures
from hawklet_trainer.data.importing.importer import Importer
from hawklet_trainer.data.importing.record import is_whole, read_record
from hawklet_trainer.data.importing.registry import IMPORTERS
from hawklet_trainer.data.importing.synsets import MAPPING
from hawklet_trainer.data.importing.webdataset import shards_in
from hawklet_trainer.data.index import INDEX
from hawklet_trainer.data.listing import ONE_FOLDER_PER_CLASS

_FOLDER = ".photos"
"""Where a training keeps what it imported, below the folder of runs."""


def recognise(source: Path, runs: Path | None = None) -> str | None:
    """The kind of a foreign layout, or None: a folder of classes, an index, or nothing that is known.

    Args:
        source: A file or folder.
        runs: A folder that may lie in it and is none of it.
    """
    if source.is_dir() and not (source / INDEX).is_file():
        folder = source.resolve()
        children = _children(folder, runs.resolve() if runs else None)
        return next((kind for kind, is_one in _SIGNS.items() if is_one(folder, children)), None)
    return "webdataset" if source.suffix.lower() == ".tar" and source.is_file() else None


def for_training(source: Path, runs: Path, say: Callable[[str], None] = lambda line: None) -> Path:
    """What to train on: the source itself or, where it is of a foreign layout, an import of it.

    An import is kept in ``<runs>/.photos/<name>-<kind>`` and taken again while the source is as it was; of one that
    changed a new one is made beside it, since earlier runs were trained on the other.

    Raises:
        DataError: it is of a foreign layout and cannot be imported.
        UsageError: runs would be written among the folders of classes, and be taken for one from then on.
    """
    kind = recognise(source.expanduser(), runs)
    if kind is None:
        _require_elsewhere(source.expanduser(), runs)
        return source
    source = source.expanduser().resolve()
    importer, keep = IMPORTERS[kind](), (runs / _FOLDER).resolve()
    keep.mkdir(parents=True, exist_ok=True)
    # Two trainings that begin together: the second waits, and takes what the first has imported.
    with locked(keep, wait=True):
        mark = fingerprint(source, runs.resolve())
        for folder in _candidates(keep / f"{source.stem if source.is_file() else source.name}-{kind}"):
            if holds_nothing(folder):
                say(f"{source} is {kind}: importing it into {folder}")
                for line in import_photos(importer, source, folder, say, without=runs.resolve()).lines():
                    say(line)
                break
            if _is_of(folder, importer, source, mark):
                say(f"{source} is {kind}: taken from {folder}, where it was imported before")
                break
    return folder


def refuse_foreign(source: Path) -> None:
    """Refuse a foreign layout where only folders of classes and indexes are understood.

    Raises:
        DataError: it is one; says how it is imported.
    """
    kind = recognise(source.expanduser())
    if kind is not None:
        new = shlex.quote(f"{source.expanduser().resolve().stem}-photos")
        raise DataError(
            f"PHOTOS must be {ONE_FOLDER_PER_CLASS}, or an index, but {source} is {kind}; bring it in first: hawklet "
            f"data import {kind} {shlex.quote(str(source))} {new}"
        )


def _require_elsewhere(source: Path, runs: Path) -> None:
    classes = source.is_dir() and not (source / INDEX).is_file()
    if classes and runs.resolve().is_relative_to(source.resolve()):
        raise UsageError(
            f"--out must lie outside of the photos, whose folders are classes, got {runs} within {source}; name "
            "another place with --out"
        )


def _candidates(first: Path) -> Iterator[Path]:
    yield first
    yield from (first.with_name(f"{first.name}-{number}") for number in count(2))


def _is_of(folder: Path, importer: Importer, source: Path, mark: str) -> bool:
    try:
        record = read_record(folder)
    except DataError:  # of another version, say, whose runs still need it
        return False
    return (
        record is not None
        and record.is_of(importer.kind, source)
        and record.options == options_of(importer)
        and record.fingerprint == mark
        and is_whole(record, folder)
    )


def _is_imagenet(folder: Path, children: Sequence[Path]) -> bool:
    named = any((place / MAPPING).is_file() for place in (folder, folder.parent))
    return named and folder_of_pictures(folder) is not None


def _is_webdataset(folder: Path, children: Sequence[Path]) -> bool:
    """Shards and nothing else: beside folders of pictures an archive may be what they were unpacked from."""
    return bool(shards_in(folder)) and all(any(child.glob("*.tar")) for child in children)


def _is_imagefolder(folder: Path, children: Sequence[Path]) -> bool:
    tables = metadata_files(folder)
    packed = bool(parquet_files(folder)) and all(child.name == "data" for child in children)
    return packed if not tables else all(map(is_metadata, tables))


def _children(folder: Path, runs: Path | None) -> list[Path]:
    """The folders in a folder, but for hidden ones and that of the runs."""
    others = {runs, *runs.parents} if runs else set()
    return [
        child for child in folder.iterdir() if child.is_dir() and not child.name.startswith(".") and child not in others
    ]


_SIGNS: dict[str, Callable[[Path, Sequence[Path]], bool]] = {
    "cifar10": lambda folder, children: bool(folders_of(CIFAR10, folder)),
    "cifar100": lambda folder, children: bool(folders_of(cifar100("fine"), folder)),
    "coco": lambda folder, children: bool(json_files(folder)),
    "imagenet": _is_imagenet,
    "webdataset": _is_webdataset,
    "imagefolder": _is_imagefolder,
}
"""What each kind is known by, given its folder and the folders in it; the surest first."""
