"""The files of CIFAR-10 and CIFAR-100 in their original layouts, python and binary.

Format: https://www.cs.toronto.edu/~kriz/cifar.html. A picture is 3072 bytes: 1024 red ones, row by row, then 1024 green
and 1024 blue. A binary record has its label before that, in one byte; CIFAR-100's has two, coarse and fine.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hawklet.errors import DataError
from hawklet.spec import Pixels
from hawklet_trainer.data.importing.cifar_pickle import list_of, read_batch

SIDE = 32
_PIXELS = 3 * SIDE * SIDE
_RECORDS_AT_ONCE = 1000


class Part(NamedTuple):
    """Pictures that follow each other in a file."""

    labels: npt.NDArray[np.int64]
    """``[N]``, numbers of classes."""
    pixels: Pixels
    """``uint8 [N, 32, 32, 3]``, RGB."""


def python_parts(path: Path, label_key: str) -> Iterator[Part]:
    """A pickled batch.

    Args:
        path: Which.
        label_key: ``labels``, ``fine_labels`` or ``coarse_labels``.

    Raises:
        DataError: it is no such batch, see :func:`~hawklet_trainer.data.importing.cifar_pickle.read_batch`.
    """
    batch = read_batch(path)
    labels, pixels = list_of(batch, label_key, path), batch.get("data")
    if not isinstance(pixels, np.ndarray) or pixels.shape != (len(labels), _PIXELS):
        got = list(pixels.shape) if isinstance(pixels, np.ndarray) else "none"
        raise DataError(
            f"a CIFAR batch must have {_PIXELS} bytes for each of {len(labels)} labels, has {got} in {path}"
        )
    if not all(type(label) is int for label in labels):
        raise DataError(f"the labels of a CIFAR batch must be whole numbers, got others in {path}")
    yield Part(np.array(labels, dtype=np.int64), _upright(pixels))


def binary_parts(path: Path, label_bytes: int, column: int) -> Iterator[Part]:
    """A binary file, some records at a time.

    Args:
        path: Which.
        label_bytes: Bytes before each picture.
        column: Which of them is the label.

    Raises:
        DataError: it does not end with a whole record.
    """
    record, size = label_bytes + _PIXELS, path.stat().st_size
    if size % record:
        raise DataError(
            f"a CIFAR file must be whole records of {record} bytes, got {size} bytes in {path}; it is cut short, fetch "
            "it again"
        )
    with path.open("rb") as stream:
        while len(records := np.fromfile(stream, dtype=np.uint8, count=record * _RECORDS_AT_ONCE)):
            table = records.reshape(-1, record)
            yield Part(table[:, column].astype(np.int64), _upright(table[:, label_bytes:]))


def _upright(flat: npt.NDArray[np.uint8]) -> Pixels:
    """``[N, 3072]``, channel after channel, as ``[N, 32, 32, 3]``."""
    upright: Pixels = flat.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
    return upright
