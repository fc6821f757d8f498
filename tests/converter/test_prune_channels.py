"""Structured pruning."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hawklet.errors import HawkletError, ModelError, UsageError
from hawklet_converter.prune_channels import parameters, prune_channels
from tiny_networks import SPEC, TinyNet


def test_channels_go_in_eights_and_the_classes_stay() -> None:
    net = TinyNet(5).eval()
    pruned = prune_channels(net, SPEC, 0.5)
    widths = [m.out_channels for m in pruned.modules() if isinstance(m, nn.Conv2d)]
    assert all(width % 8 == 0 for width in widths)
    assert pruned(torch.zeros(1, 3, SPEC.height, SPEC.width)).shape == (1, 5)
    assert parameters(pruned) < 0.5 * parameters(net)
    assert net.stem[0][0].out_channels == 16, "the given network was changed"


@pytest.mark.parametrize("ratio", [-0.1, 0.95, 1.0])
def test_a_ratio_that_would_leave_nothing_is_refused(ratio: float) -> None:
    with pytest.raises(UsageError, match="--prune"):
        prune_channels(TinyNet(3), SPEC, ratio)


def test_a_network_without_a_dense_head_is_refused_by_name() -> None:
    with pytest.raises(ModelError, match="Sequential"):
        prune_channels(nn.Sequential(nn.Conv2d(3, 8, 3)), SPEC, 0.5)


def test_every_refusal_is_one_of_hawklets_own() -> None:
    class Sized(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 16, 1)
            self.head = nn.Linear(16, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.conv(x).mean([2, 3]).reshape(1, 16))

    with pytest.raises(HawkletError):
        prune_channels(Sized(), SPEC, 0.5)
