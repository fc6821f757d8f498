"""Folders of photos: one folder per class, listed, checked, split and digested.

Two layouts are understood: ``PHOTOS/<class>/...`` and ``PHOTOS/{train,val,test}/<class>/...``. What a layout does not
split is split here, stratified and seeded, and written down in the run's ``split.csv``.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hawklet.errors import DataError, ImageError
from hawklet.images import IMAGE_SUFFIXES, read_image
from hawklet.preprocess import preprocess
from hawklet.safefiles import sha256_of
from hawklet.spec import Pixels, PreprocessSpec

SPLITS = ("train", "val", "test")
VAL_SHARE = 0.15
TEST_SHARE = 0.15
NEW_PLACE = "name their new place with --photos FOLDER"
"""What to do about photos that have moved, in most commands."""
_SPLIT_FOLDERS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val"}
_SPLIT_FOLDERS |= {"dev": "val", "eval": "val", "test": "test", "testing": "test"}
"""What a folder of a split may be called, in any case."""
_WORKERS = min(4, os.cpu_count() or 1)


@dataclass(frozen=True)
class Photo:
    """One picture file and its class."""

    path: Path
    label_index: int
    """Position in :attr:`PhotoSet.labels`."""
    sha256: str
    """Of the file."""


@dataclass(frozen=True)
class PhotoSet:
    """Photos in their splits. A set read back from a run is the set that was trained on."""

    folder: Path
    labels: tuple[str, ...]
    """Class names, sorted; a network's outputs are in this order."""
    splits: dict[str, tuple[Photo, ...]]
    warnings: tuple[str, ...] = field(default=())
    """One line for each picture left out, and for what looks wrong in the data."""

    @property
    def digest(self) -> str:
        """SHA-256 over the sorted paths, from the folder on, and contents."""
        contents = (
            (photo.path.relative_to(self.folder).as_posix(), photo.sha256)
            for split in SPLITS
            for photo in self.items(split)
        )
        total = hashlib.sha256()
        for name, digest in sorted(contents):
            total.update(f"{name}\0{digest}\n".encode())
        return total.hexdigest()

    def items(self, split: str) -> list[Photo]:
        """Photos of ``train``, ``val`` or ``test``, sorted by path; ``test`` may be empty."""
        if split not in SPLITS:
            raise DataError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
        return list(self.splits.get(split, ()))

    def counts(self) -> dict[str, int]:
        """Photos per split."""
        return {split: len(self.splits.get(split, ())) for split in SPLITS}

    def to_csv(self) -> str:
        """``path,label,split,sha256`` lines; paths relative to the folder, with forward slashes."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("path", "label", "split", "sha256"))
        for split in SPLITS:
            for photo in self.items(split):
                path = photo.path.relative_to(self.folder).as_posix()
                writer.writerow((path, self.labels[photo.label_index], split, photo.sha256))
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
                splits[row["split"]].append(Photo(folder / row["path"], index_of[row["label"]], row["sha256"]))
        except (KeyError, csv.Error) as error:
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
    missing = [photo for photo in photos if not photo.path.is_file()]
    if missing:
        raise DataError(
            f"the run's photos must still be where they were, but {len(missing)} of {len(photos)} are missing in "
            f"{folder} (the first: {missing[0].path.relative_to(folder)}); put them back, "
            f"or {way_out}"
        )


def _refuse_changed(folder: Path, photos: Sequence[Photo]) -> None:
    with ThreadPoolExecutor(_WORKERS) as pool:
        digests = pool.map(lambda photo: sha256_of(photo.path), photos)
        changed = [photo for photo, digest in zip(photos, digests, strict=True) if digest != photo.sha256]
    if changed:
        raise DataError(
            f"the run's photos must be those it was trained on, but {len(changed)} of {len(photos)} have changed since "
            f"in {folder} (the first: {changed[0].path.relative_to(folder)}); put them back, or train again"
        )


def read_photos(folder: Path, seed: int = 0) -> PhotoSet:
    """List, check and split a folder of photos. Each picture is decoded once; unreadable ones are left out by name.

    Args:
        folder: ``<class>/...`` or ``{train,val,test}/<class>/...``; hidden files are not looked at.
        seed: Of the split, where the layout leaves one to make.

    Raises:
        DataError: nothing can be trained on this folder; says why.
    """
    folder = folder.expanduser()
    if not folder.is_dir():
        raise DataError(f"PHOTOS must be a folder with one folder of pictures per class; there is no folder {folder}")
    folder = folder.resolve()
    found = _list_layout(folder)
    labels = _labels(folder, found)
    digests, warnings = _check_pictures(folder, [path for paths in _leaves(found) for path in paths])
    readable = {s: {c: [p for p in paths if p in digests] for c, paths in cs.items()} for s, cs in found.items()}
    try:
        splits = _split(readable, labels, seed, digests)
    except DataError as error:
        if not warnings:
            raise
        first = warnings[0].removeprefix("left out ")
        raise DataError(f"{error}; of {len(warnings)} pictures that were left out the first: {first}") from error
    warnings += _harmful_duplicates(folder, splits)
    warnings += _classes_without_pictures(splits, labels)
    ordered = {split: tuple(sorted(photos, key=lambda photo: photo.path)) for split, photos in splits.items()}
    return PhotoSet(folder, labels, ordered, tuple(warnings))


def read_labelled(folder: Path, labels: Sequence[str]) -> tuple[tuple[Photo, ...], tuple[str, ...]]:
    """List and check pictures to measure a finished model on, which are split no further.

    Args:
        folder: ``<class>/...``, each class one of ``labels``; not all need to be there.
        labels: The model's.

    Returns:
        The readable pictures, sorted, and one line for each that was left out.

    Raises:
        DataError: there are none, or a folder is named otherwise.
    """
    if not folder.expanduser().is_dir():
        raise DataError(
            f"photos to measure on must be a folder with one folder of pictures per class; there is no folder {folder}"
        )
    folder = folder.expanduser().resolve()
    classes = _list_classes(folder)
    _refuse_foreign(folder, classes, labels)
    digests, warnings = _check_pictures(folder, [path for paths in classes.values() for path in paths])
    index_of = {label: index for index, label in enumerate(labels)}
    photos = tuple(
        Photo(path, index_of[label], digests[path])
        for label, paths in sorted(classes.items())
        for path in paths
        if path in digests
    )
    if not photos:
        raise DataError(f"{folder} must have one folder of pictures per class, got no readable pictures in any")
    return photos, tuple(warnings)


def _refuse_foreign(folder: Path, classes: Iterable[str], labels: Sequence[str]) -> None:
    foreign = sorted(set(classes) - set(labels))
    if not foreign:
        return
    split = next((name for name in foreign if name.casefold() in _SPLIT_FOLDERS), None)
    way_out = f"name the folder of one split, as {folder / split}" if split else "are these another model's pictures?"
    raise DataError(
        f"the folders in {folder} must be named by the model's labels, got {foreign[0]!r}, which is none of "
        f"{', '.join(labels[:8])}{' ...' if len(labels) > 8 else ''}; {way_out}"
    )


# split name ("" = not split) -> class -> files
_Found = dict[str, dict[str, list[Path]]]


def _list_layout(folder: Path) -> _Found:
    children = _folders(folder)
    # A folder named train that holds no folders is a class: of trains.
    if not any(_split_name(child) == "train" and _folders(child) for child in children):
        return {"": _list_classes(folder)}
    found: _Found = {}
    for child in children:
        split = _split_name(child)
        if split is None:
            raise DataError(
                f"beside {folder}'s training pictures only folders of splits may stand (train, val, test), got "
                f"{child.name!r}; rename it, or move it away"
            )
        if split in found:
            raise DataError(f"{folder} must have one folder of {split} pictures, got two; merge them into {split}/")
        found[split] = _list_classes(child)
    return found


def _split_name(folder: Path) -> str | None:
    return _SPLIT_FOLDERS.get(folder.name.casefold())


def _folders(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))


def _list_classes(folder: Path) -> dict[str, list[Path]]:
    return {child.name: _pictures(child) for child in _folders(folder)}


def _pictures(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )


def _leaves(found: _Found) -> Iterable[list[Path]]:
    return (paths for classes in found.values() for paths in classes.values())


def _labels(folder: Path, found: _Found) -> tuple[str, ...]:
    learned = found.get("train", found.get("", {}))
    labels = tuple(sorted(learned))
    odd = [label for label in labels if not label.isprintable()]
    if odd:
        raise DataError(f"class names must be printable text, got {odd[0]!a}; rename the folder")
    if not any(_leaves(found)):
        hint = "put each class's pictures into a folder of its own" if _pictures(folder) else "is it the right folder?"
        raise DataError(f"{folder} must have one folder of pictures per class, got no pictures in any; {hint}")
    if len(labels) < 2:
        raise DataError(f"a classifier needs at least two classes, got {len(labels)} ({', '.join(labels)}) in {folder}")
    if "" in found and all(label.casefold() in _SPLIT_FOLDERS for label in labels):
        raise DataError(f"{folder} has folders of splits ({', '.join(labels)}), of which one must be train/; add it")
    _refuse_equal_but_case(labels)
    for split, classes in found.items():
        unknown = sorted(set(classes) - set(labels))
        if unknown:
            raise DataError(f"every class must be in train/, got {unknown[0]!r} only in {split}/ of {folder}")
    return labels


def _refuse_equal_but_case(labels: tuple[str, ...]) -> None:
    seen: dict[str, str] = {}
    for label in labels:
        other = seen.setdefault(label.casefold(), label)
        if other != label:
            raise DataError(f"class names must differ by more than case, got {other!r} and {label!r}; merge or rename")


def _check_pictures(folder: Path, paths: list[Path]) -> tuple[dict[Path, str], list[str]]:
    """Decode every file once: content digests of the readable ones, one warning for each other."""

    def look(path: Path) -> tuple[str, str]:
        name = path.relative_to(folder).as_posix()
        if not name.isprintable():
            return "", f"left out {name!a}: its name is not printable text"
        try:
            read_image(path)
            return sha256_of(path), ""
        except (ImageError, OSError) as error:
            return "", f"left out {name}: {error}"

    digests, warnings = {}, []
    with ThreadPoolExecutor(_WORKERS) as pool:
        for path, (digest, warning) in zip(paths, pool.map(look, paths), strict=True):
            if warning:
                warnings.append(warning)
            else:
                digests[path] = digest
    return digests, warnings


def _split(found: _Found, labels: tuple[str, ...], seed: int, digests: dict[Path, str]) -> dict[str, list[Photo]]:
    splits: dict[str, list[Photo]] = {split: [] for split in SPLITS}
    for index, label in enumerate(labels):
        for split, paths in _split_class(found, label, seed, digests).items():
            splits[split] += [Photo(path, index, digests[path]) for path in paths]
    if not splits["val"]:
        raise DataError("val/ has no readable pictures; fill it, or remove it to have it split from train/")
    return splits


def _split_class(found: _Found, label: str, seed: int, digests: dict[Path, str]) -> dict[str, list[Path]]:
    given = {split: classes.get(label, []) for split, classes in found.items()}
    wanted = {"val": VAL_SHARE, "test": TEST_SHARE} if "" in found else {} if "val" in found else {"val": VAL_SHARE}
    source = "" if "" in found else "train"
    paths = given.pop(source)
    copies: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        copies[digests[path]].append(path)
    if len(copies) < 1 + len(wanted):
        raise DataError(
            f"class {label!r} has {len(copies)} different readable picture(s) to split into train"
            f"{''.join(f' and {split}' for split in wanted)}; every class needs at least {1 + len(wanted)}"
        )
    groups = list(copies.values())  # copies of a picture go into one split together
    # Seeded by the class's name too, so that adding a class does not reshuffle the others.
    random.Random(f"{seed}/{label}").shuffle(groups)
    result = {split: list(kept) for split, kept in given.items()}
    for left, (split, share) in zip(range(len(wanted), 0, -1), wanted.items(), strict=True):
        result[split] = []
        while len(result[split]) < max(1, round(len(paths) * share)) and len(groups) > left:
            result[split] += groups.pop(0)
    return {**result, "train": [path for group in groups for path in group]}


def _harmful_duplicates(folder: Path, splits: dict[str, list[Photo]]) -> list[str]:
    places: dict[str, list[tuple[str, Photo]]] = defaultdict(list)
    for split, photos in splits.items():
        for photo in photos:
            places[photo.sha256].append((split, photo))
    warnings = []
    for same in places.values():
        names = ", ".join(f"{photo.path.relative_to(folder).as_posix()} ({split})" for split, photo in same)
        if len({photo.label_index for _, photo in same}) > 1:
            warnings.append(f"the same picture is in two classes, of which one is wrong: {names}")
        elif len({split for split, _ in same}) > 1:
            warnings.append(f"the same picture is in two splits, which flatters the accuracy: {names}")
    return warnings


def _classes_without_pictures(splits: dict[str, list[Photo]], labels: tuple[str, ...]) -> list[str]:
    warnings = []
    for split, photos in splits.items():
        shown = {photo.label_index for photo in photos}
        absent = [label for index, label in enumerate(labels) if shown and index not in shown]
        warnings += [f"{split} has no picture of {label!r}" for label in absent]
    return warnings


def load_pixels(
    photos: Sequence[Photo], spec: PreprocessSpec, limit: int | None = None
) -> tuple[Pixels, npt.NDArray[np.int64]]:
    """Read photos through :func:`hawklet.preprocess.preprocess`.

    Args:
        photos: Which; at least one.
        spec: The preprocessing contract.
        limit: Take this many at most, evenly spaced over ``photos`` (which are sorted by class).

    Returns:
        ``uint8 [N, H, W, C]``, RGB, 0..255, and the label indices ``int64 [N]``.

    Raises:
        DataError: ``photos`` is empty.
        ImageError: a picture that could be read before cannot any more.
    """
    if not photos:
        raise DataError("there are no pictures in this split")
    if limit is not None and limit < len(photos):
        photos = [photos[i] for i in np.linspace(0, len(photos) - 1, limit).round().astype(int)]
    pixels = np.empty((len(photos), spec.height, spec.width, spec.channels), dtype=np.uint8)

    def read(index: int) -> None:
        pixels[index] = preprocess(read_image(photos[index].path), spec)

    with ThreadPoolExecutor(_WORKERS) as pool:
        list(pool.map(read, range(len(photos))))
    return pixels, np.array([photo.label_index for photo in photos], dtype=np.int64)


class PixelSource:
    """Pixels of photos by index: decoded once and kept, or decoded each time where they would not fit in memory.

    Args:
        photos: Which.
        spec: How they are preprocessed.
        budget: Keep the decoded pictures while they take at most this much memory, bytes.
    """

    def __init__(self, photos: Sequence[Photo], spec: PreprocessSpec, budget: int = 1 << 30):
        self.photos = list(photos)
        self.spec = spec
        self.label_indices = np.array([photo.label_index for photo in photos], dtype=np.int64)
        fits = len(photos) * spec.height * spec.width * spec.channels <= budget
        self._kept = load_pixels(self.photos, spec)[0] if fits else None

    def __len__(self) -> int:
        return len(self.photos)

    def batch(self, indices: Sequence[int] | npt.NDArray[np.int64]) -> Pixels:
        """``uint8 [len(indices), H, W, C]``, RGB, 0..255."""
        if self._kept is not None:
            kept: Pixels = self._kept[np.asarray(indices)]
            return kept
        return load_pixels([self.photos[i] for i in indices], self.spec)[0]
