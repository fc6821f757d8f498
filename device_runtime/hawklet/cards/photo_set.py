"""The data set on disk: a folder of JPEG files per class, drawn on all cores, whole or not at all."""

from __future__ import annotations

import functools
import json
import multiprocessing
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from hawklet import safefiles
from hawklet.cards.photography import CLASSES, photograph
from hawklet.errors import DataError, UsageError

RECORD = ".cards.json"
"""Name of the file in the folder that says what was drawn; it is written last."""

_ARTIST = 1
"""Raised whenever the renderer draws different pictures, so that older folders are drawn anew."""


@dataclass(frozen=True)
class PhotoSet:
    """What decides every pixel of a data set of cards."""

    per_class: int = 160
    """Photos of each class."""
    seed: int = 0
    size: int = 288
    """Width and height of each photo, pixels."""

    def __post_init__(self) -> None:
        if self.per_class < 1:
            raise UsageError(f"a data set needs at least 1 photo per class, got {self.per_class}; set --per-class 160")
        if self.seed < 0:
            raise UsageError(f"a seed must be 0 or more, got {self.seed}; set --seed 0")

    def record(self) -> dict[str, object]:
        return {"artist": _ARTIST, "classes": list(CLASSES), **asdict(self)}

    def is_in(self, folder: Path) -> bool:
        """Say whether ``folder`` holds exactly this data set, complete."""
        if _record_of(folder) != self.record():
            return False
        return all(len(list((folder / name).glob("*.jpg"))) == self.per_class for name in CLASSES)


def write_photo_set(
    folder: Path,
    photos: PhotoSet,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> bool:
    """Draw a data set into ``folder``, one sub-folder of JPEG files per class; a complete one is left as it is.

    The photos depend on ``photos`` alone, not on the number of workers. An interrupted drawing leaves nothing behind
    under the folder's name.

    Args:
        folder: Where to; it is replaced if it holds another data set that this function drew.
        photos: What to draw.
        workers: Processes. More than one are started afresh, so a script that asks for them must have its work
            under ``if __name__ == "__main__":``, as the standard library's ``multiprocessing`` requires.
        progress: Called with the number of photos drawn so far and in total.

    Returns:
        True if it was drawn, False if it was there already.

    Raises:
        DataError: the folder exists and was not drawn by this function, so it is not ours to replace.
    """
    if photos.is_in(folder):
        return False
    if folder.exists() and _record_of(folder) is None and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(
            f"the data set is drawn into a folder of its own, and {folder} holds something else; "
            "move it away or choose another folder with --out"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        _draw_all(partial, photos, workers, progress)
        safefiles.write_json(partial / RECORD, photos.record())
        partial.chmod(0o755)  # mkdtemp makes it private; a data set is an ordinary folder
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return True


def _record_of(folder: Path) -> dict[str, object] | None:
    try:
        record = json.loads((folder / RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def _draw_all(folder: Path, photos: PhotoSet, workers: int, progress: Callable[[int, int], None]) -> None:
    for name in CLASSES:
        (folder / name).mkdir()
    tasks = [(name, number) for number in range(photos.per_class) for name in CLASSES]
    draw = functools.partial(_draw_one, folder, photos)
    progress(0, len(tasks))
    if workers == 1:
        for done, task in enumerate(tasks, 1):
            draw(task)
            progress(done, len(tasks))
        return
    # Not forked: a fork of a program with threads, as numeric libraries start them, may hang.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        for done, _ in enumerate(pool.map(draw, tasks, chunksize=8), 1):
            progress(done, len(tasks))


def _draw_one(folder: Path, photos: PhotoSet, task: tuple[str, int]) -> None:
    name, number = task
    rng = np.random.default_rng([photos.seed, CLASSES.index(name), number])
    picture = Image.fromarray(photograph(name, rng, photos.size))
    picture.save(folder / name / f"{name}-{number:04d}.jpg", quality=92)
