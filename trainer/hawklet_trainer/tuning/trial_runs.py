"""The run folders of a study's trials, on this machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path


def run_of(number: int) -> str:
    """Name of a trial's run."""
    return f"trial-{number}"


def is_here(folder: Path, number: int) -> bool:
    """Whether the run of a trial is on this machine, with its weights."""
    return (folder / run_of(number) / "weights").is_dir()


def delete_runs(folder: Path, numbers: Iterable[int]) -> None:
    """Delete what trials left that came to nothing."""
    for number in numbers:
        shutil.rmtree(folder / run_of(number), ignore_errors=True)


def delete_weights(folder: Path, numbers: Iterable[int]) -> None:
    """Delete the weights of trials; their reports stay."""
    for number in numbers:
        shutil.rmtree(folder / run_of(number) / "weights", ignore_errors=True)
