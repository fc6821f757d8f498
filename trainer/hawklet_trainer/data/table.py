"""Tables of text, read as a stream: CSV, lines of JSON, or Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TextIO

from hawklet.errors import DataError, MissingDependencyError
from hawklet.images import IMAGE_SUFFIXES

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
_ROWS_AT_ONCE = 8192
_LONGEST_CELL = 1 << 20


def read_table(path: Path) -> Iterator[dict[str, str]]:
    """Rows as column -> text (empty where there is no value), in the file's order and never all in memory.

    Args:
        path: ``.parquet``, ``.jsonl``, ``.tsv``, or anything else, taken as CSV: UTF-8, with a line of column names;
            commas, semicolons or tabs between them.

    Raises:
        DataError: it is not there, or is no such table.
        MissingDependencyError: it is Parquet and pyarrow is not installed.
    """
    if not path.is_file():
        raise DataError(f"a table of pictures must be a CSV, JSONL or Parquet file; there is no file {path}")
    if path.suffix.lower() == ".json":
        raise DataError(f"a table of JSON must have one object a line, as a file named .jsonl, got {path}")
    read = {".parquet": _parquet, ".jsonl": _json_lines}.get(path.suffix.lower(), _csv)
    yield from read(path)


def require_text(cell: str, where: str) -> str:
    """A cell that is no path, as it is.

    Raises:
        DataError: it holds bytes that are not UTF-8, as those of a table that was saved as Latin-1 or UTF-16 are.
    """
    if not _is_text(cell):
        raise DataError(f"a table must be UTF-8, got {cell[:60]!a} in {where}; save it as UTF-8")
    return cell


def require_names(columns: Iterable[str], where: object) -> None:
    """Refuse columns of which one is called like a picture: the table begins with its first row.

    Raises:
        DataError: it does.
    """
    odd = next((name for name in columns if Path(name).suffix.lower() in IMAGE_SUFFIXES), None)
    if odd is not None:
        raise DataError(
            f"a table must begin with a line of column names, got {odd!a} there in {where}; add one, such as path,label"
        )


def line_writer(text: TextIO) -> Callable[[Sequence[object]], None]:
    """A function that writes cells as a line of CSV which :func:`read_table` reads back as they were.

    Python's writer (before 3.13) quotes no carriage return where lines end otherwise, and its reader ends a line there.
    """
    plain = csv.writer(text, lineterminator="\n")
    quoted = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)

    def write(cells: Sequence[object]) -> None:
        returns = any(isinstance(cell, str) and "\r" in cell for cell in cells)
        (quoted if returns else plain).writerow(cells)

    return write


def _is_text(cell: str) -> bool:
    try:
        cell.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in cell


def _csv(path: Path) -> Iterator[dict[str, str]]:
    csv.field_size_limit(_LONGEST_CELL)
    # utf-8-sig: spreadsheets begin a file with a byte order mark. surrogateescape: file names need not be UTF-8.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        delimiter = "\t" if path.suffix.lower() == ".tsv" else _delimiter(stream.readline(_LONGEST_CELL))
        stream.seek(0)
        reader = csv.reader(stream, delimiter=delimiter)
        try:
            names = next(reader, None)
            if not names:
                raise DataError(f"a table must begin with a line of column names, got an empty line in {path}")
            for name in names:
                require_text(name, f"the column names of {path}")
            for cells in reader:
                if len(cells) > len(names):
                    raise DataError(
                        f"a line must have as many cells as the table has columns ({len(names)}), got {len(cells)} in "
                        f"line {reader.line_num} of {path}; quote cells that contain the delimiter"
                    )
                if cells:
                    yield dict(zip_longest(names, cells, fillvalue=""))
        except csv.Error as error:
            raise DataError(f"{path} must be CSV, got {error} in line {reader.line_num}") from error


def _delimiter(names: str) -> str:
    """What is between the names of columns: spreadsheets write semicolons where a comma is in numbers."""
    return next((delimiter for delimiter in ",;\t" if delimiter in names), ",")


def _json_lines(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8-sig") as stream:
        try:
            for number, line in enumerate(stream, 1):
                row = json.loads(line) if line.strip() else {}
                if not isinstance(row, dict):
                    raise ValueError(f"{type(row).__name__} in line {number}")
                if row:
                    yield {name: "" if value is None else str(value) for name, value in row.items()}
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path} must have one JSON object a line, got {error}") from error


def _parquet(path: Path) -> Iterator[dict[str, str]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise MissingDependencyError.for_extra("pyarrow", "data", "reading Parquet") from error
    try:
        with parquet.ParquetFile(path) as table:
            for batch in table.iter_batches(_ROWS_AT_ONCE):
                for row in batch.to_pylist():
                    yield {name: "" if value is None else str(value) for name, value in row.items()}
    except (ArrowException, UnicodeDecodeError) as error:
        raise DataError(f"{path} must be a Parquet file: {' '.join(str(error).split())[:160]}") from error
