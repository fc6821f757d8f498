"""What changes colours changes colours alone: a fourth plane (near infrared, depth, a mask) is moved along with them,
and otherwise stays as it was measured."""

from __future__ import annotations

from collections.abc import Callable

import torch

COLOURS = 3


def on_colours(change: Callable[[torch.Tensor], torch.Tensor], picture: torch.Tensor) -> torch.Tensor:
    """Change the colours, or the grey, of ``uint8 [C, H, W]`` of 1, 3 or 4 channels; sizes stay."""
    if len(picture) <= COLOURS:
        return change(picture)
    return torch.cat([change(picture[:COLOURS]), picture[COLOURS:]])
