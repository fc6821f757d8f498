"""JPEG as a camera sends it: blocks of 8 x 8 pixels, and half of the resolution in colour."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image

from hawklet_trainer.augment.draws import happens, uniform

JPEG_SHARE = 0.5
"""Of the pictures: cameras on USB and in the network send JPEG or video, those on the board's own port do not."""
WORST, BEST = 50, 95
"""Quality by the scale of the JPEG library, in the network's own size: from cheap webcams to its best."""


def random_jpeg(picture: torch.Tensor) -> torch.Tensor:
    """Send some of the pictures, ``uint8 [C, H, W]``, as JPEG; the others are given back as they are."""
    return through_jpeg(picture, round(uniform(WORST, BEST))) if happens(JPEG_SHARE) else picture


def through_jpeg(picture: torch.Tensor, quality: int) -> torch.Tensor:
    """``uint8 [C, H, W]``, RGB or grey, as JPEG and back; ``quality`` as Pillow has it, 1 to 95."""
    sent = io.BytesIO()
    pixels = picture[0] if len(picture) == 1 else picture.permute(1, 2, 0)
    Image.fromarray(pixels.numpy()).save(sent, format="JPEG", quality=quality)
    with Image.open(sent) as received:
        return torch.from_numpy(np.array(received)).reshape(*picture.shape[1:], -1).permute(2, 0, 1)
