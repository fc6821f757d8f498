"""Two pictures in one, with the labels of both, by as much as there is of each.

Mixup (H. Zhang et al., "mixup: Beyond empirical risk minimization", 2017) shows one through the other; CutMix (S. Yun
et al., "CutMix", 2019) puts a piece of one into the other. Strengths (Beta of 0.2 and of 1), and one of the two at
random for each batch, as in torchvision's training recipe (V. Vryniotis, "How to train state-of-the-art models using
TorchVision's latest primitives", 2021).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import cast

import torch
from torchvision.transforms import v2

Mixing = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Pictures ``float [N, channels, H, W]`` and labels ``int64 [N]`` in; mixed ones of the same shape, and shares of the
labels ``float32 [N, C]``, out."""


class Mix(str, Enum):
    """How pictures of a batch are mixed in pairs."""

    NONE = "none"
    MIXUP = "mixup"
    CUTMIX = "cutmix"
    BOTH = "both"
    """One of the two for each batch."""


def make_mixing(mix: Mix, classes: int) -> Mixing:
    """Build the mixing of one training.

    Args:
        mix: How; with NONE pictures and labels are given back as they are.
        classes: C.
    """
    if mix is Mix.NONE:
        return _unmixed
    made = {
        Mix.MIXUP: v2.MixUp(alpha=0.2, num_classes=classes),
        Mix.CUTMIX: v2.CutMix(alpha=1.0, num_classes=classes),
    }
    chosen = v2.RandomChoice(list(made.values())) if mix is Mix.BOTH else made[mix]

    return cast("Mixing", chosen)


def _unmixed(pictures: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return pictures, labels
