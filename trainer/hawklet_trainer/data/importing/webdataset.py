"""WebDataset: pictures stay in their shards, and the index says where in them they are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from hawklet.errors import DataError
from hawklet.images import IMAGE_SUFFIXES
from hawklet_trainer.data.importing.class_names import CLASS_NAMES, class_of, read_class_names
from hawklet_trainer.data.importing.importer import Importer, described
from hawklet_trainer.data.importing.intake import Intake
from hawklet_trainer.data.importing.shards import Sample, samples
from hawklet_trainer.data.index import IndexRow
from hawklet_trainer.data.listing import UNSPLIT, split_within
from hawklet_trainer.data.place import Place

_NAMES = ("classnames.txt", "classes.txt", "class_names.txt")
"""Files of class names that are often beside shards."""
_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tar.lz4")
_IMAGE_KEY = described("Extension of the pictures, such as jpg  [default: that of a sample's only picture]")
_LABEL_KEY = described("Where labels are: cls, txt, json:FIELD or another extension  [default: guessed, and said]")
_SEVERAL = "several pictures in the sample; say which with --image-key"
_JSON_KEYS = ("label_name", "class_name", "label", "class", "category", "cls")


@dataclass(frozen=True)
class WebDataset(Importer):
    """A folder of tar shards, one shard, or a text file with the path of one in each line."""

    kind: ClassVar[str] = "webdataset"
    summary: ClassVar[str] = "WebDataset: a folder of .tar shards, which stay packed."

    image_key: str = field(default="", metadata=_IMAGE_KEY)
    label_key: str = field(default="", metadata=_LABEL_KEY)
    class_names: Path | None = field(default=None, metadata=CLASS_NAMES)

    def rows(self, source: Path, intake: Intake) -> Iterator[IndexRow]:
        """See :meth:`Importer.rows`."""
        shards = _shards(source)
        names = _class_names(self.class_names, source, intake)
        label_key = self.label_key
        for shard, split in shards:
            for sample in samples(shard):
                label_key = label_key or _guess_label_key(sample, intake)
                row = self._row(sample, label_key, names, split, intake)
                if row is not None:
                    yield row

    def _row(self, sample: Sample, label_key: str, names: Sequence[str], split: str, intake: Intake) -> IndexRow | None:
        name, reason = class_of(_label(sample, label_key), names)
        pictures = [key for key in ([self.image_key] if self.image_key else _pictures(sample)) if key in sample.members]
        if len(pictures) != 1:
            reason = _SEVERAL if pictures else "no picture in the sample"
        elif not sample.members[pictures[0]].size:
            reason = "the picture is empty"
        if reason:
            intake.leave_out(reason, f"{sample.key} in {sample.shard.name}")
            return None
        return IndexRow(Place(sample.shard, sample.members[pictures[0]]), name, split)


def shards_in(folder: Path) -> list[Path]:
    """Every ``.tar`` in a folder and in those directly in it."""
    return sorted([*folder.glob("*.tar"), *folder.glob("[!.]*/*.tar")])


def _compressed_in(folder: Path) -> Path | None:
    """The first compressed archive where shards are looked for."""
    names = (f"{below}*{suffix}" for below in ("", "[!.]*/") for suffix in _COMPRESSED)
    return next((path for name in names for path in sorted(folder.glob(name))), None)


def _shards(source: Path) -> list[tuple[Path, str]]:
    """Shards and their splits, by the names of their folders or their own."""
    packed = _compressed_in(source) if source.is_dir() else None
    if packed is not None:
        raise DataError(
            f"a shard must not be compressed, since pictures are read in place, got {packed}; unpack it first"
        )
    found = shards_in(source) if source.is_dir() else _named(source)
    if not found:
        raise DataError(f"webdataset needs .tar shards, there are none in {source}")
    root = source if source.is_dir() else source.parent
    return [(path, _split_of(path, root)) for path in found]


def _named(source: Path) -> list[Path]:
    """The shard that a file is, or those that its lines name."""
    if source.suffix.lower() == ".tar":
        return [source]
    try:
        lines = [line.strip() for line in source.read_text(encoding="utf-8").splitlines()]
    except UnicodeDecodeError as error:
        raise DataError(f"webdataset takes a folder, a .tar or a text file of their paths, got {source}") from error
    paths = [source.parent / line for line in lines if line and not line.startswith("#")]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise DataError(f"every line of {source} must be the path of a shard; there is no file {missing[0]}")
    return paths


def _split_of(path: Path, root: Path) -> str:
    parts = path.relative_to(root).parts if root in path.parents else (path.name,)
    return next((split for split in map(split_within, parts) if split), UNSPLIT)


def _class_names(asked: Path | None, source: Path, intake: Intake) -> Sequence[str]:
    folder = source if source.is_dir() else source.parent
    path = asked or next((folder / name for name in _NAMES if (folder / name).is_file()), None)
    if path is None:
        return ()
    if asked is None:
        intake.note(f"class names are taken from {path}")
    return read_class_names(path)


def _guess_label_key(sample: Sample, intake: Intake) -> str:
    """Where the first sample that has a label has it; empty where this one has none."""
    keys = [key for key in ("cls", *(f"json:{name}" for name in _JSON_KEYS), "txt") if _label(sample, key)]
    if keys:
        intake.note(f"labels are taken from {keys[0]} (the first sample, {sample.key}, has {', '.join(keys)})")
    return keys[0] if keys else ""


def _label(sample: Sample, label_key: str) -> str:
    """Its label as text; empty where it has none."""
    extension, _, name = label_key.partition(":")
    text = sample.text(extension.lower()) if extension else ""
    return _field(text, name) if name else text


def _field(text: str, name: str) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    found = value.get(name) if isinstance(value, dict) else None
    return str(found).strip() if isinstance(found, (str, int)) and not isinstance(found, bool) else ""


def _pictures(sample: Sample) -> list[str]:
    return [extension for extension in sample.members if f".{extension.rpartition('.')[2]}" in IMAGE_SUFFIXES]
