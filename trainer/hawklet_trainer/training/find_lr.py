"""The learning-rate range test (L. Smith, "Cyclical learning rates for training neural networks", 2017).

A copy of the network learns for a few dozen steps while the rate rises from next to nothing; where the loss has fallen
furthest the rate is about to be too high, and a tenth of that is a good highest rate.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from hawklet.errors import TrainingError
from hawklet.spec import PreprocessSpec
from hawklet_trainer.augment import make_augmentation, make_mixing, source_spec
from hawklet_trainer.data import Loading, PhotoSet, PixelSource
from hawklet_trainer.training.learner import Batch, Learner
from hawklet_trainer.training.loss import TrainingLoss
from hawklet_trainer.training.modes import training_mode
from hawklet_trainer.training.parameter_groups import ParameterGroups
from hawklet_trainer.training.processes import ALONE
from hawklet_trainer.training.seeds import random_numbers_of
from hawklet_trainer.training.speed import Speed
from hawklet_trainer.training.terms import Optimizer, TrainConfig

_STEPS = 60
_LOWEST = {Optimizer.SGD: 1e-5, Optimizer.ADAM: 1e-6, Optimizer.ADAMW: 1e-6}
_DECADES = 5
_SMOOTHING = 0.8
"""Share of the losses before in the running one."""
_TOO_HIGH = 2.0
"""A loss that is as many times the lowest ends the test."""
_BELOW = 10.0


@dataclass(frozen=True)
class FoundRate:
    """What the test came to."""

    lr: float
    """A good highest rate."""
    points: tuple[tuple[float, float], ...]
    """Rate and smoothed loss of each step."""

    def describe(self) -> str:
        """For a person."""
        best, loss = min(self.points, key=lambda point: point[1])
        return (
            f"learning rate: {self.lr:.2g} (in {len(self.points)} steps with a rising rate the loss was lowest, "
            f"{loss:.3f}, at {best:.2g}; a tenth of that)"
        )


def find_lr(
    net: nn.Module,
    photos: PhotoSet,
    spec: PreprocessSpec,
    zp: int,
    scale: float,
    config: TrainConfig,
    loading: Loading | None = None,
) -> FoundRate:
    """Run the test on the CPU or GPU; arguments as for :func:`~hawklet_trainer.training.loop.fine_tune`.

    Args:
        net: A copy of it learns; it is left as it is.
        photos: Its training pictures are used.
        spec: The preprocessing contract.
        zp: Pixel value that becomes 0.
        scale: ``x = (pixel - zp) * scale``.
        config: How the training will be, but for the rate.
        loading: How pictures are read.
    """
    trial = copy.deepcopy(net).to(ALONE.device)
    Speed().lay_out(trial)
    training_mode(trial, config.freeze_batch_norm)
    source = PixelSource(
        photos.items("train"), source_spec(spec), loading, make_augmentation(config.augment, spec, config.flip)
    )
    groups = ParameterGroups(trial, (), config)
    mix = make_mixing(config.mixing, len(photos.labels))
    learner = Learner(trial, groups, TrainingLoss(config), mix, (zp, scale), Speed(), ALONE, clip=config.clip)
    with random_numbers_of(config.seed, 0):
        return _rising(learner, _batches(source, config.batch), config.optimizer)


def _batches(source: PixelSource, size: int) -> Iterator[Batch]:
    """As many as the test has steps."""
    epochs = math.ceil(_STEPS / math.ceil(len(source) / size))
    order = [part for _ in range(epochs) for part in np.array_split(source.shuffled().numpy(), -(-len(source) // size))]
    for chosen, pixels in source.batches(order[:_STEPS]):
        yield Batch(pixels, torch.from_numpy(source.label_indices[chosen]), 1.0)


def _rising(learner: Learner, batches: Iterator[Batch], optimizer: Optimizer) -> FoundRate:
    points: list[tuple[float, float]] = []
    running, lowest = 0.0, math.inf
    for number, batch in enumerate(batches):
        lr = _LOWEST[optimizer] * 10.0 ** (_DECADES * number / (_STEPS - 1))
        learned = learner.gradients([batch])
        running = _SMOOTHING * running + (1.0 - _SMOOTHING) * learned.loss / learned.pictures
        loss = running / (1.0 - _SMOOTHING ** (number + 1))  # as if the losses before the first had been like it
        if not loss < _TOO_HIGH * lowest:  # nor is nan
            break
        lowest = min(lowest, loss)
        points.append((lr, loss))
        learner.step(lr)
    if not points:
        raise TrainingError(
            "a training's first loss must be a number, got nan; look at the pictures and weights, or set --lr yourself"
        )
    best = min(points, key=lambda point: point[1])[0]
    return FoundRate(best / _BELOW, tuple(points))
