"""Parquet files with pictures in them, as Hugging Face's datasets exports them: written out as files."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from hawklet.errors import DataError, MissingDependencyError
from hawklet.images import IMAGE_SUFFIXES

_ROWS_AT_ONCE = 64


@dataclass(frozen=True)
class PackedPicture:
    """One row."""

    data: bytes
    """The picture's file, as it was packed; empty where it is not in the table."""
    label: str


def columns_of(path: Path) -> tuple[str, list[str]]:
    """The column of pictures (empty where there is none) and the other ones."""
    with _opened(path) as table:
        schema = table.schema_arrow
    pictures = [field.name for field in schema if _holds_pictures(field.type)]
    return (pictures[0] if pictures else ""), [name for name in schema.names if name not in pictures]


def read_pictures(path: Path, image_column: str, label_column: str) -> Iterator[PackedPicture]:
    """The rows of a file, some at a time.

    A label that is a number gets its name from the file's own list of names (``ClassLabel``), where there is one.

    Raises:
        DataError: it is no Parquet file, or is damaged.
    """
    from pyarrow import ArrowException

    try:
        with _opened(path) as table:
            names = _class_names(table.schema_arrow.metadata, label_column)
            for batch in table.iter_batches(_ROWS_AT_ONCE, columns=[image_column, label_column]):
                for row in batch.to_pylist():
                    yield PackedPicture((row[image_column] or {}).get("bytes") or b"", _named(row[label_column], names))
    except (ArrowException, UnicodeDecodeError) as error:
        raise _damaged(path, error) from error


def suffix_of(data: bytes) -> str:
    """What a picture file's name is to end with, by its contents; empty where it is none that can be read here."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large pictures, which are refused when they are read
            with Image.open(io.BytesIO(data)) as picture:
                suffix = f".{(picture.format or '').lower()}"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return ""
    return suffix if suffix in IMAGE_SUFFIXES else ""


def _opened(path: Path) -> Any:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise MissingDependencyError.for_extra("pyarrow", "data", "reading Parquet") from error
    try:
        return parquet.ParquetFile(path)
    except ArrowException as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} must be a Parquet file: {' '.join(str(error).split())[:160]}")


def _holds_pictures(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_struct(kind)) and any(kind.field(i).name == "bytes" for i in range(kind.num_fields))


def _class_names(metadata: dict[bytes, bytes] | None, column: str) -> list[str]:
    """Names by the features that Hugging Face writes into the schema."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return [str(name) for name in features[column]["names"]]
    except (KeyError, TypeError, ValueError, RecursionError):
        return []


def _named(value: object, names: list[str]) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and names:
        return names[value] if 0 <= value < len(names) else ""
    return "" if value is None else str(value)
