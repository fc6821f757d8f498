"""What stays in float is what costs the answer most for its arithmetic."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hawklet_converter.count_macs import count_macs
from hawklet_converter.float_segments import choose_float_segment
from hawklet_converter.fold_batch_norm import fold_batch_norm


@pytest.fixture
def net() -> torch.fx.GraphModule:
    layers = [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return fold_batch_norm(nn.Sequential(*layers, nn.Linear(4, 2)))


PICTURE = torch.zeros(1, 3, 10, 10)
STORED = {"_1", "_3", "_4", "_5", "_6"}  # the convolutions "_0" and "_2" are fused into their rectifiers


def test_multiplications_are_counted_by_layer(net: torch.fx.GraphModule) -> None:
    assert count_macs(net, PICTURE) == {"_0": 64 * 27 * 4, "_2": 36 * 36 * 4, "_6": 8}


def test_a_noisy_output_costs_the_last_layer_alone(net: torch.fx.GraphModule) -> None:
    segment = choose_float_segment(net, PICTURE, {"_1": 0.1, "_6": 1.0}, STORED, share=0.01)
    assert segment.nodes == ("_6",)
    assert segment.layers == ("6",)
    assert segment.macs_share == pytest.approx(8 / (64 * 27 * 4 + 36 * 36 * 4 + 8))


def test_an_activation_stays_in_float_with_all_that_writes_and_reads_it(net: torch.fx.GraphModule) -> None:
    segment = choose_float_segment(net, PICTURE, {"_1": 1.0}, STORED, share=1.0)
    assert segment.nodes == ("_0", "_1", "_2", "_3")
    assert segment.layers == ("0", "2")


def test_what_would_take_more_than_the_share_is_left_in_integers(net: torch.fx.GraphModule) -> None:
    segment = choose_float_segment(net, PICTURE, {"_1": 1.0, "_6": 0.1}, STORED, share=0.5)
    assert segment.layers == ("6",)
