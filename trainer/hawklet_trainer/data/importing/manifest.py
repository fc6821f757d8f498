"""A table with a line for each picture: CSV, TSV, JSONL or Parquet, with columns called anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from hawklet.errors import DataError
from hawklet_trainer.data.importing.class_names import CLASS_NAMES, read_class_names
from hawklet_trainer.data.importing.columns import LABEL_COLUMN, find_column, row_of
from hawklet_trainer.data.importing.importer import Importer, described
from hawklet_trainer.data.importing.intake import Intake
from hawklet_trainer.data.index import IndexRow
from hawklet_trainer.data.listing import UNSPLIT, split_named
from hawklet_trainer.data.table import TABLE_SUFFIXES, read_table, require_text

_GROUP_COLUMN = described("Column of what goes into one split together  [default: guessed, and said]")


@dataclass(frozen=True)
class Columns:
    """Which column holds what; empty: none does."""

    path: str
    label: str
    split: str = ""
    group: str = ""


@dataclass(frozen=True)
class Manifest(Importer):
    """Pictures are referred to where they are."""

    kind: ClassVar[str] = "manifest"
    summary: ClassVar[str] = "A CSV, TSV, JSONL or Parquet table with a line for each picture."

    path_column: str = field(default="", metadata=described("Column of the paths  [default: guessed, and said]"))
    label_column: str = field(default="", metadata=LABEL_COLUMN)
    split_column: str = field(default="", metadata=described("Column of the splits  [default: guessed, and said]"))
    group_column: str = field(default="", metadata=_GROUP_COLUMN)
    root: Path | None = field(default=None, metadata=described("Folder that paths begin in  [default: the table's]"))
    class_names: Path | None = field(default=None, metadata=CLASS_NAMES)

    def rows(self, source: Path, intake: Intake) -> Iterator[IndexRow]:
        """See :meth:`Importer.rows`."""
        names = read_class_names(self.class_names) if self.class_names else ()
        root = (self.root.expanduser() if self.root else source.parent).resolve()
        table = read_table(_table_of(source))
        first = next(table, None)
        if first is None:
            raise DataError(f"a manifest must have a line for each picture, got none in {source}")
        columns = self._columns(first, source, intake)
        for number, values in enumerate(_again(first, table), 1):
            where = f"row {number} of {source}"
            # All but the path, since files may be called anything.
            label, split, group = (
                require_text(values.get(column, ""), where) for column in (columns.label, columns.split, columns.group)
            )
            name = values.get(columns.path, "")
            row = row_of(root / name, label, names, split_of(split, where), group)
            if isinstance(row, IndexRow):
                yield row
            else:
                intake.leave_out(row, name or f"row {number}")

    def _columns(self, first: Mapping[str, str], source: Path, intake: Intake) -> Columns:
        return Columns(
            find_column("path", self.path_column, first, source, intake),
            find_column("label", self.label_column, first, source, intake),
            find_column("split", self.split_column, first, source, intake),
            find_column("group", self.group_column, first, source, intake),
        )


def split_of(text: str, where: str) -> str:
    """The split that a cell names; an empty one names none.

    Raises:
        DataError: it names something else.
    """
    split = split_named(text.strip()) if text.strip() else UNSPLIT
    if split is None:
        raise DataError(
            f"a split must be called train, val or test, got {text!r} in {where}; name another --split-column"
        )
    return split


def _table_of(source: Path) -> Path:
    if source.is_dir():
        tables = [path for path in sorted(source.iterdir()) if path.suffix.lower() in TABLE_SUFFIXES]
        found = f"it holds {', '.join(path.name for path in tables[:4])}" if tables else "it holds none"
        raise DataError(f"a manifest is a file ({', '.join(TABLE_SUFFIXES)}), got the folder {source}; {found}")
    return source


def _again(first: dict[str, str], rest: Iterator[dict[str, str]]) -> Iterator[dict[str, str]]:
    yield first
    yield from rest
