"""Hugging Face's imagefolder: folders, a ``metadata`` table beside the pictures, or Parquet with the pictures in it.

Layout: https://huggingface.co/docs/datasets/image_dataset. Splits are told by the words in the names of folders,
then of Parquet files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import ClassVar

from hawklet.errors import DataError
from hawklet.images import IMAGE_SUFFIXES
from hawklet_trainer.data.importing.class_folders import ClassFolders
from hawklet_trainer.data.importing.class_names import CLASS_NAMES, class_of, read_class_names
from hawklet_trainer.data.importing.columns import LABEL_COLUMN, find_column, guess_column, row_of
from hawklet_trainer.data.importing.importer import Importer
from hawklet_trainer.data.importing.intake import Intake
from hawklet_trainer.data.importing.parquet_pictures import columns_of, read_pictures, suffix_of
from hawklet_trainer.data.importing.reasons import ELSEWHERE, UNREADABLE
from hawklet_trainer.data.index import IndexRow
from hawklet_trainer.data.listing import UNSPLIT, split_within, walk
from hawklet_trainer.data.place import Place
from hawklet_trainer.data.table import read_table, require_text

_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_EVALUATION = re.compile(r"(^|[-._ 0-9])eval(uation)?([-._ 0-9]|$)", re.IGNORECASE)


@dataclass(frozen=True)
class ImageFolder(Importer):
    """Pictures that are files are referred to, packed ones are written out as they were packed."""

    kind: ClassVar[str] = "imagefolder"
    summary: ClassVar[str] = "Hugging Face imagefolder: folders, metadata.csv or .jsonl, or Parquet with pictures."

    label_column: str = field(default="", metadata=LABEL_COLUMN)
    class_names: Path | None = field(default=None, metadata=CLASS_NAMES)

    def rows(self, source: Path, intake: Intake) -> Iterator[IndexRow]:
        """See :meth:`Importer.rows`."""
        names = read_class_names(self.class_names) if self.class_names else ()
        if tables := metadata_files(source):
            for table in tables:
                yield from self._of_metadata(table, source, names, intake)
        elif packed := parquet_files(source):
            for path in packed:
                yield from self._of_parquet(path, source, names, intake)
        else:
            yield from ClassFolders().rows(source, intake)

    def _of_metadata(self, table: Path, source: Path, names: Sequence[str], intake: Intake) -> Iterator[IndexRow]:
        named: set[str] = set()
        columns: tuple[str, str] | None = None
        for number, values in enumerate(read_table(table), 1):
            columns = columns or self._columns(values, table, intake)
            file_name = values.get(columns[0], "")
            named.add(file_name)
            label = require_text(values.get(columns[1], ""), f"row {number} of {table}")
            row = _row(table, file_name, label, source, names)
            if isinstance(row, IndexRow):
                yield row
            else:
                intake.leave_out(row, file_name or f"row {number} of {table.name}")
        for path in walk(table.parent):
            name = path.relative_to(table.parent).as_posix()
            if path.suffix.lower() in IMAGE_SUFFIXES and name not in named and _nearest(path, source) == table:
                intake.leave_out(f"not named by {table.name}", name)

    def _columns(self, values: Mapping[str, str], table: Path, intake: Intake) -> tuple[str, str]:
        files = [name for name in values if name == "file_name" or name.endswith("_file_name")]
        if len(files) != 1:
            raise DataError(
                f"{table} must have one column file_name, got {', '.join(files or values)}; or import it as a manifest"
            )
        return files[0], find_column("label", self.label_column, values, table, intake)

    def _of_parquet(self, path: Path, source: Path, names: Sequence[str], intake: Intake) -> Iterator[IndexRow]:
        image_column, others = columns_of(path)
        if not image_column:
            raise DataError(f"a Parquet export needs a column of pictures, got {', '.join(others)} in {path}")
        label_column = find_column("label", self.label_column, others, path, intake)
        split = split_in_hub(path.relative_to(source).as_posix() if source != path else path.name)
        for number, packed in enumerate(read_pictures(path, image_column, label_column)):
            label, reason = class_of(packed.label, names)
            suffix = suffix_of(packed.data)
            if reason or not suffix:
                intake.leave_out(reason or UNREADABLE, f"row {number} of {path.name}")
            else:
                file = intake.keep((split or "all", label, f"{path.stem}-{number:07d}{suffix}"), packed.data)
                yield IndexRow(Place(file), label, split)


def metadata_files(source: Path) -> list[Path]:
    """The tables of an imagefolder that has them, in its folder or in those directly in it."""
    folders = [source, *sorted(path for path in source.iterdir() if path.is_dir())] if source.is_dir() else []
    return [folder / name for folder in folders for name in _METADATA if (folder / name).is_file()]


def is_metadata(path: Path) -> bool:
    """Whether a table so called names files and labels."""
    columns = list(next(read_table(path), {}))
    return "file_name" in columns and bool(guess_column("label", columns))


def parquet_files(source: Path) -> list[Path]:
    """The Parquet files of an export, directly in its folder or in ``data/``, or the one that the source is."""
    if source.is_file():
        return [source] if source.suffix == ".parquet" else []
    return next((found for folder in (source, source / "data") if (found := sorted(folder.glob("*.parquet")))), [])


def split_in_hub(name: str) -> str:
    """The split that a path's folders or, if none does, its file's name tells; for Hugging Face ``eval`` is test."""
    *folders, file = PurePosixPath(name).parts
    for part in (*folders, PurePosixPath(file).stem):
        split = "test" if _EVALUATION.search(part) else split_within(part)
        if split:
            return split
    return UNSPLIT


def _row(table: Path, file_name: str, label: str, source: Path, names: Sequence[str]) -> IndexRow | str:
    name = PurePosixPath(file_name)
    if name.is_absolute() or ".." in name.parts:
        return ELSEWHERE
    path = table.parent / name
    folders = path.parent.relative_to(source).as_posix()
    return row_of(path, label, names, split_in_hub(f"{folders}/-"))


def _nearest(path: Path, source: Path) -> Path | None:
    """The table that is to name a picture: the one in its folder or the next above."""
    for folder in path.parents:
        found = next((folder / name for name in _METADATA if (folder / name).is_file()), None)
        if found or folder == source:
            return found
    return None
