"""One import from start to end: a source in, ``index.csv`` and ``import.json`` out, both or neither."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hawklet.errors import DataError
from hawklet.safefiles import sha256_of
from hawklet_trainer.data.importing.destination import PICTURES, stage
from hawklet_trainer.data.importing.fingerprint import fingerprint
from hawklet_trainer.data.importing.importer import Importer
from hawklet_trainer.data.importing.intake import Intake, left_out_lines
from hawklet_trainer.data.importing.record import Record
from hawklet_trainer.data.index import INDEX, IndexRow, write_index
from hawklet_trainer.data.tally import Tally, escaped


def import_photos(
    importer: Importer,
    source: Path,
    destination: Path,
    say: Callable[[str], None] = lambda line: None,
    without: Path | None = None,
) -> Record:
    """Import a source. It is read as a stream, pictures that are files are referred to, and nothing of it is changed.

    Args:
        importer: What reads it, with its options.
        source: A file or folder.
        destination: A new folder, or that of an earlier import of the same source, which is replaced.
        say: Called with one line for each guess.
        without: A folder within the source that is none of it, where the destination may lie too.

    Returns:
        What ``import.json`` says.

    Raises:
        DataError: the source is not there or not of that kind, nothing in it can be taken, or the destination holds
            something else.
    """
    source, destination = source.expanduser().resolve(), destination.expanduser().resolve()
    if not source.exists():
        raise DataError(f"an import needs a source that exists; there is no {source}")
    if without is None and (source == destination or source in destination.parents):
        raise DataError(f"an import must be written outside of its source, got {destination} within {source}")
    with stage(destination, importer.kind, source) as work:
        mark = fingerprint(source, without or destination)
        intake, tally = Intake(work / PICTURES, say), Tally()
        rows = _Named(tally.counted(importer.rows(source, intake)))
        write_index(work / INDEX, rows)
        if not tally.total:
            raise DataError(f"nothing in {source} can be imported as {importer.kind}{_why(intake)}")
        if again := rows.again():
            differ = rows.contradicting()
            but = f"; with another label or group, which training refuses: {differ}" if differ else ""
            intake.note(f"lines that name a picture again, which is taken once: {again}{but}")
        record = Record(
            importer.kind,
            escaped(str(source)),
            options_of(importer),
            mark,
            tally.total,
            [escaped(label) for label in tally.classes],
            tally.to_dict(),
            intake.left_out.to_list(),
            intake.notes,
            sha256_of(work / INDEX),
            rows.contradicting(),
        )
        record.write(work)
    return record


class _Named:
    """Rows as they pass, of which it remembers 16 bytes each; paths count as an index that is read takes them."""

    def __init__(self, rows: Iterable[IndexRow]) -> None:
        self._rows = rows
        self._pictures, self._said = array("q"), array("q")

    def __iter__(self) -> Iterator[IndexRow]:
        for row in self._rows:
            picture = (os.path.normpath(row.place.path), row.place.span)
            self._pictures.append(hash(picture))
            self._said.append(hash((picture, row.label, row.place.group)))
            yield row

    def again(self) -> int:
        """How many named a picture that an earlier one had named."""
        return len(self._pictures) - _different(self._pictures)

    def contradicting(self) -> int:
        """How many of these gave it another label or group."""
        return _different(self._said) - _different(self._pictures)


def _different(hashes: array[int]) -> int:
    return len(np.unique(np.frombuffer(hashes, np.int64)))


def options_of(importer: Importer) -> dict[str, Any]:
    """An importer's options as plain JSON types."""
    if not is_dataclass(importer):
        return {}
    values = {field.name: getattr(importer, field.name) for field in fields(importer)}
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value.expanduser().resolve())
    return list(value) if isinstance(value, tuple) else value


def _why(intake: Intake) -> str:
    lines = left_out_lines(intake.left_out.to_list())
    return f": {lines[0]}" if lines else "; it names no pictures"
