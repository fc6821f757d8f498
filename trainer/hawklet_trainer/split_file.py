"""A run's split.csv: which pictures are in which split. No picture is looked at, and torch is not loaded."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from hawklet.errors import DataError, RunError
from hawklet_trainer.data.table import read_table

SPLIT = "split.csv"
_COLUMNS = {"path", "split", "sha256"}


def split_rows(folder: Path) -> list[dict[str, str]]:
    """The lines of a run folder's split.csv, as column -> text.

    Raises:
        RunError: there is none, or another file.
    """
    path = folder / SPLIT
    if not path.is_file():
        raise RunError(f"a run needs {SPLIT}, there is none in {folder}; train again")
    try:
        rows = list(read_table(path))
    except DataError as error:
        raise RunError(str(error)) from error
    if not rows or not rows[0].keys() >= _COLUMNS:
        raise RunError(f"{SPLIT} needs lines of path,label,split,sha256, which that of {folder} lacks; train again")
    return rows


def splits_by_digest(folder: Path) -> dict[str, str]:
    """Picture's sha256 -> the split of the run that it is in; a picture in several counts as trained on.

    Raises:
        RunError: the run has no split.csv.
    """
    rows = sorted(split_rows(folder), key=lambda row: row["split"] == "train")
    return {row["sha256"]: row["split"] for row in rows}


def learned_from(folder: Path, splits: Collection[str] = ("train",)) -> set[str]:
    """Digests of the pictures that a run has in these splits; empty where the folder has no split.csv.

    Raises:
        RunError: it is another file.
    """
    folder = folder.expanduser()
    rows = split_rows(folder) if (folder / SPLIT).is_file() else []
    return {row["sha256"] for row in rows if row["split"] in splits}
