"""Frozen records from plain JSON, checked against their own type annotations."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from hawklet.errors import ResultError

_Record = TypeVar("_Record")
_LARGEST_WHOLE = 1 << 53  # beyond it a float no longer holds every whole number


def record_from(kind: type[_Record], data: Any, where: str = "result") -> _Record:
    """Build the frozen dataclass ``kind`` from a JSON object.

    Nested dataclasses, ``tuple[X, ...]``, ``Mapping[str, X]``, ``X | None``, ``str``, ``int``, ``float`` and ``bool``
    are understood; a whole number is taken where a float is asked for. Unknown fields are refused.

    Raises:
        ResultError: a field is missing, unknown or of another type; the message names it.
    """
    if not isinstance(data, Mapping):
        raise ResultError(f"{where} must be an object, got {_kind_of(data)}")
    assert is_dataclass(kind), kind  # noqa: S101 -- a slip of the caller, not of the data
    hints = get_type_hints(kind)
    names = {field.name for field in fields(kind)}
    if strange := sorted(set(data) - names):
        raise ResultError(f"{where} has the unknown field {strange[0]}; was it written by another version?")
    if missing := sorted(names - set(data)):
        raise ResultError(f"{where} lacks the field {missing[0]}")
    return kind(**{name: _value(hints[name], data[name], f"{where}.{name}") for name in names})


def _value(hint: Any, data: Any, where: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return None if data is None else _value(next(a for a in arguments if a is not type(None)), data, where)
    if origin is tuple:
        if not isinstance(data, list):
            raise ResultError(f"{where} must be a list, got {_kind_of(data)}")
        return tuple(_value(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(data))
    if origin is Mapping:
        if not isinstance(data, Mapping):
            raise ResultError(f"{where} must be an object, got {_kind_of(data)}")
        return {key: _value(arguments[1], item, f"{where}.{key}") for key, item in data.items()}
    if isinstance(hint, type) and is_dataclass(hint):
        return record_from(hint, data, where)
    return _scalar(hint, data, where)


def _scalar(kind: type, data: Any, where: str) -> Any:
    if kind is float and isinstance(data, int) and not isinstance(data, bool) and abs(data) < _LARGEST_WHOLE:
        return float(data)
    if not isinstance(data, kind) or (isinstance(data, bool) and kind is not bool):
        raise ResultError(f"{where} must be a {kind.__name__}, got {_kind_of(data)}")
    return data


def _kind_of(data: Any) -> str:
    return "null" if data is None else f"{type(data).__name__} {str(data)[:40]!r}"
