"""Tables of text, CSV or Parquet, read as a stream."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from hawklet.errors import DataError, MissingDependencyError

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")
_ROWS_AT_ONCE = 8192
_LONGEST_CELL = 1 << 20


def read_table(path: Path) -> Iterator[dict[str, str]]:
    """Rows as column -> text (empty where there is no value), in the file's order and never all in memory.

    Args:
        path: ``.parquet``, ``.tsv``, or anything else, taken as CSV: UTF-8, with a line of column names.

    Raises:
        DataError: it is not there, or is no such table.
        MissingDependencyError: it is Parquet and pyarrow is not installed.
    """
    if not path.is_file():
        raise DataError(f"a table of pictures must be a CSV or Parquet file; there is no file {path}")
    yield from _parquet(path) if path.suffix.lower() == ".parquet" else _csv(path)


def _csv(path: Path) -> Iterator[dict[str, str]]:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    csv.field_size_limit(_LONGEST_CELL)
    # utf-8-sig: spreadsheets begin a file with a byte order mark. surrogateescape: file names need not be UTF-8.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        reader = csv.DictReader(stream, delimiter=delimiter)
        try:
            if reader.fieldnames is None:
                raise DataError(f"a table must begin with a line of column names, {path} is empty")
            for row in reader:
                if None in row:
                    raise DataError(
                        f"a line must have as many cells as the table has columns ({len(reader.fieldnames)}), got "
                        f"{len(reader.fieldnames) + len(row[None])} in line {reader.line_num} of {path}; quote cells "
                        "that contain the delimiter"
                    )
                yield {name: value or "" for name, value in row.items()}
        except csv.Error as error:
            raise DataError(f"{path} must be CSV, got {error} in line {reader.line_num}") from error


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
    except ArrowException as error:
        raise DataError(f"{path} must be a Parquet file: {' '.join(str(error).split())[:160]}") from error
