"""Give the channels of an activation like ranges, so that one 8-bit grid serves all of them.

Source: cross-layer equalization, Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction"
(2019), section 4.1; here the ranges that are equalized are those of activations on calibration pictures, since weights
have a scale per output channel anyway, and activations are where 8 bits lose most
(docs/decisions/0024-ranges-by-what-they-do-to-the-answer.md).

ReLU6 keeps its clip at 6, and a channel that is scaled up is clipped sooner. So it gets room: up to twice as far above
its mean picture as any picture went, which is much for channels that few pictures excite. And it is scaled only where
depthwise layers follow.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import fx, nn

from hawklet_converter.channel_groups import ChannelGroup, channel_groups, is_depthwise
from hawklet_converter.collect_ranges import RecordingInterpreter, batches
from hawklet_converter.place_layers import layers_of

_CLIP = 6.0
_LARGEST_FACTOR = 100.0
_SMALLEST_RANGE = 1e-6
_SHARED = 0.5
"""Exponent of the factors where layers that read all channels at once follow: what activations win there, the
weights, whose columns become unlike, lose."""
_FREE = 1.0
"""Where only depthwise layers follow, whose weights have one scale per channel too, equalization costs nothing."""


def equalize_channels(
    net: fx.GraphModule, inputs: torch.Tensor, movable: Collection[str], stored: Collection[str]
) -> fx.GraphModule:
    """Rescale channels between layers.

    Args:
        net: The folded network; left alone.
        inputs: ``float32 [N, C, H, W]``: calibration pictures.
        movable: Module paths of the layers whose weights and biases may be changed.
        stored: fx nodes whose values a file stores, so that their ranges matter; a convolution that a rectifier is
            fused into is not among them.

    Returns:
        A copy that computes the same but for rounding, and but for values of rectified channels beyond what any
        calibration picture showed.
    """
    equalized = copy.deepcopy(net)
    reaches = _reaches(net, inputs)
    layers = layers_of(equalized)
    for group in channel_groups(net, movable):
        watched = [name for name in group.relu6 or group.nodes if name in stored]
        free = all(is_depthwise(layers[path]) for path in group.consumers)
        seen = [reaches[name].largest if name in reaches else None for name in watched]
        if not watched or not _same_width(group, layers, seen) or (group.relu6 and not free):
            continue
        if group.relu6:
            ranges, target = torch.stack([reaches[name].with_room for name in watched]).amax(dim=0), _CLIP
        else:
            ranges = torch.stack([reaches[name].largest for name in watched]).amax(dim=0)
            target = float(ranges.max())
        factors = _factors(ranges, target, _FREE if free else _SHARED)
        for path in group.producers:
            _scale_outputs(layers[path], factors)
        for path in group.consumers:
            _scale_inputs(layers[path], 1 / factors)
    return equalized


@dataclass(frozen=True)
class _Reach:
    """How far the channels of an activation go, ``float32 [C]``."""

    largest: torch.Tensor
    """Largest absolute value in any picture."""
    mean: torch.Tensor
    """Mean of the pictures' largest."""

    @property
    def with_room(self) -> torch.Tensor:
        """How far a picture that was not seen may go."""
        return self.largest + (self.largest - self.mean)


def _reaches(net: fx.GraphModule, inputs: torch.Tensor) -> dict[str, _Reach]:
    by_picture: dict[str, list[torch.Tensor]] = {}

    def seen(name: str, value: torch.Tensor) -> None:
        if value.dim() in (2, 4):
            by_picture.setdefault(name, []).append(value.abs().reshape(*value.shape[:2], -1).amax(dim=2))

    interpreter = RecordingInterpreter(net, seen)
    with torch.no_grad():
        for batch in batches(inputs):
            interpreter.run(batch)
    joined = {name: torch.cat(parts) for name, parts in by_picture.items()}
    return {name: _Reach(largest.amax(dim=0), largest.mean(dim=0)) for name, largest in joined.items()}


def _same_width(
    group: ChannelGroup, layers: Mapping[str, nn.Conv2d | nn.Linear], ranges: list[torch.Tensor | None]
) -> bool:
    """Whether every layer and activation has the same channels: flattening a picture multiplies them."""
    written = {layers[path].weight.shape[0] for path in group.producers}
    read = {layers[path].weight.shape[0 if is_depthwise(layers[path]) else 1] for path in group.consumers}
    watched = {None if r is None else len(r) for r in ranges}
    return len(written | read | watched) == 1


def _factors(ranges: torch.Tensor, target: float, exponent: float) -> torch.Tensor:
    return (target / ranges.clamp_min(_SMALLEST_RANGE)).clamp(1.0, _LARGEST_FACTOR) ** exponent


@torch.no_grad()
def _scale_outputs(layer: nn.Conv2d | nn.Linear, factors: torch.Tensor) -> None:
    assert layer.bias is not None  # noqa: S101 -- folding gave every layer one
    layer.weight.mul_(factors.reshape(-1, *[1] * (layer.weight.dim() - 1)))
    layer.bias.mul_(factors)


@torch.no_grad()
def _scale_inputs(layer: nn.Conv2d | nn.Linear, factors: torch.Tensor) -> None:
    if is_depthwise(layer):
        layer.weight.mul_(factors.reshape(-1, 1, 1, 1))
    else:
        layer.weight.mul_(factors.reshape(1, -1, *[1] * (layer.weight.dim() - 2)))
