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
    if config.balance is Balance.SAMPLING:
        batches, sizes = _of_one_order(balanced_order(source.label_indices, classes), config, processes)
    elif source.in_shards:
        batches, sizes = _of_shares(source.shuffled(processes.rank, processes.world), config, processes)
    else:
        batches, sizes = _of_one_order(source.shuffled(), config, processes)
    plan = EpochPlan(batches, [0.0] * len(batches), config.accumulate)
    for step in range(plan.steps):
        numbers = plan.of_step(step)
        whole = sum(sizes[number] for number in numbers)
        for number in numbers:
            plan.shares[number] = processes.world * len(batches[number]) / whole
    return plan


def _of_one_order(order: torch.Tensor, config: TrainConfig, processes: Processes) -> tuple[list[Indices], list[int]]:
    """This process's part of every batch, and the sizes of whole batches, the same however many share them."""
    least = _least(config) * processes.world
    if len(order) < processes.world:
        raise _too_many(processes.world)
    batches = np.array_split(order.numpy(), max(1, min(-(-len(order) // config.batch), len(order) // least)))
    return [batch[processes.rank :: processes.world] for batch in batches], [len(batch) for batch in batches]


def _of_shares(share: torch.Tensor, config: TrainConfig, processes: Processes) -> tuple[list[Indices], list[int]]:
    """Likewise, where every process has shards of its own: each cuts its share into as many batches."""
    lengths = processes.gather(len(share))
    if min(lengths) == 0:
        raise _too_many(len(lengths))
    count = max(1, min(-(-sum(lengths) // config.batch), min(lengths) // _least(config)))
    sizes = np.array([_sizes(length, count) for length in lengths]).sum(axis=0)
    return np.array_split(share.numpy(), count), sizes.tolist()


def _least(config: TrainConfig) -> int:
    """Pictures of a batch in one process: batch norms that learn must have two."""
    return 1 if config.freeze_batch_norm else 2


def _too_many(processes: int) -> UsageError:
    return UsageError(
        f"{processes} processes (--devices, --nodes) need as many pictures, or shards, but one gets none; use fewer"
    )


def _sizes(length: int, count: int) -> list[int]:
    """Of the parts that numpy's array_split cuts so many pictures into."""
    most, more = divmod(length, count)
    return [most + 1] * more + [most] * (count - more)
