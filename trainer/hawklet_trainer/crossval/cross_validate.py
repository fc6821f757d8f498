"""A cross-validation from start to end: photos and options in, a folder with a run for each fold out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hawklet.errors import DataError, ImageError, RunError, UsageError
from hawklet_trainer.conditions import conditions_of, digest_of, require_same
from hawklet_trainer.crossval.fold_run import FoldFigures, delete_weights, read_answers, train_fold
from hawklet_trainer.crossval.folds import Pool, make_folds, pool_of
from hawklet_trainer.crossval.record import (
    RECORD,
    Begun,
    begin,
    read_standing,
    write_out_of_fold,
    write_record,
)
from hawklet_trainer.crossval.report import Content, write_report
from hawklet_trainer.crossval.spread import Spread, spread_of
from hawklet_trainer.crossval.unseen import require_unseen
from hawklet_trainer.data import PhotoSet
from hawklet_trainer.evaluation.analysis import Analysis, analyse
from hawklet_trainer.evaluation.answers import Answers
from hawklet_trainer.run import run_name
from hawklet_trainer.source_photos import read_source
from hawklet_trainer.train import TrainOptions, require_trainable
from hawklet_trainer.training.terms import SILENT, Progress


@dataclass(frozen=True)
class CrossvalOptions:
    """What ``hawklet crossval`` is asked for."""

    training: TrainOptions
    """How every fold is trained; ``out`` and ``name`` are where the whole is kept."""
    folds: int = 5
    """At least 2."""
    keep_runs: bool = True
    """Keep the weights of folds that are done; their reports stay in any case."""


@dataclass(frozen=True)
class CrossvalResult:
    """What a cross-validation came to."""

    folder: Path
    begun: Begun
    folds: tuple[FoldFigures, ...]
    top1: Spread
    """Percent."""
    macro_f1: Spread
    """Percent."""
    analysis: Analysis
    """Of all pictures, each answered by the network that was trained without it; fold after fold."""

    def summary(self) -> dict[str, Any]:
        """What crossval.json says of the whole; plain JSON types."""
        return {
            "top1": self.top1.to_dict(),
            "macro_f1": self.macro_f1.to_dict(),
            "out_of_fold": self.analysis.figures(),
        }


def cross_validate(
    options: CrossvalOptions, progress: Progress = SILENT, say: Callable[[str], None] = lambda line: None
) -> CrossvalResult:
    """Train a network for each fold, and test it on that fold.

    Where the folder is there already it goes on: folds that are done are kept, one that was broken off goes on as
    :func:`~hawklet_trainer.resume.resume_run` does.

    Args:
        options: What to do.
        progress: Watches every training.
        say: Called with one line for each thing worth knowing.

    Raises:
        DataError: the photos cannot be trained on, or not in so many folds.
        RunError: the folder is something else, or began with other options or pictures.
        UsageError: an option cannot be meant.
        WeightsError: the pretrained weights cannot be had.
    """
    training = options.training
    if options.folds < 2:
        raise UsageError(f"--folds must be 2 or more, got {options.folds}")
    require_trainable(training)
    name = _name(training)
    folder = training.out.expanduser() / name
    if folder.exists() and not (folder / RECORD).is_file() and any(folder.iterdir()):
        raise RunError(f"{folder} is there already and is no cross-validation; give --name another")
    pool = _read(training, say)
    folds = make_folds(pool.photos, options.folds, training.config.seed)
    begun, done = _begin(folder, name, options, pool, folds)
    for number, photos in enumerate(folds, 1):
        if number in done:
            say(f"fold {number} of {options.folds}: done before, {done[number].top1:.1f} %")
            continue
        say(f"fold {number} of {options.folds}")
        with _saying_how_to_go_on(say):
            done[number] = train_fold(folder, number, photos, training, progress, say)
        write_record(folder, begun, list(done.values()))
        say(f"fold {number} of {options.folds}: {done[number].top1:.1f} % on its own {done[number].test} pictures")
        if not options.keep_runs:
            delete_weights(folder, number)
    return _conclude(folder, begun, done, folds)


@contextmanager
def _saying_how_to_go_on(say: Callable[[str], None]) -> Iterator[None]:
    """A fold that is broken off is not ended early and judged: its figures would be those of another training than the
    other folds'."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, OSError, DataError, ImageError):
        say("broken off; the cross-validation goes on from here with the same command")
        raise


def _name(training: TrainOptions) -> str:
    made = run_name(training.name, training.photos, training.model)
    return made if training.name is not None else f"{made[:88]}-crossval"


def _read(training: TrainOptions, say: Callable[[str], None]) -> Pool:
    source, photos = read_source(training.photos, training.out, training.config.seed, say)
    pool = pool_of(source, photos)
    require_unseen(training, pool.photos, say)
    if pool.held_out:
        say(f"the {pool.held_out} test pictures of {source} are in no fold and are not looked at")
    return pool


def _begin(
    folder: Path, name: str, options: CrossvalOptions, pool: Pool, folds: list[PhotoSet]
) -> tuple[Begun, dict[int, FoldFigures]]:
    """Write down what begins here; or what began before, and the folds of it that are done."""
    conditions = _conditions(options, pool, folds)
    standing = read_standing(folder)
    begun = begin(name, options.folds, conditions, pool.photos, pool.held_out)
    if standing is None:
        write_record(folder, begun, [])
        return begun, {}
    require_same(standing.conditions, conditions, f"the cross-validation in {folder}", "give --name another")
    return Begun(**{**vars(begun), "created": standing.created}), {figures.fold: figures for figures in standing.done}


def _conditions(options: CrossvalOptions, pool: Pool, folds: list[PhotoSet]) -> dict[str, str]:
    return conditions_of(
        options.training,
        folds=options.folds,
        pictures=pool.photos.digest[:16],
        # By content, since the same options may come to other folds with another scikit-learn.
        division=digest_of([[photo.sha256 for photo in photos.items("test")] for photos in folds]),
    )


def _conclude(folder: Path, begun: Begun, done: Mapping[int, FoldFigures], folds: list[PhotoSet]) -> CrossvalResult:
    by_fold = {number: read_answers(folder, number, photos) for number, photos in enumerate(folds, 1)}
    figures = tuple(done[number] for number in by_fold)
    result = CrossvalResult(
        folder=folder,
        begun=begun,
        folds=figures,
        top1=spread_of([of_fold.top1 for of_fold in figures]),
        macro_f1=spread_of([of_fold.macro_f1 for of_fold in figures]),
        analysis=analyse(_joined(list(by_fold.values()))),
    )
    write_out_of_fold(folder, folds[0].folder, by_fold)
    write_report(folder, Content(begun, figures, result.top1, result.macro_f1, result.analysis))
    write_record(folder, begun, figures, result.summary())
    return result


def _joined(parts: list[Answers]) -> Answers:
    photos = tuple(photo for part in parts for photo in part.photos)
    return Answers(photos, parts[0].labels, np.concatenate([part.raw for part in parts]))
