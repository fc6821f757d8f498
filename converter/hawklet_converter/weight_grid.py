"""The grid of integer weights: symmetric, 8 bits, one scale per output channel or one per layer."""

from __future__ import annotations

import torch
from torch import fx

from hawklet_converter.place_layers import layers_of

WEIGHT_LIMIT = 127
"""Largest magnitude of an integer weight; -128 is left out, so that the grid is symmetric."""
_SMALLEST_SCALE = 1e-12


def weight_scales(net: fx.GraphModule, *, per_channel: bool = True) -> dict[str, tuple[float, ...]]:
    """Symmetric scales of every convolution and dense layer, by module path: one per output channel, or one in all."""
    return {
        path: tuple(weight_scales_of(layer.weight, per_channel)[: None if per_channel else 1].tolist())
        for path, layer in layers_of(net).items()
    }


def weight_scales_of(weight: torch.Tensor, per_channel: bool = True) -> torch.Tensor:
    """Scales of a weight ``[out, ...]``: ``float32 [out]``, all the same where there is one per layer."""
    largest = weight.detach().flatten(1).abs().amax(1)
    if not per_channel:
        largest = largest.max().expand(len(largest))
    return (largest / WEIGHT_LIMIT).clamp_min(_SMALLEST_SCALE)


def quantize_weight(weight: torch.Tensor, *, per_channel: bool = True) -> torch.Tensor:
    """A weight ``[out, ...]`` snapped to its int8 grid, in real units."""
    zeros = torch.zeros(weight.shape[0], dtype=torch.int32)
    scales = weight_scales_of(weight, per_channel).contiguous()
    return torch.fake_quantize_per_channel_affine(weight, scales, zeros, 0, -WEIGHT_LIMIT, WEIGHT_LIMIT)
