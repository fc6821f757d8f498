"""Every picture of an epoch is in exactly one batch of one process, and counts as much wherever it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from hawklet.errors import UsageError
from hawklet_trainer.data import PixelSource, read_photos
from hawklet_trainer.training.epoch_plan import EpochPlan, plan_epoch, steps_of
from hawklet_trainer.training.processes import Processes
from hawklet_trainer.training.terms import Balance, TrainConfig
from tiny_networks import SPEC


class _OneOf(Processes):
    """A process that knows how many pictures the others have."""

    def __init__(self, rank: int, world: int, lengths: list[int]):
        self.rank, self.world, self._lengths = rank, world, lengths

    def gather(self, value: int) -> list[int]:
        return self._lengths


@pytest.fixture
def source(draw_photos: Callable[..., Path]) -> PixelSource:
    photos = read_photos(draw_photos(13)).items("train")
    assert len(photos) == 27
    return PixelSource(photos, SPEC)


def _plans(source: PixelSource, world: int, config: TrainConfig) -> list[EpochPlan]:
    lengths = [len(range(rank, len(source), world)) for rank in range(world)]
    plans = []
    for rank in range(world):
        torch.manual_seed(3)
        plans.append(plan_epoch(source, 3, config, _OneOf(rank, world, lengths)))
    return plans


@pytest.mark.parametrize("world", [1, 2, 3, 5])
@pytest.mark.parametrize(("batch", "accumulate"), [(8, 1), (8, 3), (32, 1), (10, 2)])
def test_every_picture_is_learned_once_and_counts_the_same(
    source: PixelSource, world: int, batch: int, accumulate: int
) -> None:
    config = TrainConfig(batch=batch, accumulate=accumulate, freeze_batch_norm=True)
    plans = _plans(source, world, config)
    assert {plan.steps for plan in plans} == {steps_of(27, config)}
    assert sorted(np.concatenate([part for plan in plans for part in plan.batches])) == list(range(27))
    for step in range(plans[0].steps):
        numbers = plans[0].of_step(step)
        sizes = np.array([[len(plan.batches[n]) for n in numbers] for plan in plans])
        # Torch averages over processes and the loss over a batch's pictures; what is left is what one picture counts.
        counts = np.array([[plan.shares[n] for n in numbers] for plan in plans]) / sizes / world
        assert counts == pytest.approx(np.full(counts.shape, 1 / sizes.sum()))


def test_an_epoch_has_as_many_steps_as_full_batches_and_one_for_the_rest() -> None:
    for count in (33, 64, 65):
        assert steps_of(count, TrainConfig(batch=32)) == -(-count // 32)


def test_no_batch_is_of_one_picture_where_batch_norms_learn(source: PixelSource) -> None:
    [plan] = _plans(source, 1, TrainConfig(batch=2))
    assert min(len(batch) for batch in plan.batches) == 2


def test_a_balanced_epoch_is_as_long_as_one_that_is_not(source: PixelSource) -> None:
    config = TrainConfig(batch=8, balance=Balance.SAMPLING)
    assert sum(len(batch) for plan in _plans(source, 2, config) for batch in plan.batches) == 27


def test_a_step_is_of_the_same_pictures_however_many_processes_share_it(source: PixelSource) -> None:
    config = TrainConfig(batch=8)
    [alone] = _plans(source, 1, config)
    shared = _plans(source, 3, config)
    for number, batch in enumerate(alone.batches):
        assert sorted(batch) == sorted(np.concatenate([plan.batches[number] for plan in shared]))


def test_fewer_pictures_than_processes_are_refused(source: PixelSource) -> None:
    with pytest.raises(UsageError, match="use fewer"):
        plan_epoch(source, 3, TrainConfig(batch=8), _OneOf(0, 28, []))


def test_processes_with_shards_of_their_own_take_as_many_steps(
    source: PixelSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = (torch.arange(12), torch.arange(12, 27))
    monkeypatch.setattr(PixelSource, "in_shards", True)
    monkeypatch.setattr(PixelSource, "shuffled", lambda _, rank, world: shares[rank])
    config = TrainConfig(batch=8, freeze_batch_norm=True)
    plans = [plan_epoch(source, 3, config, _OneOf(rank, 2, [12, 15])) for rank in (0, 1)]
    assert plans[0].steps == plans[1].steps == 4
    assert sorted(np.concatenate([part for plan in plans for part in plan.batches])) == list(range(27))


def test_a_process_without_shards_is_refused(source: PixelSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PixelSource, "in_shards", True)
    with pytest.raises(UsageError, match="use fewer"):
        plan_epoch(source, 3, TrainConfig(batch=8), _OneOf(0, 2, [14, 0]))
