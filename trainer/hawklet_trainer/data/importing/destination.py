"""The folder that an import is written into: a new one, or that of an earlier import of the same source."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hawklet.errors import DataError
from hawklet.safefiles import full_disk_named
from hawklet_trainer.data.importing.record import RECORD, is_whole, read_record
from hawklet_trainer.data.index import INDEX

PICTURES = "pictures"
"""Folder of the pictures that an import wrote."""
_STAGE = ".import-"
"""What the folder of an unfinished import begins with; a killed one leaves it."""


@contextlib.contextmanager
def stage(folder: Path, kind: str, source: Path) -> Iterator[Path]:
    """A folder within a destination to build an import in, which takes the earlier one's place if the block ends well.

    Whatever happens, the destination has no index but a whole one, and nothing else in it is touched.

    Raises:
        DataError: the destination is not free for an import of this kind and source, see :func:`_refuse_occupied`.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"an import is written into a folder, got the file {folder}; name a new folder")
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder, wait=False), full_disk_named(folder):
            _refuse_occupied(folder, kind, source)
            with _workplace(folder) as work:
                yield work
    except BaseException:
        if made:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def holds_nothing(folder: Path) -> bool:
    """Whether a folder is not there, or has nothing in it but what a killed import left."""
    return not folder.exists() or not _names_in(folder)


def _names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(_STAGE)}


@contextlib.contextmanager
def locked(folder: Path, wait: bool) -> Iterator[None]:
    """Keep other imports out of a folder.

    Raises:
        DataError: another is at work there, and it is not to be waited for.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    except BlockingIOError as error:
        raise DataError(f"one import at a time may write into {folder}, and another does; wait for it") from error
    finally:
        os.close(descriptor)


def _refuse_occupied(folder: Path, kind: str, source: Path) -> None:
    """Refuse a folder with anything in it but an earlier import of this source, as that was written."""
    if holds_nothing(folder):
        return
    names = _names_in(folder)
    record = read_record(folder)
    if record is None or not record.is_of(kind, source) or names - {INDEX, RECORD, PICTURES}:
        strange = sorted(names - {INDEX, RECORD, PICTURES}) or sorted(names)
        raise DataError(
            f"an import needs a new folder or that of an earlier {kind} import of {source}, but {folder} holds "
            f"{strange[0]}; name a new folder"
        )
    if INDEX in names and not is_whole(record, folder):
        raise DataError(
            f"an earlier import is replaced while it is as it was written, but {folder / INDEX} was changed since; "
            "name a new folder, or move it away"
        )


@contextlib.contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    for left in folder.glob(f"{_STAGE}*"):
        shutil.rmtree(left)
    work = Path(tempfile.mkdtemp(dir=folder, prefix=_STAGE))
    try:
        yield work
        _exchange(work, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _exchange(work: Path, folder: Path) -> None:
    """The record comes first, so that what a crash leaves is known for ours; the index is last, and makes it valid."""
    if (work / PICTURES).exists():
        os.sync()  # thousands of small pictures are flushed by one call; each by its own would take minutes
    (folder / INDEX).unlink(missing_ok=True)
    (work / RECORD).replace(folder / RECORD)
    if (folder / PICTURES).exists():
        (folder / PICTURES).rename(work / "old")
    if (work / PICTURES).exists():
        (work / PICTURES).rename(folder / PICTURES)
    (work / INDEX).replace(folder / INDEX)
