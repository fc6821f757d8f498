"""Train a network that was made smaller, the unpruned one teaching its answers and its features."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from hawklet.spec import PreprocessSpec
from hawklet_converter.pruning.structure import Structure
from hawklet_converter.work import Work
from hawklet_trainer.augment import Augment, Mix
from hawklet_trainer.training.distil import MatchedLayer
from hawklet_trainer.training.loop import DivergedError, Execution, Teacher, fine_tune
from hawklet_trainer.training.terms import EpochRecord, History, Optimizer, Progress, Schedule, TrainConfig

_LEAST_MINUTES = 1e-3
BY_TIME = 10_000
"""More epochs than there is time for."""
_LR_OF_FITTED, _LR_FROM_NOTHING = 3e-4, 1e-3
"""Faster, trained weights lose at first what fitting them gave; random ones have nothing to lose."""
_FASTER = 3.0
"""Than the run itself learned, at most: a run that asked for a gentle rate is recovered gently too."""
_COURSE = {
    "optimizer": Optimizer.ADAMW,
    "schedule": Schedule.COSINE,
    "weight_decay": None,
    "layer_decay": 1.0,
    "unfreeze": 0,
    "accumulate": 1,
}
"""However the run was trained: the rates above are for these, and all of what was pruned has to learn."""
_CHANNELS_WEIGHT, _SIMILARITY_WEIGHT = 10.0, 100.0
"""What features count beside answers; channel by channel, and as similarities of pictures where widths differ."""


@dataclass(frozen=True)
class Lesson:
    """How one network is taught."""

    teacher: nn.Module
    matched: Sequence[MatchedLayer]
    """Layers whose inputs should be the teacher's; without any, similarities of pictures are matched."""
    enlarged_to: tuple[int, int] | None = None
    """Height and width of the pictures that the teacher sees, where the student's are smaller."""
    trained: bool = True
    """The student comes with trained weights: it learns slowly, and its batch norms have been fitted to its pictures,
    and stay."""


class _Watch(Progress):
    """Says how each epoch went."""

    def __init__(self, work: Work) -> None:
        self._note = work.steps.note

    def resumed(self, records: list[EpochRecord]) -> None:
        if records:
            self._note(f"going on after epoch {records[-1].epoch}, val top-1 {records[-1].val_top1:.1f} %")

    def epoch(self, record: EpochRecord, net: nn.Module, kept: bool) -> None:
        self._note(
            f"epoch {record.epoch:2d}  val top-1 {record.val_top1:5.1f} %  loss {record.val_loss:.4f}"
            f"  {record.seconds:6.1f} s{'' if kept else '  (not kept)'}"
        )


def recover(
    net: nn.Module,
    spec: PreprocessSpec,
    lesson: Lesson,
    epochs: int,
    minutes: float,
    checkpoint: Path,
    work: Work,
) -> tuple[TrainConfig, History]:
    """Train in place until the epochs or the minutes are over; the weights that are nearest on val stay.

    It stops early as the run's own training would, but not where time alone ends it.

    Args:
        net: Ends in evaluation mode.
        spec: What it takes.
        lesson: Who teaches, and what.
        epochs: Most passes over the training pictures; :data:`BY_TIME` where the minutes end it.
        minutes: Most minutes.
        checkpoint: Where every epoch is kept, and where training goes on from if it was interrupted.
        work: The run, its pictures and the seed.

    Returns:
        How it was trained, and how that went.
    """
    run = work.run
    trained = run.config()
    config = run.config(
        epochs=epochs,
        minutes=max(_LEAST_MINUTES, minutes),
        lr=min(_FASTER * trained.highest_lr, _LR_OF_FITTED) if lesson.trained else _LR_FROM_NOTHING,
        # Flips as in training: what made a left arrow a left arrow must hold here too. But no harder pictures than
        # light ones: what is to be learned is how the teacher sees pictures as they are.
        **(
            {"augment": Augment.LIGHT, "mix": Mix.NONE}
            if lesson.trained and trained.augment is not Augment.NONE
            else {}
        ),
        **({} if epochs < BY_TIME else {"patience": epochs}),
        **_COURSE,
        freeze_batch_norm=lesson.trained,
        match_features=_CHANNELS_WEIGHT if lesson.matched else _SIMILARITY_WEIGHT,
        seed=work.request.seed,
    )
    net.requires_grad_(True)
    subject = (work.photos, spec, run.pixel_zero_point, run.pixel_scale)
    teacher, execution = Teacher(lesson.teacher, lesson.matched), Execution(checkpoint=checkpoint)
    with _enlarging(lesson.teacher, lesson.enlarged_to):
        try:
            history = fine_tune(net, *subject, config, teacher=teacher, progress=_Watch(work), execution=execution)
        except DivergedError as error:  # what it was before is no worse
            work.steps.note(str(error))
            history = error.history
    return config, history


@contextlib.contextmanager
def _enlarging(teacher: nn.Module, size: tuple[int, int] | None) -> Iterator[None]:
    """Let the teacher see pictures in its own size."""
    if size is None:
        yield
        return

    def enlarge(_module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor]:
        return (functional.interpolate(inputs[0], size, mode="bilinear"),)

    handle = teacher.register_forward_pre_hook(enlarge)
    try:
        yield
    finally:
        handle.remove()


def layers_that_read(structure: Structure, removal: Mapping[str, Sequence[int]]) -> tuple[MatchedLayer, ...]:
    """What every layer reads of each group, with the channels that remain after a removal."""
    inputs = {layer.name: layer.inputs for layer in structure.layers}
    gone: dict[str, set[int]] = {}
    for group in structure.groups:
        members = set(removal.get(group.name, ()))
        for span in group.spans:
            if not span.makes:
                gone.setdefault(span.layer, set()).update(span.channels_of(members))
    return tuple(
        MatchedLayer(name, tuple(c for c in range(inputs[name]) if c not in lost)) for name, lost in gone.items()
    )
