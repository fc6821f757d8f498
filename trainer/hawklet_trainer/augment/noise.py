"""The noise of a sensor: photons arrive by chance, and reading them adds a little.

In linear light of 0 to 1 a raw pixel's variance is ``a x + b`` and its distribution close to normal (A. Foi et al.,
"Practical Poissonian-Gaussian noise modeling and fitting for single-image raw-data", 2008; EMVA standard 1288 has the
same in electrons). With N electrons at full scale and r electrons of read noise ``a`` is 1/N and ``b`` (r/N)^2; a gain
of g leaves N/g. White balance multiplies red and blue, and their noise with them.

N at gain 1 is 4,900 for the Raspberry Pi's second camera (IMX219) and 8,600 for its HQ camera (IMX477): libcamera's
tuning files say by how much values of 16 bits vary, ``reference_slope * sqrt(gain * value)`` with slopes of 3.67 and
2.767, and N is 65536 by the square of the slope. (Measured of the HQ camera on strollswithmydog.com: 8,180, and 1.5 to
3 electrons of read noise.) The same files let the gain go up to 16.

Pictures are made smaller for a network, which averages noise away; less so where little of the sensor is shown. So what
is drawn reaches from a single pixel of the smaller sensor at the highest gain to almost no noise.
"""

from __future__ import annotations

import torch

from hawklet_trainer.augment.draws import log_uniform

FEWEST, MOST = 300.0, 10_000.0
"""Electrons at full scale: 4,900 at gain 16, and more than any of the cameras at gain 1."""
READ = 2.0
"""Electrons."""
BALANCE = (2.0, 1.0, 1.7)
"""Gains of red, green and blue that make grey grey (libcamera's curves at 4,600 K: red 1.6 to 2.8, blue 1.5 to 1.8)."""


def random_noise(light: torch.Tensor) -> torch.Tensor:
    """Add the noise of a gain drawn at random to ``float32 [3, H, W]``, or ``[1, H, W]`` of grey, linear."""
    return add_noise(light, log_uniform(FEWEST, MOST))


def add_noise(light: torch.Tensor, electrons: float) -> torch.Tensor:
    """Add noise to balanced light.

    Args:
        light: ``float32 [3, H, W]``, linear, white 1; or ``[1, H, W]``, of a sensor whose pixels are all alike.
        electrons: At full scale of green, or of grey.
    """
    balance = torch.tensor(BALANCE if len(light) == 3 else (1.0,)).reshape(-1, 1, 1)
    variance = light.clamp(min=0.0) * (balance / electrons) + (balance * (READ / electrons)) ** 2
    return light + torch.randn_like(light) * variance.sqrt_()
