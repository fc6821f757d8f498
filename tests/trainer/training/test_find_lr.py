"""The learning-rate range test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from hawklet_trainer.data import read_photos
from hawklet_trainer.training.find_lr import _rising, find_lr
from hawklet_trainer.training.learner import Batch, Learned
from hawklet_trainer.training.terms import Balance, Optimizer, TrainConfig
from tiny_networks import SCALE, SPEC, ZERO_POINT, TinyNet


@pytest.mark.parametrize("optimizer", Optimizer)
def test_the_rate_found_is_a_tenth_of_the_highest_at_which_the_loss_was_lowest_and_the_network_stays(
    colour_photos: Path, optimizer: Optimizer
) -> None:
    torch.manual_seed(0)
    net = TinyNet(3)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    random = torch.get_rng_state()
    photos = read_photos(colour_photos)
    config = TrainConfig(batch=8, optimizer=optimizer)
    found = find_lr(net, photos, SPEC, ZERO_POINT, SCALE, config)
    rates = [rate for rate, _ in found.points]
    best = min(found.points, key=lambda point: point[1])
    assert best[0] <= found.highest <= rates[-1] and rates == sorted(rates)
    assert found.lr == pytest.approx(found.highest / 10)
    assert best[1] < found.points[0][1] - 0.1
    assert f"{found.lr:.2g}" in found.describe() and f"{found.highest:.2g}" in found.describe()
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert find_lr(net, photos, SPEC, ZERO_POINT, SCALE, config) == found


def test_the_test_learns_as_the_training_will(colour_photos: Path) -> None:
    torch.manual_seed(0)
    net = TinyNet(3)
    photos = read_photos(colour_photos)
    blocks = [list(module.parameters()) for module in net.children()]
    plain = TrainConfig(batch=8)
    found = [
        find_lr(net, photos, SPEC, ZERO_POINT, SCALE, config, blocks=blocks)
        for config in (
            plain,
            TrainConfig(batch=8, layer_decay=0.1),
            TrainConfig(batch=8, dropout=0.5),
            TrainConfig(batch=4, accumulate=2, balance=Balance.SAMPLING),
        )
    ]
    assert len(set(found)) == len(found)


class _Flat:
    """Learns nothing, until the rate is too high for it."""

    def __init__(self, too_high: float):
        self._rng, self._too_high, self._lr = np.random.default_rng(3), too_high, 0.0

    def gradients(self, batches: list[Batch]) -> Learned:
        loss = self._rng.normal(0.5, 0.05) + 0.2 * max(0.0, np.log10(self._lr / self._too_high + 1e-9))
        return Learned(loss=loss, pictures=1)

    def step(self, lr: float) -> None:
        self._lr = lr


def test_where_the_loss_does_not_fall_before_it_rises_chance_does_not_decide() -> None:
    found = [_rising(_Flat(too_high), _nothing(), Optimizer.ADAMW) for too_high in (3e-5, 3e-4, 3e-3)]  # type: ignore[arg-type]
    for too_high, each in zip((3e-5, 3e-4, 3e-3), found, strict=True):
        assert too_high / 10 < each.highest < too_high * 10


def _nothing() -> Iterator[list[Batch]]:
    while True:
        yield []
