"""CIFAR's pickled batches, read without running anything that is in them.

A pickle is a program: ``pickle.load`` calls whatever function it names. Here a pickle can reach four names alone, those
that a dictionary of numbers, texts and NumPy arrays of bytes needs, and each of them is an inert stand-in of ours.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hawklet.errors import DataError

_LARGEST = 1 << 30
"""Bytes; the largest batch in use, CIFAR-100's train, has 155 million."""


def read_batch(path: Path) -> dict[str, Any]:
    """The dictionary that a batch or its ``meta`` file holds.

    Returns:
        Keys are text; arrays are ``uint8`` of the shape they were written with; text stays bytes where Python 2 wrote
        it.

    Raises:
        DataError: it is no such pickle, is cut short, or names anything that a batch has no need of.
    """
    size = path.stat().st_size
    if size > _LARGEST:
        raise DataError(f"a CIFAR batch may have {_LARGEST >> 20} MiB at most, got {size >> 20} in {path}")
    data = path.read_bytes()
    try:
        _refuse_greedy(data)
        batch = _plain(_Reader(io.BytesIO(data), encoding="bytes").load())
    except DataError as error:
        raise DataError(f"{path} is no CIFAR batch: {error}") from error
    except Exception as error:
        raise DataError(f"{path} is no CIFAR batch, or is damaged: {_one_line(error)}") from error
    return batch


def list_of(batch: Mapping[str, Any], key: str, path: Path) -> list[Any]:
    """A list that a batch holds.

    Raises:
        DataError: it holds none of that name.
    """
    value = batch.get(key)
    if not isinstance(value, list):
        raise DataError(f"{path} must hold a list called {key}, got {', '.join(map(repr, batch)) or 'nothing'}")
    return value


def text_of(value: object) -> str:
    """Text that Python 2 wrote as bytes, or Python 3 as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


class _Reader(pickle.Unpickler):
    """Finds four names, and nothing else that a pickle asks for."""

    def find_class(self, module: str, name: str) -> _Known:
        """See :meth:`pickle.Unpickler.find_class`."""
        known = _KNOWN.get(f"{module.replace('numpy._core', 'numpy.core')}.{name}")
        if known is None:
            raise DataError(f"it names {module}.{name}, which a batch has no need of; do not use this file")
        return known


class _Known:
    """A name that a pickle may call. An instance and no class or function, so that a pickle cannot change it."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., object]) -> None:
        self._call = call

    def __call__(self, *arguments: object) -> object:
        return self._call(*arguments)

    def __setstate__(self, state: object) -> None:
        raise DataError("it tries to change what it is read with; do not use this file")


class _Type:
    """Stands in for ``numpy.dtype``."""

    __slots__ = ("name",)

    def __init__(self, name: object = b"", *rest: object) -> None:
        self.name = text_of(name)

    def __setstate__(self, state: object) -> None:
        """Byte order and the like, which bytes have none of."""


class _Array:
    """Stands in for ``numpy.ndarray`` until its bytes are there."""

    __slots__ = ("state",)

    def __init__(self, *rest: object) -> None:
        self.state: Any = None

    def __setstate__(self, state: object) -> None:
        self.state = state

    def to_numpy(self) -> npt.NDArray[np.uint8]:
        """The array.

        Raises:
            DataError: it is none of bytes.
        """
        match self.state:
            case (int(), tuple() as shape, _Type(name="u1"), by_column, bytes() as data):
                flat = np.frombuffer(data, dtype=np.uint8)
                return flat.reshape(shape, order="F" if by_column else "C")
        raise DataError("a CIFAR batch's pixels must be an array of bytes (uint8)")


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Stands in for ``_codecs.encode``, by which Python 3 writes bytes for Python 2."""
    if encoding != "latin1":
        raise DataError(f"bytes are written as latin1, got {encoding}")
    return text.encode("latin1")


_ARRAY = _Known(_Array)
_KNOWN = {
    "numpy.core.multiarray._reconstruct": _ARRAY,
    "numpy.ndarray": _ARRAY,
    "numpy.dtype": _Known(_Type),
    "_codecs.encode": _Known(_encode),
}


def _refuse_greedy(data: bytes) -> None:
    """Refuse a memo index beyond the file's length: the reader makes room for as many entries."""
    for code, argument, _ in pickletools.genops(data):
        if code.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > len(data):
            raise DataError(f"it asks for {argument} places of memory; do not use this file")


def _plain(batch: object) -> dict[str, Any]:
    if not isinstance(batch, dict):
        raise DataError(f"it must hold a dictionary, got {type(batch).__name__}")
    named = {text_of(key): value for key, value in batch.items() if isinstance(key, (str, bytes))}
    return {key: value.to_numpy() if isinstance(value, _Array) else value for key, value in named.items()}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
