"""Reading TFLite Metadata (labels, normalization) straight from a model's flatbuffer, with the standard library alone.

Source: the TensorFlow Lite schema (``schema.fbs``, identifier TFL3) and its metadata schema
(``metadata_schema.fbs``, identifier M001). Label files ride as a zip appended to the model.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator

_MODEL_BUFFERS, _MODEL_METADATA = 4, 6
_NORMALIZATION_OPTIONS = 1  # number in the union ProcessUnitOptions
_MAX_LABEL_BYTES = 4_000_000
_MAX_TABLES = 200_000
"""Tables that are visited in one file: a crafted one may list the same few a million times, in one another."""


class _Table:
    """One flatbuffer table: fields are reached by number, and absent ones are None."""

    def __init__(self, data: bytes, position: int, visits: Iterator[int]) -> None:
        self._data = data
        self._visits = visits
        self._position = position
        self._vtable = position - struct.unpack_from("<i", data, position)[0]

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, struct.unpack_from("<I", data, 0)[0], iter(range(_MAX_TABLES)))

    def _field(self, number: int) -> int | None:
        slot = 4 + 2 * number
        if slot >= struct.unpack_from("<H", self._data, self._vtable)[0]:
            return None
        offset = struct.unpack_from("<H", self._data, self._vtable + slot)[0]
        return self._position + offset if offset else None

    def _follow(self, position: int) -> int:
        return int(position + struct.unpack_from("<I", self._data, position)[0])

    def table(self, number: int) -> _Table | None:
        position = self._field(number)
        return None if position is None else _Table(self._data, self._follow(position), self._visits)

    def scalar(self, number: int, code: str) -> int:
        position = self._field(number)
        return 0 if position is None else int(struct.unpack_from("<" + code, self._data, position)[0])

    def _vector(self, number: int) -> tuple[int, int]:
        position = self._field(number)
        if position is None:
            return 0, 0
        start = self._follow(position)
        return start + 4, struct.unpack_from("<I", self._data, start)[0]

    def tables(self, number: int) -> Iterator[_Table]:
        start, length = self._vector(number)
        for index in range(length):
            if next(self._visits, None) is None:
                raise struct.error("too many tables")
            yield _Table(self._data, self._follow(start + 4 * index), self._visits)

    def raw(self, number: int) -> bytes:
        start, length = self._vector(number)
        return self._data[start : start + length]

    def floats(self, number: int) -> list[float]:
        start, length = self._vector(number)
        return list(struct.unpack_from(f"<{length}f", self._data, start))


def read_metadata(model: bytes) -> dict[str, str]:
    """What a ``.tflite`` file says of itself.

    Args:
        model: The whole file.

    Returns:
        Any of ``labels`` (newline-separated), ``mean`` and ``std`` (comma-separated, for pixels in 0..255). A file
        without metadata, or with damaged metadata, gives what can be read of it.
    """
    found: dict[str, str] = {}
    labels = _appended_labels(model)
    if labels is not None:
        found["labels"] = labels
    try:
        normalization = _normalization(model)
    except (struct.error, IndexError):
        normalization = None
    if normalization is not None:
        found["mean"], found["std"] = (",".join(repr(value) for value in values) for values in normalization)
    return found


def _normalization(model: bytes) -> tuple[list[float], list[float]] | None:
    root = _Table.root(model)
    for entry in root.tables(_MODEL_METADATA):
        if entry.raw(0) != b"TFLITE_METADATA":
            continue
        buffers = list(root.tables(_MODEL_BUFFERS))
        for subgraph in _Table.root(buffers[entry.scalar(1, "I")].raw(0)).tables(3):
            for tensor in subgraph.tables(2):
                for unit in tensor.tables(4):
                    options = unit.table(1)
                    if unit.scalar(0, "B") == _NORMALIZATION_OPTIONS and options is not None:
                        return options.floats(0), options.floats(1)
    return None


def _appended_labels(model: bytes) -> str | None:
    try:
        with zipfile.ZipFile(io.BytesIO(model)) as archive:
            for entry in archive.infolist():
                if entry.filename.endswith(".txt") and entry.file_size <= _MAX_LABEL_BYTES:
                    return archive.read(entry).decode("utf-8", errors="replace")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error):
        return None
    return None
