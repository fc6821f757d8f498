"""Bias correction."""

from __future__ import annotations

import copy

import torch
from torch import nn

from hawklet_converter.correct_bias import correct_bias
from hawklet_converter.fold_batch_norm import fold_batch_norm
from hawklet_converter.place_layers import movable_layers, place_layers
from hawklet_converter.weight_grid import quantize_weight, weight_scales


def test_after_correction_rounded_weights_leave_the_mean_of_the_output_where_it_was() -> None:
    torch.manual_seed(0)
    net = fold_batch_norm(nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3)))
    with torch.no_grad():
        net.get_submodule("0").weight.mul_(torch.linspace(0.1, 30, 3)[None, :, None, None])  # coarse on small ones
    x = torch.rand(16, 3, 12, 12) + 1
    exact = net(x).mean([0, 2, 3])
    plain = _rounded(net)(x).mean([0, 2, 3])
    corrected = _rounded(correct_bias(net, x, {"0", "2"}))(x).mean([0, 2, 3])
    assert (corrected - exact).abs().max() < 1e-4
    assert (plain - exact).abs().max() > 10 * (corrected - exact).abs().max()


def _rounded(net: nn.Module) -> nn.Module:
    rounded = copy.deepcopy(net)
    for path in ("0", "2"):
        layer = rounded.get_submodule(path)
        layer.weight = nn.Parameter(quantize_weight(layer.weight), requires_grad=False)
    return rounded


def test_a_layer_that_is_used_twice_is_not_movable() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.once = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.once(self.layer(self.layer(x)))

    net = fold_batch_norm(Twice())
    constants = {n: p.numpy() for n, p in net.named_parameters()}
    assert movable_layers(net, place_layers(net, constants)) == {"once"}


def test_a_rounded_weight_is_at_most_half_a_step_off() -> None:
    torch.manual_seed(0)
    net = fold_batch_norm(nn.Sequential(nn.Linear(20, 5)))
    weight = net.get_submodule("0").weight
    half = torch.tensor(weight_scales(net)["0"])[:, None] / 2
    assert ((quantize_weight(weight) - weight).abs() <= half * 1.001).all()
