"""Names of classes that a source numbers: a file with one name a line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hawklet.errors import DataError
from hawklet_trainer.data.importing.importer import described
from hawklet_trainer.data.importing.reasons import NO_LABEL, NO_NAME

CLASS_NAMES = described("File with one name a line, for labels that are numbers from 0 on.")
"""The option that names such a file."""


def read_class_names(path: Path) -> tuple[str, ...]:
    """Names in the order of their numbers, from 0 on.

    Raises:
        DataError: there is no such file, or it has no names, empty ones or two that are equal.
    """
    if not path.is_file():
        raise DataError(f"class names are read from a file with one name a line; there is no file {path}")
    try:
        names = tuple(line.strip() for line in path.read_text(encoding="utf-8-sig").rstrip().splitlines())
    except UnicodeDecodeError as error:
        raise DataError(f"class names must be UTF-8 text, got other bytes in {path}") from error
    if not names or "" in names:
        raise DataError(f"a file of class names must have one on every line, got an empty one in {path}")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"classes must differ by name, got {twice!r} twice in {path}")
    return names


def class_of(label: str, names: Sequence[str]) -> tuple[str, str]:
    """The name of a label's class and nothing; or nothing, and why there is none.

    Args:
        label: A name, or a number from 0 on.
        names: In the order of their numbers; empty: labels are names themselves.
    """
    if not label:
        return "", NO_LABEL
    if not names:
        return label, ""
    if label.isdecimal():
        return (names[int(label)], "") if int(label) < len(names) else ("", NO_NAME)
    return (label, "") if label in names else ("", NO_NAME)
