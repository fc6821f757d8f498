"""SqueezeNet with a linear head: it pools first, and classifies then.

F. Iandola et al., "SqueezeNet", 2016; the layers before the head are torchvision's. The published head is a 1 x 1
convolution, ReLU, and a mean over the picture. Without the ReLU the mean may come first, and the convolution is then
one ``nn.Linear``: features that can be kept, as for every other network. A new head has nothing to lose by that; the
published one for ImageNet's classes would answer otherwise, so it is not taken.
"""

from __future__ import annotations

import torch
from torch import nn

_CHANNELS = 512
_DROPOUT = 0.5


class SqueezeNet(nn.Module):
    """SqueezeNet 1.0 or 1.1.

    Args:
        name: ``squeezenet1_0`` or ``squeezenet1_1``.
        classes: Length of the output vector.
    """

    def __init__(self, name: str, classes: int):
        super().__init__()
        import torchvision

        self.features = torchvision.models.get_model(name, weights=None, num_classes=1).features
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(_DROPOUT)
        self.classifier = nn.Linear(_CHANNELS, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``float [N, 3, H, W]`` to logits ``float [N, classes]``."""
        x = torch.flatten(self.pool(self.features(x)), 1)
        logits: torch.Tensor = self.classifier(self.dropout(x))
        return logits


def without_classifier(tensors: dict[str, torch.Tensor], net: nn.Module) -> dict[str, torch.Tensor]:
    """A published checkpoint without its classifier, a convolution whose answers a linear head would not give."""
    return {name: tensor for name, tensor in tensors.items() if not name.startswith("classifier.1.")}
