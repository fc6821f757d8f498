"""What a cross-validation writes down: ``crossval.json``, after every fold, and ``out_of_fold.csv``."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from hawklet import __version__
from hawklet.errors import RunError
from hawklet.safefiles import write_bytes, write_json
from hawklet_trainer.crossval.fold_run import FoldFigures
from hawklet_trainer.data import PhotoSet
from hawklet_trainer.data.table import line_writer
from hawklet_trainer.evaluation.answers import Answers
from hawklet_trainer.run import versions

SCHEMA = "hawklet-crossval/1"
RECORD = "crossval.json"
OUT_OF_FOLD = "out_of_fold.csv"
_COLUMNS = ("path", "label", "named", "score", "fold", "label_score")


@dataclass(frozen=True)
class Begun:
    """What stays the same from the first fold to the last."""

    name: str
    created: str
    """UTC, ISO 8601."""
    folds: int
    conditions: dict[str, str]
    """See :mod:`hawklet_trainer.conditions`."""
    folder: str
    """Of the photos."""
    digest: str
    """Of all pictures that are in a fold."""
    pictures: int
    held_out: int
    """Test pictures of the source's own, which are in no fold."""
    labels: tuple[str, ...]


def begin(name: str, folds: int, conditions: dict[str, str], photos: PhotoSet, held_out: int) -> Begun:
    """A new one."""
    created = datetime.now(timezone.utc).isoformat(timespec="seconds")
    pictures = len(photos.items("train"))
    return Begun(name, created, folds, conditions, str(photos.folder), photos.digest, pictures, held_out, photos.labels)


def write_record(
    folder: Path, begun: Begun, done: Sequence[FoldFigures], summary: Mapping[str, Any] | None = None
) -> None:
    """Write crossval.json, whole or not at all; ``summary`` once every fold is done."""
    write_json(
        folder / RECORD,
        {
            "schema": SCHEMA,
            "name": begun.name,
            "created": begun.created,
            "hawklet_version": __version__,
            "complete": summary is not None,
            "data": {
                "path": begun.folder,
                "digest": begun.digest,
                "pictures": begun.pictures,
                "held_out": begun.held_out,
            },
            "labels": list(begun.labels),
            "conditions": begun.conditions,
            "folds": [figures.to_dict() for figures in done],
            "summary": summary,
            "versions": versions(),
        },
    )


@dataclass(frozen=True)
class Standing:
    """What crossval.json says of a cross-validation that began before."""

    created: str
    conditions: dict[str, str]
    done: tuple[FoldFigures, ...]


def read_standing(folder: Path) -> Standing | None:
    """Read crossval.json back; None where there is none.

    Raises:
        RunError: it is something else.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["schema"] != SCHEMA:
            raise ValueError(f"schema {record['schema']!r}")
        done = tuple(FoldFigures(**figures) for figures in record["folds"])
        return Standing(record["created"], dict(record["conditions"]), done)
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{path} must be what hawklet crossval wrote ({SCHEMA}), got {type(error).__name__}: {error}; give --name "
            "another"
        ) from error


def write_out_of_fold(folder: Path, photos_folder: Path, by_fold: Mapping[int, Answers]) -> None:
    """Write out_of_fold.csv: a line for each picture that was tested, in the order of the folds.

    ``score`` is the probability of the name that it was given, ``label_score`` that of its label (a low one may be a
    wrong label); both 0..1. A picture within a shard is named ``path@offset``.
    """
    text = io.StringIO()
    write = line_writer(text)
    write(_COLUMNS)
    for fold, answers in by_fold.items():
        probabilities = np.exp(answers.logs())
        for photo, named, row in zip(answers.photos, answers.named, probabilities, strict=True):
            label, score, of_label = answers.labels[photo.label_index], row[named], row[photo.label_index]
            name = photo.place.name_below(photos_folder)
            write((name, label, answers.labels[named], f"{score:.6f}", fold, f"{of_label:.6f}"))
    # Names of files need not be UTF-8.
    write_bytes(folder / OUT_OF_FOLD, text.getvalue().encode("utf-8", "surrogateescape"))
