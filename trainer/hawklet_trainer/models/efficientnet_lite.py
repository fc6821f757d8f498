"""EfficientNet-Lite0 to -Lite4, with TensorFlow's "SAME" padding written out as fixed numbers.

Architecture: M. Tan and Q. Le, "EfficientNet", 2019 (table 1), in its Lite form: no squeeze-and-excitation, ReLU6
instead of swish, stem and head not scaled, nor the numbers of blocks of the first and the last stage (the reference is
``models/official/efficientnet/lite`` of ``tensorflow/tpu``). TensorFlow pads a stride-2 convolution of an even input by
one pixel less at the top and left; torch pads evenly. The padding depends only on the input's size, which is known when
the network is built, so it is a constant here, where a general library computes it in the graph at run time.

Tensors are registered in the order of TensorFlow's checkpoint, so that weights can be mapped by position.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import nn

_BN_EPSILON = 1e-3
_STEM_CHANNELS, _HEAD_CHANNELS = 32, 1280
# (expansion, kernel, stride of the first block, output channels, blocks), EfficientNet-B0's table.
_STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)


@dataclass(frozen=True)
class Scaling:
    """How much wider and deeper than Lite0 a network is."""

    width: float = 1.0
    """Of the channels, rounded to multiples of 8."""
    depth: float = 1.0
    """Of the blocks of a stage, rounded up."""
    dropout: float = 0.2

    def channels(self, plain: int) -> int:
        """As many channels as ``plain`` become: the nearest multiple of 8, but not less than nine tenths."""
        wanted = plain * self.width
        nearest = max(8, int(wanted + 4) // 8 * 8)
        return nearest + 8 if nearest < 0.9 * wanted else nearest

    def blocks(self) -> list[int]:
        """Blocks of each stage."""
        last = len(_STAGES) - 1
        return [
            count if stage in (0, last) else math.ceil(count * self.depth) for stage, (*_, count) in enumerate(_STAGES)
        ]

    def points(self) -> tuple[str, ...]:
        """Freezing points: the stem with the first stage, the others, the last of them with the one before it."""
        begins = [sum(self.blocks()[:stage]) for stage in range(1, len(_STAGES) - 1)]
        return ("stem", *(f"blocks.{begin}" for begin in begins), "head")


LITE = {
    "efficientnet_lite0": Scaling(),
    "efficientnet_lite1": Scaling(1.0, 1.1),
    "efficientnet_lite2": Scaling(1.1, 1.2, 0.3),
    "efficientnet_lite3": Scaling(1.2, 1.4, 0.3),
    "efficientnet_lite4": Scaling(1.4, 1.8, 0.3),
}
"""The published networks."""


def same_padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's "SAME" padding of one axis: pixels before and after it."""
    needed = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return needed // 2, needed - needed // 2


class PaddedConv(nn.Sequential):
    """Convolution without bias that pads as TensorFlow's "SAME" does at the given input sides."""

    def __init__(self, channels: tuple[int, int], kernel: int, stride: int, sides: tuple[int, int], groups: int = 1):
        top, bottom = same_padding(sides[0], kernel, stride)
        left, right = same_padding(sides[1], kernel, stride)
        layers: list[nn.Module] = []
        if (top, left) == (bottom, right):
            padding = (top, left)
        else:
            layers.append(nn.ZeroPad2d((left, right, top, bottom)))
            padding = (0, 0)
        layers.append(nn.Conv2d(*channels, kernel, stride, padding, groups=groups, bias=False))
        super().__init__(*layers)


class ConvNormAct(nn.Sequential):
    """Convolution, batch norm, and ReLU6 unless ``act`` is false."""

    def __init__(self, conv: PaddedConv, channels: int, act: bool = True):
        activation = [nn.ReLU6(inplace=True)] if act else []
        super().__init__(*conv, nn.BatchNorm2d(channels, eps=_BN_EPSILON), *activation)


class InvertedResidual(nn.Module):
    """Expand, filter per channel, project; added to its input where the shapes agree."""

    def __init__(self, channels: tuple[int, int], expansion: int, kernel: int, stride: int, sides: tuple[int, int]):
        super().__init__()
        inner = channels[0] * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers.append(ConvNormAct(PaddedConv((channels[0], inner), 1, 1, sides), inner))
        layers.append(ConvNormAct(PaddedConv((inner, inner), kernel, stride, sides, groups=inner), inner))
        reduced = (-(-sides[0] // stride), -(-sides[1] // stride))
        layers.append(ConvNormAct(PaddedConv((inner, channels[1]), 1, 1, reduced), channels[1], act=False))
        self.layers = nn.Sequential(*layers)
        self.adds_input = stride == 1 and channels[0] == channels[1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``float [N, C, H, W]`` to ``float [N, C', H/stride, W/stride]``."""
        y: torch.Tensor = self.layers(x)
        return x + y if self.adds_input else y


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite for one input size.

    Args:
        classes: Length of the output vector.
        height: Input height, pixels.
        width: Input width, pixels.
        scaling: Which of them.
    """

    def __init__(self, classes: int, height: int, width: int, scaling: Scaling = LITE["efficientnet_lite0"]):
        super().__init__()
        last = scaling.channels(_STAGES[-1][3])
        self.stem = ConvNormAct(PaddedConv((3, _STEM_CHANNELS), 3, 2, (height, width)), _STEM_CHANNELS)
        self.blocks = nn.Sequential(*_blocks((-(-height // 2), -(-width // 2)), scaling))
        self.head = ConvNormAct(PaddedConv((last, _HEAD_CHANNELS), 1, 1, (1, 1)), _HEAD_CHANNELS)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(scaling.dropout)
        self.classifier = nn.Linear(_HEAD_CHANNELS, classes)
        _initialise(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``float [N, 3, height, width]`` to logits ``float [N, classes]``."""
        x = self.pool(self.head(self.blocks(self.stem(x))))
        logits: torch.Tensor = self.classifier(self.dropout(torch.flatten(x, 1)))
        return logits


def _blocks(sides: tuple[int, int], scaling: Scaling) -> Iterator[InvertedResidual]:
    channels = _STEM_CHANNELS
    for (expansion, kernel, first_stride, plain, _), count in zip(_STAGES, scaling.blocks(), strict=True):
        out = scaling.channels(plain)
        for index in range(count):
            stride = first_stride if index == 0 else 1
            yield InvertedResidual((channels, out), expansion, kernel, stride, sides)
            sides = (-(-sides[0] // stride), -(-sides[1] // stride))
            channels = out


def _initialise(net: nn.Module) -> None:
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")


def by_position(tensors: dict[str, torch.Tensor], net: nn.Module) -> dict[str, torch.Tensor]:
    """Rename a checkpoint's tensors to those of ``net``, matching them by position, batch norms' counters left out.

    Raises:
        ValueError: the number of tensors differs, so position says nothing.
    """
    names = _without_counters(net.state_dict())
    theirs = _without_counters(tensors)
    if len(names) != len(theirs):
        raise ValueError(f"the network has {len(names)} tensors, the checkpoint has {len(theirs)}")
    return {name: tensors[their] for name, their in zip(names, theirs, strict=True)}


def _without_counters(names: Iterable[str]) -> list[str]:
    return [name for name in names if not name.endswith("num_batches_tracked")]
