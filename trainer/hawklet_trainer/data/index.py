"""``index.csv``: one line for each picture of a data set, written and read as a stream.

Columns, in any order: ``path`` (from the index's folder on, or absolute; forward slashes) and ``label``; then, where
there is something to say, ``split`` (train, val, test or nothing), ``group`` (pictures of one group go into one split
together) and ``offset,size`` (bytes, of a picture within a shard). Other columns are left alone. A Parquet file of the
same columns is read as well.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from hawklet.errors import DataError
from hawklet.safefiles import atomic_file
from hawklet_trainer.data.photo_set import SPLITS
from hawklet_trainer.data.place import Place, Span
from hawklet_trainer.data.table import line_writer, read_table, require_names

INDEX = "index.csv"
GROUP = "group"
"""The column of groups, unless another is named."""
_COLUMNS = ("path", "label", "split", GROUP, *Span._fields)


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One line."""

    place: Place
    label: str
    split: str = ""
    """``train``, ``val``, ``test``, or nothing."""


def read_index(path: Path, group: str = GROUP) -> Iterator[IndexRow]:
    """The lines of an index, one after the other; the pictures are not looked at.

    Args:
        path: CSV, lines of JSON, or Parquet.
        group: The column that names groups.

    Raises:
        DataError: it is no such file, or a line of it cannot be meant; says which.
    """
    folder, name = str(path.parent.resolve()), str(path)

    # As text, since a million of Path's joins take a minute; and once for all pictures of a shard.
    @lru_cache(1)
    def place_of(written: str) -> Path:
        return Path(os.path.normpath(os.path.join(folder, written)))  # noqa: PTH118

    for number, values in enumerate(read_table(path), 1):
        if number == 1:
            _require_columns(values, name, group)
        yield _row(place_of, f"row {number} of {name}", values, group)


def write_index(path: Path, rows: Iterable[IndexRow]) -> int:
    """Write an index, whole or not at all; paths below its folder are written from there on.

    Returns:
        How many lines.

    Raises:
        DataError: a name can be written in no encoding.
    """
    below, count = f"{path.parent.resolve()}{os.sep}", 0
    with atomic_file(path) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8", errors="surrogateescape", newline="")
        write = line_writer(text)
        write(_COLUMNS)
        for row in rows:
            place = row.place
            # As text, since a million of Path's comparisons take a minute.
            name = str(place.path).removeprefix(below)
            try:
                write((_slashed(name), row.label, row.split, place.group, *(place.span or ("", ""))))
            except UnicodeEncodeError as error:
                raise DataError(f"an index needs names that are text, got {error.object[:120]!a}") from error
            count += 1
        text.flush()
        text.detach()
    return count


def require_outside(source: Path, index: Path, what: str) -> None:
    """Refuse a new index among photos, which would be read in their place from then on.

    Args:
        source: The photos, a folder or an index.
        index: The file that is to be written.
        what: What would write it, for the message.

    Raises:
        DataError: it would lie in the folder.
    """
    if source.is_dir() and index.resolve().is_relative_to(source.resolve()):
        raise DataError(f"{what} leaves the photos' folder as it is, but {index} would be in it; name another place")


def _slashed(name: str) -> str:
    return name if os.sep == "/" else name.replace(os.sep, "/")


def _require_columns(values: Mapping[str, str], path: str, group: str) -> None:
    if not {"path", "label"} <= set(values):
        require_names(values, path)
        raise DataError(
            f"an index needs the columns path and label, got {', '.join(values)} in {path}; "
            f"say which are meant: hawklet data import manifest {path} NEW"
        )
    if group != GROUP and group not in values:
        raise DataError(
            f"the groups must be a column of the index, got {group!r}, which is none of {', '.join(values)}"
        )


def _row(place_of: Callable[[str], Path], where: str, values: Mapping[str, str], group: str) -> IndexRow:
    for column in ("path", "label"):
        if not values.get(column):
            raise DataError(f"every picture of an index needs a {column}, got none in {where}")
    if "\0" in values["path"]:
        raise DataError(f"a path must be one that files can have, got {values['path'][:120]!a} in {where}")
    split = values.get("split", "").lower()
    if split and split not in SPLITS:
        raise DataError(f"a picture's split must be {', '.join(SPLITS)} or nothing, got {split!r} in {where}")
    place = Place(place_of(values["path"]), _span(values, where), values.get(group, ""))
    return IndexRow(place, sys.intern(values["label"]), split)


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
