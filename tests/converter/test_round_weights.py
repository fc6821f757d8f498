"""Adaptive rounding keeps outputs, stays on the grid, and leaves scales alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hawklet_converter.correct_bias import correct_bias
from hawklet_converter.fold_batch_norm import fold_batch_norm
from hawklet_converter.place_layers import layers_of
from hawklet_converter.round_weights import _columns, _output_sides, _positions, round_weights
from hawklet_converter.weight_grid import quantize_weight, weight_scales, weight_scales_of


def _network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 12, 3, 2, 1),
        nn.ReLU(),
        nn.Conv2d(12, 12, 3, 1, 1, groups=12),
        nn.ReLU(),
        nn.Conv2d(12, 8, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 4),
    )


@pytest.fixture
def inputs() -> torch.Tensor:
    draw = torch.Generator().manual_seed(1)
    few = torch.randn(48, 1, 14, 14, generator=draw)
    return torch.cat([few, few + 0.1 * torch.randn(48, 1, 14, 14, generator=draw), -few], dim=1)  # alike, as pixels are


def test_outputs_come_nearer_to_the_float_networks_than_by_rounding_to_nearest(inputs: torch.Tensor) -> None:
    net = fold_batch_norm(_network())
    coarse = set(layers_of(net))
    with torch.no_grad():
        for layer in layers_of(net).values():
            layer.weight[:, 0] *= 12  # a large weight makes the grid of its channel coarse
    adaptive = round_weights(net, inputs, coarse)
    nearest = correct_bias(net, inputs, coarse)
    with torch.no_grad():
        for layer in layers_of(nearest).values():
            layer.weight.copy_(quantize_weight(layer.weight))
    exact = net(inputs)
    errors = [float((network(inputs) - exact).square().mean()) for network in (adaptive, nearest)]
    assert errors[0] < 0.7 * errors[1]


@pytest.mark.parametrize("per_channel", [True, False])
def test_weights_lie_on_the_grid_of_the_scales_that_were_there(inputs: torch.Tensor, per_channel: bool) -> None:
    net = fold_batch_norm(_network())
    rounded = round_weights(net, inputs, set(layers_of(net)), per_channel=per_channel)
    scales = weight_scales(net, per_channel=per_channel)
    for path, layer in layers_of(rounded).items():
        stored = torch.tensor(scales[path]).expand(len(layer.weight))
        scale = stored.reshape(-1, *[1] * (layer.weight.dim() - 1))
        integers = layer.weight / scale
        torch.testing.assert_close(integers, integers.round(), atol=1e-3, rtol=0)
        assert integers.abs().max() <= 127.001
        torch.testing.assert_close(weight_scales_of(layer.weight, per_channel), stored)


def test_the_same_seed_rounds_the_same_way(inputs: torch.Tensor) -> None:
    net = fold_batch_norm(_network())
    first, again = (round_weights(net, inputs, set(layers_of(net)), seed=3) for _ in range(2))
    for path, layer in layers_of(first).items():
        assert torch.equal(layer.weight, layers_of(again)[path].weight)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, 3, 2, 1),
        nn.Conv2d(4, 4, (3, 5), 1, (1, 2), groups=4),
        nn.Conv2d(4, 6, 3, 1, 2, dilation=2),
        nn.Conv2d(4, 8, 1, 2, groups=2),
        nn.Conv2d(4, 6, 3, padding="same"),
        nn.Linear(4, 3),
    ],
)
def test_the_columns_times_the_weights_are_the_layers_output(layer: nn.Conv2d | nn.Linear) -> None:
    value = torch.randn(3, 4) if isinstance(layer, nn.Linear) else torch.randn(3, 4, 9, 7)
    where = _positions(layer, value, torch.Generator().manual_seed(0)).sort().values
    columns = _columns(layer, value, where)
    weight = layer.weight.detach().double().reshape(len(columns), -1, columns.shape[2])
    got = (columns @ weight.transpose(1, 2)).transpose(0, 1).reshape(len(where), -1) + layer.bias.detach().double()
    output = layer(value).detach()
    expected = output if output.dim() == 2 else output.permute(0, 2, 3, 1).reshape(-1, output.shape[1])
    torch.testing.assert_close(got.float(), expected[where])
    assert len(expected) == len(value) * _output_sides(layer, value)[0] * _output_sides(layer, value)[1]
