"""Which pictures make which step of an epoch, in every process.

Every picture of an epoch is in exactly one batch of exactly one process. All processes take the same number of steps,
and a picture counts the same whichever process it is in, so that several processes learn what one would.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from hawklet.errors import UsageError
from hawklet_trainer.data import PixelSource
from hawklet_trainer.data.workers import Indices
from hawklet_trainer.training.class_balance import balanced_order
from hawklet_trainer.training.processes import Processes
from hawklet_trainer.training.terms import Balance, TrainConfig


@dataclass(frozen=True)
class EpochPlan:
    """One epoch's batches."""

    batches: list[Indices]
    """This process's, each ``int64 [n]``."""
    shares: list[float]
    """What each of them counts in its step's gradient."""
    accumulate: int
    """Batches of a step; the last step may have fewer."""

    @property
    def steps(self) -> int:
        """How many there are."""
        return -(-len(self.batches) // self.accumulate)

    def of_step(self, step: int) -> range:
        """Numbers of that step's batches."""
        return range(step * self.accumulate, min(len(self.batches), (step + 1) * self.accumulate))


def steps_of(count: int, config: TrainConfig) -> int:
    """How many steps an epoch of so many pictures has, as a rule."""
    return -(-count // (config.batch * config.accumulate))


def plan_epoch(source: PixelSource, classes: int, config: TrainConfig, processes: Processes) -> EpochPlan:
    """Draw an epoch's order with torch's random numbers, which must be the same in all processes.

    Args:
        source: The training pictures.
        classes: C.
        config: ``batch``, ``accumulate``, ``balance`` and ``freeze_batch_norm`` are used.
        processes: Those that train together.

    Raises:
        UsageError: there are fewer shards than processes.
    """
    order = _order(source, classes, config, processes.rank, processes.world).numpy()
    lengths = processes.gather(len(order))
    count = _batches(lengths, config)
    sizes = np.array([_sizes(length, count) for length in lengths])
    batches = np.array_split(order, count)
    plan = EpochPlan(batches, [0.0] * count, config.accumulate)
    for step in range(plan.steps):
        numbers = plan.of_step(step)
        whole = int(sizes[:, numbers].sum())
        for number in numbers:
            plan.shares[number] = processes.world * len(batches[number]) / whole
    return plan


def _batches(lengths: list[int], config: TrainConfig) -> int:
    """Into how many parts every process cuts its pictures: none is empty, or of one picture where batch norms learn."""
    if min(lengths) == 0:
        raise UsageError(
            f"{len(lengths)} processes (--devices, --nodes) need as many pictures, or shards, but one gets none; use "
            "fewer"
        )
    least = 1 if config.freeze_batch_norm else 2
    return max(1, min(-(-sum(lengths) // config.batch), min(lengths) // least))


def _order(source: PixelSource, classes: int, config: TrainConfig, rank: int, world: int) -> torch.Tensor:
    if config.balance is Balance.SAMPLING:
        return balanced_order(source.label_indices, classes, rank, world)
    return source.shuffled(rank, world)


def _sizes(length: int, count: int) -> list[int]:
    """Of the parts that numpy's array_split cuts so many pictures into."""
    most, more = divmod(length, count)
    return [most + 1] * more + [most] * (count - more)
