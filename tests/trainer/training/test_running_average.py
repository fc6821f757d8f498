"""The running average of the weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hawklet_trainer.training.running_average import move_toward, share_of_newest


def test_weights_and_statistics_move_by_the_share_and_counters_stay() -> None:
    averaged, net = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
    with torch.no_grad():
        net.weight.fill_(3.0)
    assert net.running_mean is not None and averaged.running_mean is not None
    net.running_mean.fill_(8.0)
    assert net.num_batches_tracked is not None and averaged.num_batches_tracked is not None
    net.num_batches_tracked.fill_(7)
    move_toward(averaged, net, 0.25)
    assert averaged.weight.tolist() == [1.5, 1.5] and averaged.running_mean.tolist() == [2.0, 2.0]
    assert int(averaged.num_batches_tracked) == 0


def test_the_memory_is_short_at_the_start_and_about_an_epoch_later() -> None:
    assert share_of_newest(1, 100) == pytest.approx(0.9)
    assert share_of_newest(10_000, 100) == pytest.approx(0.01)
    assert share_of_newest(10_000, 1) == pytest.approx(0.5)
