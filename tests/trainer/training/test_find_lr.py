"""The learning-rate range test."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hawklet_trainer.data import read_photos
from hawklet_trainer.training.find_lr import find_lr
from hawklet_trainer.training.terms import Optimizer, TrainConfig
from tiny_networks import SCALE, SPEC, ZERO_POINT, TinyNet


@pytest.mark.parametrize("optimizer", Optimizer)
def test_the_rate_found_is_a_tenth_of_where_the_loss_was_lowest_and_the_network_stays(
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
    assert found.lr == pytest.approx(best[0] / 10) and rates == sorted(rates)
    assert best[1] < found.points[0][1] - 0.1
    assert f"{found.lr:.2g}" in found.describe()
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert find_lr(net, photos, SPEC, ZERO_POINT, SCALE, config) == found
