"""What a small camera on a board does to a picture, from its mount to its JPEG; strengths stand in each part's module.

In the order of the light: the mount, the blur of lens and movement, the light there is, the sensor's noise, white
balance, the coding curve, JPEG. Up to the curve everything happens in linear light, where it happens in a camera:
noise that is added to coded pixels is too weak in the dark and too strong in the bright.
"""

from __future__ import annotations

import torch

from hawklet_trainer.augment.blur import random_blur
from hawklet_trainer.augment.colours import on_colours
from hawklet_trainer.augment.compression import random_jpeg
from hawklet_trainer.augment.lighting import random_lighting
from hawklet_trainer.augment.linear_light import to_light, to_pixels
from hawklet_trainer.augment.mounting import mount
from hawklet_trainer.augment.noise import random_noise
from hawklet_trainer.augment.white_balance import random_gains


class Camera:
    """Makes every picture one of a camera's.

    Args:
        height: To produce, pixels.
        width: Likewise.
    """

    def __init__(self, height: int, width: int):
        self.height, self.width = height, width

    def __call__(self, picture: torch.Tensor) -> torch.Tensor:
        """``uint8 [C, H, W]`` to ``uint8 [C, height, width]``; C of 1 is a sensor without colour filters."""
        return on_colours(_taken, mount(picture, self.height, self.width))


def _taken(picture: torch.Tensor) -> torch.Tensor:
    light = random_noise(random_lighting(random_blur(to_light(picture)))).clamp_(0.0, 1.0)  # no sensor counts further
    return random_jpeg(to_pixels(light if len(light) == 1 else light * random_gains()))
