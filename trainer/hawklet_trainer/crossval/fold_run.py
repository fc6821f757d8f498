"""One fold: trained, or gone on with where it was broken off, and its test pictures answered."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hawklet.errors import RunError
from hawklet.safefiles import atomic_file
from hawklet.spec import Floats
from hawklet_trainer.data import PhotoSet
from hawklet_trainer.evaluation.answers import Answers, answer, network_model
from hawklet_trainer.evaluation.metrics import measure
from hawklet_trainer.resume import ResumeOptions, resume_run
from hawklet_trainer.run import ARGUMENTS, LABELS, MANIFEST, Run, load_run
from hawklet_trainer.split_file import SPLIT
from hawklet_trainer.train import TrainOptions, train_on
from hawklet_trainer.training.terms import Progress

ANSWERS = "answers.npy"
"""Logits of the fold's test pictures, divided by its run's temperature, so that those of all folds can be pooled;
``float32 [N, C]``, in the order of its split.csv."""


@dataclass(frozen=True)
class FoldFigures:
    """One line of the table of folds."""

    fold: int
    """From 1."""
    run: str
    """Name of its run folder."""
    train: int
    """Pictures."""
    val: int
    test: int
    val_top1: float
    """Percent."""
    top1: float
    """Of the fold's own pictures, percent."""
    macro_f1: float
    """Likewise."""
    best_epoch: int
    seconds: float
    """What training took."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


def fold_folder(folder: Path, number: int) -> Path:
    """Where the run of a fold is, counted from 1."""
    return folder / f"fold-{number}"


def train_fold(
    folder: Path,
    number: int,
    photos: PhotoSet,
    options: TrainOptions,
    progress: Progress,
    say: Callable[[str], None],
) -> FoldFigures:
    """Train a fold, or what is left of its training, and keep what its network answers to its test pictures.

    Args:
        folder: The cross-validation's.
        number: Of the fold, from 1.
        photos: Its pictures; those of the fold itself are ``test``.
        options: How to train.
        progress: Watches.
        say: Called with one line for each thing worth knowing.
    """
    options = replace(options, means=replace(options.means, of_fold=True))
    run = _finished(fold_folder(folder, number), photos, options, progress, say)
    answers = answer(
        network_model(run.build(), run.pixel_zero_point, run.pixel_scale), photos.items("test"), run.spec, run.labels
    )
    answers = replace(answers, raw=(answers.raw / _temperature(run)).astype(np.float32))
    with atomic_file(run.folder / ANSWERS) as stream:
        np.save(stream, answers.raw, allow_pickle=False)
    return _figures(number, run, photos, answers)


def _temperature(run: Run) -> float:
    """Fitted on the fold's val pictures; its test pictures had no part in it."""
    scaling = run.manifest.get("scaling")
    return float(scaling["temperature"]) if scaling else 1.0


def read_answers(folder: Path, number: int, photos: PhotoSet) -> Answers:
    """What a fold that is done answered to its test pictures.

    Raises:
        RunError: the file is gone or is not that.
    """
    path = fold_folder(folder, number) / ANSWERS
    tested = photos.items("test")
    try:
        raw: Floats = np.load(path, allow_pickle=False)
        if raw.shape != (len(tested), len(photos.labels)) or raw.dtype != np.float32:
            raise ValueError(f"{raw.dtype} {list(raw.shape)}")
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:160]
        raise RunError(
            f"fold {number} is said to be done, but {path} does not hold its answers ({reason}); delete {folder} and "
            "begin anew"
        ) from error
    return Answers(tuple(tested), photos.labels, raw)


def delete_weights(folder: Path, number: int) -> None:
    """Delete the weights of a fold that is done; its report and its other files stay."""
    shutil.rmtree(fold_folder(folder, number) / "weights", ignore_errors=True)


def _finished(
    folder: Path, photos: PhotoSet, options: TrainOptions, progress: Progress, say: Callable[[str], None]
) -> Run:
    if (folder / MANIFEST).is_file():  # broken off between its training and its answers
        return load_run(folder, options.model)
    if all((folder / name).is_file() for name in (ARGUMENTS, LABELS, SPLIT)):
        broken = ResumeOptions(folder, photos.folder, {"model": options.model}, options.means)
        return resume_run(broken, progress, say).run
    shutil.rmtree(folder, ignore_errors=True)  # made, and broken off before anything was in it
    return train_on(photos, replace(options, out=folder.parent, name=folder.name), progress, say).run


def _figures(number: int, run: Run, photos: PhotoSet, answers: Answers) -> FoldFigures:
    counts, metrics = photos.counts(), measure(answers.truth, answers.raw, answers.labels)
    return FoldFigures(
        fold=number,
        run=run.folder.name,
        train=counts["train"],
        val=counts["val"],
        test=counts["test"],
        val_top1=run.manifest["metrics"]["val"]["top1"],
        top1=metrics.top1,
        macro_f1=metrics.macro_f1,
        best_epoch=run.manifest["training"]["best_epoch"],
        seconds=run.manifest["training"]["seconds"],
    )
