"""How much light reaches the sensor: exposure that is not quite right, lamps that flicker, lenses that fall off.

All three are factors of linear light.

* Flicker: lamps on mains pulse at twice its frequency, 100 or 120 Hz. A rolling shutter exposes one row after the
  other, so that rows see other parts of the pulse and the picture shows bands. Each row averages the pulse over its
  exposure, so that bands fade as the exposure nears a whole number of pulses (M. Sheinin et al., "Computational imaging
  on the electric grid", 2017).
* Fall-off: light falls by cos^4 of the angle to the middle. The camera's software corrects for it, and is taken to
  leave some of it over, or to correct too much.
"""

from __future__ import annotations

import math

import torch

from hawklet_trainer.augment.draws import happens, log_uniform, uniform

DARKEST, BRIGHTEST = -1.2, 0.8
"""Error of the exposure, stops. A dark thing before a bright background is a stop too dark with any metering by the
whole picture; too much light is clipped, so that less of it is meant to happen."""
FLICKER_SHARE = 0.3
"""Of the pictures: taken by lamps that flicker."""
LEAST_DEPTH, MOST_DEPTH = 0.1, 0.8
"""Of the pulse, shares of the mean light: from filament lamps (0.1) to cheap LED lamps, which go almost dark."""
SHORTEST_EXPOSURE, LONGEST_EXPOSURE = 0.001, 0.033
"""Seconds."""
SHORTEST_READOUT, LONGEST_READOUT = 0.010, 0.047
"""From the first row to the last, seconds: from modes that join pixels to all 8 megapixels of an IMX219, which takes
21 frames a second."""
MOST_FALL_OFF = 0.45
"""Tangent of the angle at the corner that is left uncorrected: corners have at least 0.69 of the middle's light. At the
corner of a square of the Pi's second camera (49 degrees high) the whole of it would be 0.64."""


def random_lighting(light: torch.Tensor) -> torch.Tensor:
    """Light a picture otherwise.

    Args:
        light: ``float32 [C, H, W]``, linear; nothing is clipped.
    """
    height, width = light.shape[-2:]
    exposure: float = 2.0 ** uniform(DARKEST, BRIGHTEST)
    factors = exposure * fall_off(height, width, uniform(-MOST_FALL_OFF, MOST_FALL_OFF))
    if happens(FLICKER_SHARE):
        factors = factors * _random_bands(height)
    return light * factors


def _random_bands(rows: int) -> torch.Tensor:
    return bands(
        rows,
        hertz=100.0 if happens(0.5) else 120.0,
        depth=uniform(LEAST_DEPTH, MOST_DEPTH),
        exposure=log_uniform(SHORTEST_EXPOSURE, LONGEST_EXPOSURE),
        readout=log_uniform(SHORTEST_READOUT, LONGEST_READOUT),
        phase=uniform(0.0, 2.0 * math.pi),
    )


def bands(rows: int, hertz: float, depth: float, exposure: float, readout: float, phase: float) -> torch.Tensor:
    """What each row gets of light that pulses as ``1 + depth cos(2 pi hertz t + phase)``, ``float32 [rows, 1]``.

    Args:
        rows: Of the picture.
        hertz: Of the pulse, twice the mains'.
        depth: Of the pulse, 0 to 1.
        exposure: Of each row, seconds.
        readout: From the first row to the last, seconds.
        phase: At the start, radians.
    """
    pulses = hertz * exposure
    left = math.sin(math.pi * pulses) / (math.pi * pulses)  # of the pulse, averaged over the exposure
    times = torch.linspace(0.0, readout, rows) + exposure / 2
    return (1.0 + depth * left * torch.cos(2.0 * math.pi * hertz * times + phase))[:, None]


def fall_off(height: int, width: int, tangent: float) -> torch.Tensor:
    """cos^4 of the angle to the middle, ``float32 [height, width]``.

    Args:
        height: Pixels.
        width: Pixels.
        tangent: Of the angle at the corners; below 0: the inverse, for a correction that does too much.
    """
    y, x = torch.linspace(-1.0, 1.0, height)[:, None], torch.linspace(-1.0, 1.0, width)[None, :]
    lost = (1.0 + 0.5 * tangent * tangent * (y * y + x * x)) ** 2
    return 1.0 / lost if tangent >= 0 else lost
