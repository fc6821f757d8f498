"""MNASNet as torchvision has it, but for what stands in the way of training on few pictures and of plain files.

M. Tan et al., "MnasNet: platform-aware neural architecture search for mobile", 2019 (model B1).
"""

from __future__ import annotations

from torch import nn
from torchvision.models import MNASNet

ALPHAS = {"mnasnet0_5": 0.5, "mnasnet0_75": 0.75, "mnasnet1_0": 1.0, "mnasnet1_3": 1.3}
"""Width multiplier of each published network."""
_BN_MOMENTUM = 0.1
"""As elsewhere. Torchvision's 0.0003 is for hundreds of epochs of ImageNet; a few epochs of few pictures leave the
statistics where they began, and the network judged by those."""


class _OfPlainFiles(MNASNet):  # type: ignore[misc]  # torchvision is untyped
    """Asks no state dict for its version, as torchvision does, since files of tensors alone do not carry one."""

    _load_from_state_dict = nn.Module._load_from_state_dict


def build_mnasnet(name: str, classes: int) -> nn.Module:
    """MNASNet of this name, with random weights; ``float [N, 3, H, W]`` to logits ``float [N, classes]``."""
    net: nn.Module = _OfPlainFiles(ALPHAS[name], classes)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = _BN_MOMENTUM
    return net
