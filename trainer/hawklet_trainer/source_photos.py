"""The photos that a command names, as a training takes them, with what is wrong with them said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hawklet_trainer.data import PhotoSet, read_photos
from hawklet_trainer.data.importing import for_training


def read_source(photos: Path, runs: Path, seed: int, say: Callable[[str], None]) -> tuple[Path, PhotoSet]:
    """Bring photos in where they are of a foreign layout, check and split them.

    Args:
        photos: The PHOTOS argument.
        runs: Where runs are kept, and imports with them.
        seed: Of the split.
        say: Called with one line for each thing worth knowing.

    Returns:
        What was read: ``photos`` itself, or the import; and the photos in their splits.

    Raises:
        DataError: nothing can be trained on these.
        UsageError: runs would be written among them.
    """
    source = for_training(photos, runs, say)
    return source, checked_photos(source, seed, say)


def checked_photos(source: Path, seed: int, say: Callable[[str], None]) -> PhotoSet:
    """Check and split photos of a layout of ours; what is wrong with them is said.

    Raises:
        DataError: nothing can be trained on these.
    """
    say(f"checking the pictures in {source}")
    found = read_photos(source, seed)
    for warning in found.warnings:
        say(f"warning: {warning}")
    return found
