"""Bytes of pictures as networks take them."""

from __future__ import annotations

import torch

from hawklet.spec import Pixels


def as_input(pixels: Pixels, zp: int, scale: float, device: torch.device | None = None) -> torch.Tensor:
    """``uint8 [N, H, W, C]`` to the network's ``float32 [N, C, H, W]`` (channels last) ``(pixel - zp) * scale``.

    Bytes go to the device, a quarter of what numbers would be.
    """
    pictures = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2)
    return pictures.float().sub_(zp).mul_(scale).contiguous(memory_format=torch.channels_last)
