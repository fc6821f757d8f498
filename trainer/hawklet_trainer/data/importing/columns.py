"""Tables with a line for each picture: which column holds what, and what a line makes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from hawklet.errors import DataError
from hawklet_trainer.data.importing.class_names import class_of
from hawklet_trainer.data.importing.importer import described
from hawklet_trainer.data.importing.intake import Intake
from hawklet_trainer.data.importing.reasons import MISSING
from hawklet_trainer.data.index import IndexRow
from hawklet_trainer.data.place import Place
from hawklet_trainer.data.table import require_names

LABEL_COLUMN = described("Column of the classes  [default: guessed, and said]")
"""The option that names it."""
_COMMON = {
    "path": ("path", "file_name", "filename", "file", "filepath", "file_path", "image", "image_path", "img"),
    "label": ("label_name", "class_name", "label", "class", "category", "target", "species"),
    "split": ("split", "subset", "set", "partition"),
    "group": ("group", "group_id"),
}
"""What a column of each kind is often called, in any case; names before numbers."""


def guess_column(what: str, columns: Iterable[str]) -> str:
    """The column that by its name holds paths, labels, splits or groups (``path``, ...); empty where none does."""
    by_name = {column.casefold(): column for column in reversed(list(columns))}
    return next((by_name[name] for name in _COMMON[what] if name in by_name), "")


def find_column(what: str, asked: str, columns: Iterable[str], source: Path, intake: Intake) -> str:
    """The column that was asked for, or one of a common name, which is said.

    Args:
        what: ``path``, ``label``, ``split`` or ``group``; of the last two there may be none.
        asked: Empty: guess.
        columns: Those of the table.
        source: The table, for the message.
        intake: Who is told what was guessed.

    Raises:
        DataError: there is no such column, or none to guess.
    """
    columns = list(columns)
    if asked:
        if asked not in columns:
            raise DataError(f"--{what}-column must be a column of {source}, got {asked!r}; it has {', '.join(columns)}")
        return asked
    guessed = guess_column(what, columns)
    if guessed:
        intake.note(f"{what} is taken from the column {guessed}")
    elif what in ("path", "label"):
        require_names(columns, source)
        raise DataError(
            f"a table of pictures needs a column of {what}s, got {', '.join(columns)} in {source}; say which it is: "
            f"--{what}-column NAME"
        )
    return guessed


def row_of(path: Path, label: str, names: Sequence[str], split: str, group: str = "") -> IndexRow | str:
    """A line of the index, or why there is none."""
    name, reason = class_of(label, names)
    # os.path's does not mind a text that is no possible name, as one of a wrong column may be.
    if not os.path.isfile(path):  # noqa: PTH113
        return MISSING
    return reason or IndexRow(Place(path, group=group), name, split)
