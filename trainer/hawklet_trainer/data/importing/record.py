"""``import.json``: where an index came from, and what of its source is not in it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hawklet.errors import DataError
from hawklet.safefiles import sha256_of, write_json
from hawklet_trainer.data.importing.intake import left_out_lines
from hawklet_trainer.data.index import INDEX
from hawklet_trainer.data.tally import escaped

RECORD = "import.json"
SCHEMA = "hawklet-import/1"


@dataclass(frozen=True)
class Record:
    """What ``import.json`` holds."""

    kind: str
    source: str
    """Absolute path."""
    options: dict[str, Any]
    """The importer's, as plain JSON types."""
    fingerprint: str
    """Of the source's names, sizes and times, see :mod:`hawklet_trainer.data.importing.fingerprint`."""
    pictures: int
    classes: list[str]
    counts: dict[str, dict[str, int]]
    """Class -> split -> pictures."""
    left_out: list[dict[str, Any]]
    """``reason``, ``count`` and the ``first`` names, what is left out most first."""
    notes: list[str]
    """What was guessed."""
    index_sha256: str
    contradicting: int = 0
    """Lines that give a picture another label or group than an earlier one."""

    def write(self, folder: Path) -> None:
        """Write it, whole or not at all."""
        write_json(folder / RECORD, {"schema": SCHEMA, **asdict(self)})

    def lines(self) -> list[str]:
        """One sentence for each reason why something was left out."""
        return left_out_lines(self.left_out)

    def is_of(self, kind: str, source: Path) -> bool:
        """Whether it came from there."""
        return (self.kind, self.source) == (kind, escaped(str(source)))


def read_record(folder: Path) -> Record | None:
    """The record of the import that a folder is; None where it is none.

    Raises:
        DataError: there is an ``import.json``, but not one of ours.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("schema") != SCHEMA:
            raise ValueError("another schema")
        return Record(**values)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{path} must be of the schema {SCHEMA}, got {error}; name a new folder") from error


def is_whole(record: Record, folder: Path) -> bool:
    """Whether the index that was written with the record is still there, as it was."""
    index = folder / INDEX
    return index.is_file() and sha256_of(index) == record.index_sha256
