"""Whether what a training begins with, or learns from, has seen the pictures that it would be tested on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from hawklet.errors import UsageError
from hawklet_trainer.data import PhotoSet
from hawklet_trainer.models.weights import FOLDED_KEY, read_tensors
from hawklet_trainer.split_file import SPLIT, learned_from
from hawklet_trainer.train import TrainOptions

_NO_FILE = ("pretrained", "none")
"""Values of ``--weights`` that name no file."""


def require_unseen(training: TrainOptions, photos: PhotoSet, say: Callable[[str], None]) -> None:
    """Refuse a teacher, or weights, of a run that learned from pictures which are in a fold.

    Every picture is tested, so it would be by a network that knows it, or has been told of it.

    Args:
        training: What is asked for.
        photos: All pictures that are in a fold, as ``train``.
        say: Called with a line where weights of a run do not tell what they have learned from.

    Raises:
        UsageError: there are such pictures.
    """
    tested = {photo.sha256 for photo in photos.items("train")}
    if _tells_nothing(training.weights):
        say(
            f"warning: {training.weights} was trained by hawklet, but is in no run folder that says on which pictures; "
            "if they are among these, every figure is too good"
        )
    for option, run in _runs(training):
        seen = learned_from(run, ("train", "val")) & tested  # val chose its weights
        if seen:
            raise UsageError(
                f"a fold must be tested by a network that knows nothing of it, but {len(seen)} of the {len(tested)} "
                f"pictures were learned from by {run} ({option}); leave that out"
            )


def _runs(training: TrainOptions) -> Iterator[tuple[str, Path]]:
    if training.teacher is not None:
        yield "--teacher", Path(training.teacher)
    if training.weights not in _NO_FILE:
        yield "--weights", _run_of(training.weights)


def _run_of(weights: str) -> Path:
    return Path(weights).expanduser().resolve().parent.parent


def _tells_nothing(weights: str) -> bool:
    """Whether a file of weights is of a run, and is not in its folder."""
    if weights in _NO_FILE or (_run_of(weights) / SPLIT).is_file():
        return False
    return FOLDED_KEY in read_tensors(Path(weights).expanduser())[1]
