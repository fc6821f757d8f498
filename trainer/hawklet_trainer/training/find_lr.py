"""The learning-rate range test (L. Smith, "Cyclical learning rates for training neural networks", 2017).

The network learns for a few dozen steps while the rate rises from next to nothing; beyond the rate up to which the loss
stays at its lowest the rate is too high, and a tenth of that is a good highest rate. The loss of a head that is trained
already falls hardly or not at all before it rises, so that where it is lowest is chance: what lies within the noise of
its running average counts as lowest too. For the same reason no single loss ends the test.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from hawklet.errors import TrainingError
from hawklet.spec import Pixels, PreprocessSpec
from hawklet_trainer.augment import make_augmentation, make_mixing, source_spec
from hawklet_trainer.data import Loading, PhotoSet, PixelSource
from hawklet_trainer.data.workers import Indices, telling_of_killed_workers
from hawklet_trainer.training.class_balance import balancing_weights
from hawklet_trainer.training.epoch_plan import plan_epoch
from hawklet_trainer.training.head_dropout import hiding_features
from hawklet_trainer.training.learner import Batch, Learner
from hawklet_trainer.training.loss import TrainingLoss
from hawklet_trainer.training.modes import training_mode
from hawklet_trainer.training.parameter_groups import ParameterGroups
from hawklet_trainer.training.processes import ALONE
from hawklet_trainer.training.seeds import random_numbers_of
from hawklet_trainer.training.speed import Speed
from hawklet_trainer.training.terms import SILENT, Optimizer, Progress, Step, TrainConfig

_STEPS = 60
_LOWEST = {Optimizer.SGD: 1e-5, Optimizer.ADAM: 1e-6, Optimizer.ADAMW: 1e-6}
_DECADES = 5
_SMOOTHING = 0.8
"""Share of the losses before in the running one."""
_RISEN = 1.5
"""A loss that is surely as many times the lowest has risen; what comes after a rise is no guide."""
_DEVIATIONS = 3.0
"""So many standard deviations are taken for chance."""
_BELOW = 10.0


@dataclass(frozen=True)
class FoundRate:
    """What the test came to."""

    highest: float
    """The highest rate at which the loss was at its lowest."""
    lowest: float
    """That loss."""
    points: tuple[tuple[float, float], ...]
    """Rate and smoothed loss of each step."""

    @property
    def lr(self) -> float:
        """A good highest rate."""
        return self.highest / _BELOW

    def describe(self) -> str:
        """For a person."""
        return (
            f"learning rate: {self.lr:.2g} (in {len(self.points)} steps with a rising rate the loss was at its lowest, "
            f"{self.lowest:.3f}, up to {self.highest:.2g}; a tenth of that)"
        )


def find_lr(
    net: nn.Module,
    photos: PhotoSet,
    spec: PreprocessSpec,
    zp: int,
    scale: float,
    config: TrainConfig,
    *,
    blocks: Sequence[Iterable[nn.Parameter]] = (),
    progress: Progress = SILENT,
    loading: Loading | None = None,
) -> FoundRate | None:
    """Run the test on the CPU or GPU; arguments as for :func:`~hawklet_trainer.training.loop.fine_tune`.

    All blocks learn, and from the labels alone: ``config.unfreeze`` and what concerns a teacher are not used.

    Args:
        net: Learns; in the end it has its weights again, on the CPU and in evaluation mode.
        photos: Its training pictures are used.
        spec: The preprocessing contract.
        zp: Pixel value that becomes 0.
        scale: ``x = (pixel - zp) * scale``.
        config: How the training will be, but for the rate.
        blocks: Parameters of the network's blocks, from the stem to the head, for ``config.layer_decay``.
        progress: Watches, and may ask to stop.
        loading: How pictures are read.

    Returns:
        What was found; None where it was asked to stop.

    Raises:
        TrainingError: the first loss is no number.
        DataError: a process that reads pictures was killed.
        UsageError: features are to be hidden from the head of a network without a linear layer.
    """
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    source = PixelSource(
        photos.items("train"), source_spec(spec), loading, make_augmentation(config.augment, spec, config.flip)
    )
    mix = make_mixing(config.mixing, len(photos.labels))
    try:
        net.to(ALONE.device)
        Speed().lay_out(net)
        training_mode(net, config.freeze_batch_norm)
        groups = ParameterGroups(net, blocks, config)
        loss = TrainingLoss(config, balancing_weights(photos, config.balance, ALONE.device))
        learner = Learner(net, groups, loss, mix, (zp, scale), Speed(), ALONE, clip=config.clip)
        told = telling_of_killed_workers()
        with told, random_numbers_of(config.seed, 0), hiding_features(net, config.dropout):
            return _rising(learner, _steps(source, len(photos.labels), config), config.optimizer, progress)
    finally:
        net.load_state_dict(before)
        net.zero_grad(set_to_none=True)
        net.to("cpu").eval()


def _steps(source: PixelSource, classes: int, config: TrainConfig) -> Iterator[list[Batch]]:
    """Every step's batches, epoch by epoch."""
    while True:
        plan = plan_epoch(source, classes, config, ALONE)
        batches = source.batches(plan.batches)
        for step in range(plan.steps):
            yield [_batch(source, *next(batches), plan.shares[number]) for number in plan.of_step(step)]


def _batch(source: PixelSource, chosen: Indices, pixels: Pixels, share: float) -> Batch:
    return Batch(pixels, torch.from_numpy(source.label_indices[chosen]), share)


def _rising(
    learner: Learner, steps: Iterator[list[Batch]], optimizer: Optimizer, progress: Progress = SILENT
) -> FoundRate | None:
    progress.phase("learning rate", _STEPS)
    points: list[tuple[float, float]] = []
    losses: list[float] = []
    running = 0.0
    for number, batches in zip(range(_STEPS), steps, strict=False):
        lr = _LOWEST[optimizer] * 10.0 ** (_DECADES * number / (_STEPS - 1))
        learned = learner.gradients(batches)
        losses.append(learned.loss / learned.pictures)
        if not math.isfinite(losses[-1]):
            break
        running = _SMOOTHING * running + (1.0 - _SMOOTHING) * losses[-1]
        points.append((lr, running / (1.0 - _SMOOTHING ** (number + 1))))  # as if losses before had been like the first
        learner.step(lr)
        progress.step(Step(pictures=learned.pictures))
        if progress.should_stop():
            return None
    if not points:
        raise TrainingError(
            f"a training's first loss must be a number, got {losses[0]}; look at the pictures and weights, or set --lr "
            "yourself"
        )
    return _judged(points, _noise(losses[: len(points)]))


def _judged(points: Sequence[tuple[float, float]], noise: Sequence[float]) -> FoundRate:
    """What the points say up to where the loss clearly rose."""
    bound, before = math.inf, []
    for (lr, loss), each in zip(points, noise, strict=True):
        if loss - each > _RISEN * bound:
            break
        bound = min(bound, loss + each)
        before.append((lr, loss))
    highest = max(lr for lr, loss in before if loss <= bound)
    return FoundRate(highest, min(loss for _, loss in before), tuple(points))


def _noise(losses: Sequence[float]) -> Sequence[float]:
    """By how much each running average may differ by chance alone, from how much neighbouring losses do while the rate
    is still low."""
    neighbours = np.diff(losses[: max(2, len(losses) // 2)])
    of_one = float(np.sqrt(np.mean(neighbours**2) / 2.0)) if len(neighbours) else 0.0
    forgotten = _SMOOTHING ** np.arange(1, len(losses) + 1)
    share = (1.0 - _SMOOTHING) / (1.0 + _SMOOTHING) * (1.0 + forgotten) / (1.0 - forgotten)  # of one loss's variance
    return (_DEVIATIONS * of_one * np.sqrt(share)).tolist()  # type: ignore[no-any-return]  # a list of floats
