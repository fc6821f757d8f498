"""``index.csv``: one line for each picture of a data set, written and read as a stream.

Columns, in any order: ``path`` (from the index's folder on, or absolute; forward slashes) and ``label``; then, where
there is something to say, ``split`` (train, val, test or nothing), ``group`` (pictures of one group go into one split
together) and ``offset,size`` (bytes, of a picture within a shard). Other columns are left alone. A Parquet file of the
same columns is read as well.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hawklet.errors import DataError
from hawklet.safefiles import atomic_file
from hawklet_trainer.data.photo_set import SPLITS
from hawklet_trainer.data.place import Place, Span
from hawklet_trainer.data.table import read_table

INDEX = "index.csv"
_COLUMNS = ("path", "label", "split", "group", *Span._fields)


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One line."""

    place: Place
    label: str
    split: str = ""
    """``train``, ``val``, ``test``, or nothing."""


def read_index(path: Path) -> Iterator[IndexRow]:
    """The lines of an index, one after the other; the pictures are not looked at.

    Raises:
        DataError: it is no such file, or a line of it cannot be meant; says which.
    """
    folder = str(path.parent.resolve())
    for number, values in enumerate(read_table(path), 1):
        yield _row(folder, f"row {number} of {path}", values)


def write_index(path: Path, rows: Iterable[IndexRow]) -> int:
    """Write an index, whole or not at all; paths below its folder are written from there on.

    Returns:
        How many lines.
    """
    folder, count = path.parent.resolve(), 0
    with atomic_file(path) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8", errors="surrogateescape", newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for row in rows:
            place = row.place
            name = place.path.relative_to(folder) if folder in place.path.parents else place.path
            writer.writerow((name.as_posix(), row.label, row.split, place.group, *(place.span or ("", ""))))
            count += 1
        text.flush()
        text.detach()
    return count


def _row(folder: str, where: str, values: Mapping[str, str]) -> IndexRow:
    for column in ("path", "label"):
        if column not in values:
            raise DataError(
                f"an index needs the columns path and label, got {', '.join(values)} in {where.split(' of ', 1)[1]}; "
                "rename them, or say which are meant: hawklet data import manifest"
            )
        if not values[column]:
            raise DataError(f"every picture of an index needs a {column}, got none in {where}")
    split = values.get("split", "").lower()
    if split and split not in SPLITS:
        raise DataError(f"a picture's split must be {', '.join(SPLITS)} or nothing, got {split!r} in {where}")
    # Joined as text, since a million of Path's joins take a minute.
    path = Path(os.path.normpath(os.path.join(folder, values["path"])))  # noqa: PTH118
    return IndexRow(Place(path, _span(values, where), values.get("group", "")), values["label"], split)


def _span(values: Mapping[str, str], where: str) -> Span | None:
    offset, size = values.get("offset", ""), values.get("size", "")
    if not offset and not size:
        return None
    try:
        span = Span(int(offset), int(size))
    except ValueError:
        span = Span(-1, 0)
    if span.offset < 0 or span.size < 1:
        raise DataError(f"offset and size must be whole numbers of bytes, got {offset!r} and {size!r} in {where}")
    return span
