"""How large a network is: its parameters, and the multiplications that one picture takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from hawklet_trainer.models.entry import ModelEntry
from hawklet_trainer.models.own import is_own

LAYERS = (nn.Conv2d, nn.Linear)
"""Modules whose multiplications are counted; those of the others are few."""
IMAGENET_CLASSES = 1000


@dataclass(frozen=True)
class Size:
    """Of one network."""

    parameters: int
    macs: int
    """Multiply-accumulate operations of one picture, in convolutions and dense layers."""


def size_of(entry: ModelEntry) -> Size:
    """The size of a network with ImageNet's classes, at its native input side."""
    net = (_with_numbers if is_own(entry.name) else _without_numbers)(entry).eval()
    picture = torch.zeros(1, 3, entry.side, entry.side, device=next(net.parameters()).device)
    return Size(sum(parameter.numel() for parameter in net.parameters()), count_macs(net, picture))


def count_macs(net: nn.Module, picture: torch.Tensor) -> int:
    """Multiply-accumulate operations of a network.

    Args:
        net: In evaluation mode.
        picture: ``float32 [1, C, H, W]``, on the network's device; on ``meta`` its size alone is looked at.
    """
    counts: list[int] = []

    def count(layer: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        counts.append(layer_macs(layer, tuple(output.shape)))

    hooks = [module.register_forward_hook(count) for module in net.modules() if isinstance(module, LAYERS)]
    try:
        with torch.inference_mode():
            net(picture)
    finally:
        for hook in hooks:
            hook.remove()
    return sum(counts)


def layer_macs(layer: nn.Module, shape: tuple[int, ...]) -> int:
    """Multiply-accumulate operations of a convolution or dense layer for one picture.

    Args:
        layer: One of :data:`LAYERS`.
        shape: Of its output: ``[1, C, H, W]``, or ``[1, C]``.
    """
    assert isinstance(layer, LAYERS)  # noqa: S101 -- narrows the type; the caller looked
    positions = shape[2] * shape[3] if len(shape) == 4 else 1
    return int(layer.weight.numel() * positions)


def _with_numbers(entry: ModelEntry) -> nn.Module:
    return entry.build(IMAGENET_CLASSES, entry.side, entry.side)


def _without_numbers(entry: ModelEntry) -> nn.Module:
    """The network's shapes, without memory for its weights where its builder can do without: nothing is computed."""
    try:
        with torch.device("meta"):
            return _with_numbers(entry)
    except NotImplementedError:  # the builder computes with tensors, as RegNet's does to find its widths
        return _with_numbers(entry).to("meta")
