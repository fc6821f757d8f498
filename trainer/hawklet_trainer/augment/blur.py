"""What movement during the exposure and a lens slightly out of focus do: one point becomes a short soft line."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from hawklet_trainer.augment.draws import happens, log_uniform, uniform

MOTION_SHARE = 0.4
"""Of the pictures: taken while something moved."""
SHORTEST, LONGEST = 0.006, 0.04
"""Of the line, shares of the picture's width: 1.3 to 9 of 224 pixels. What crosses the picture in a second moves by
0.033 of it within a thirtieth, the longest exposure at 30 frames a second."""
DEFOCUS_SHARE = 0.3
LEAST_SIGMA, MOST_SIGMA = 0.002, 0.006
"""Of the spot, shares of the picture's width: 0.4 to 1.3 of 224 pixels. The Pi's cameras of fixed focus are sharp from
about half a metre on; nearer things are not."""
_SHARP = 0.3
"""Sigma of what is in focus, pixels."""


def random_blur(light: torch.Tensor) -> torch.Tensor:
    """Blur some of the pictures; the others are given back as they are.

    Args:
        light: ``float32 [C, H, W]``, linear.
    """
    width = light.shape[-1]
    length = width * log_uniform(SHORTEST, LONGEST) if happens(MOTION_SHARE) else 0.0
    sigma = width * uniform(LEAST_SIGMA, MOST_SIGMA) if happens(DEFOCUS_SHARE) else 0.0
    if not length and not sigma:
        return light
    return blur(light, spread(length, uniform(0.0, math.pi), max(sigma, _SHARP)))


def blur(light: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Replace every point by ``kernel``, ``float32 [K, K]`` of odd K, brighter or darker; edges go on as they end."""
    reach = len(kernel) // 2
    padded = functional.pad(light[None], (reach, reach, reach, reach), mode="replicate")
    return functional.conv2d(padded, kernel.expand(len(light), 1, -1, -1), groups=len(light))[0]


def spread(length: float, angle: float, sigma: float) -> torch.Tensor:
    """An even line convolved with a Gaussian, in closed form.

    Args:
        length: Of the line, pixels; 0: the Gaussian alone.
        angle: Of the line, radians.
        sigma: Of the Gaussian, pixels.

    Returns:
        ``float32 [K, K]``, the sum 1, K odd and large enough for all but the faintest.
    """
    half = max(length, 1e-2) / 2
    reach = math.ceil(half + 2 * sigma)
    steps = torch.arange(-reach, reach + 1, dtype=torch.float64)
    y, x = steps[:, None], steps[None, :]
    along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    soft = sigma * math.sqrt(2.0)
    kernel = (torch.erf((along + half) / soft) - torch.erf((along - half) / soft)) * torch.exp(-((across / soft) ** 2))
    return (kernel / kernel.sum()).float()
