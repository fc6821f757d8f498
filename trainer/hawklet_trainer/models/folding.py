"""Normalization per channel, folded into the stem, so that a network takes ``x = (pixel - zero_point) * scale``.

Pretrained weights expect ``(pixel - mean[c]) / std[c]``. With ``pixel = x / scale + zero_point`` this is
``x * g[c] + o[c]`` for ``g = 1 / (scale * std)`` and ``o = (zero_point - mean) / std``. The gain goes into the first
convolution's weights; the offset passes through the convolution as one constant per output channel, which the batch
norm behind it takes up by a shift of its running mean (a bias of the convolution stays as it is), or, where there is
none, the convolution by its bias. Inside the picture
the result is exact. At the border it is not: zero padding used to stand for the mean colour and now stands for
``zero_point`` in all channels. The zero point is the channels' mean, so the two colours are at most 11 pixel steps
apart (ImageNet statistics).
"""

from __future__ import annotations

import torch
from torch import nn

from hawklet_trainer.models.entry import ModelEntry


@torch.no_grad()
def fold_normalization(net: nn.Module, entry: ModelEntry) -> None:
    """Make ``net``, in place, take ``(pixel - entry.zero_point) * entry.scale`` instead of normalized channels."""
    if entry.stem is None:
        raise TypeError(f"{entry.name} has no stem to fold into")
    conv = net.get_submodule(entry.stem[0])
    if not isinstance(conv, nn.Conv2d):
        raise TypeError(f"{entry.name}: {entry.stem[0]} must be a Conv2d")
    mean, std = torch.tensor(entry.mean), torch.tensor(entry.std)
    gain = 1.0 / (entry.scale * std)
    offset = (entry.zero_point - mean) / std
    constant = (conv.weight * offset.view(1, 3, 1, 1)).sum(dim=(1, 2, 3))
    conv.weight.mul_(gain.view(1, 3, 1, 1))
    _add_constant(conv, [net.get_submodule(path) for path in entry.stem[1:]], constant)


def _add_constant(conv: nn.Conv2d, norms: list[nn.Module], constant: torch.Tensor) -> None:
    """Add a constant per channel to what the stem's convolution gives."""
    norm = norms[0] if norms else None
    if isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None:
        norm.running_mean.sub_(constant)
    elif norm is None and conv.bias is not None:
        conv.bias.add_(constant)
    else:
        raise TypeError("a stem must be a Conv2d and its BatchNorm2d, or a Conv2d with a bias")
