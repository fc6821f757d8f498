"""White balance that is not quite right: the camera takes the light for warmer, cooler or greener than it is.

A camera multiplies red and blue so that grey comes out grey under the light that it believes in. Where that is not the
light there is, red and blue are off by the ratio of both lights' colours. Lights lie along the Planckian locus (the
colours of glowing bodies), for which M. Krystek's approximation is taken ("An algorithm to calculate correlated colour
temperature", 1985), and a little to its green or magenta side.

How far off: automatic white balance errs by 2 to 6 degrees between the colours in the median, depending on how it is
done (A. Gijsenij et al., "Computational color constancy: survey and experiments", 2011). Temperatures are kept to what
the Raspberry Pi's "auto" mode looks for (libcamera's tuning files: 2500 to 8000 K).
"""

from __future__ import annotations

import torch

from hawklet_trainer.augment.draws import uniform

COOLEST, WARMEST = 8000.0, 2500.0
"""Colour temperatures of the light, kelvin."""
MOST_MIREDS = 30.0
"""Most that the light is misjudged by, millionths of a reciprocal kelvin (the eye sees them as steps of equal size): 4
degrees in the median, with the tint, and 11 at most."""
MOST_TINT = 0.05
"""Most that green is off beside the locus; of the size of the sideways search of libcamera's white balance."""

_XYZ_TO_RGB = ((3.2406, -1.5372, -0.4986), (-0.9689, 1.8758, 0.0415), (0.0557, -0.2040, 1.0570))
"""Of sRGB, IEC 61966-2-1."""


def random_gains() -> torch.Tensor:
    """Factors of red, green and blue light for one picture, ``float32 [3, 1, 1]``; their luminance stays about 1."""
    there = uniform(1e6 / COOLEST, 1e6 / WARMEST)
    red, green, blue = misjudged_gains(1e6 / there, uniform(-MOST_MIREDS, MOST_MIREDS))
    green *= 1.0 + uniform(-MOST_TINT, MOST_TINT)
    return torch.tensor((red, green, blue)).reshape(3, 1, 1) / (0.2126 * red + 0.7152 * green + 0.0722 * blue)


def misjudged_gains(kelvin: float, mireds: float) -> tuple[float, float, float]:
    """How white comes out in red, green and blue, of light of ``kelvin`` that is taken for ``mireds`` warmer."""
    taken_for = 1e6 / (1e6 / kelvin + mireds)
    red, green, blue = (there / thought for there, thought in zip(planckian(kelvin), planckian(taken_for), strict=True))
    return red / green, 1.0, blue / green


def planckian(kelvin: float) -> tuple[float, float, float]:
    """Linear sRGB of a black body, green 1; from 1900 K, below which there is no blue, to 15000 K."""
    x, y = chromaticity(kelvin)
    xyz = (x / y, 1.0, (1.0 - x - y) / y)
    red, green, blue = (sum(a * b for a, b in zip(row, xyz, strict=True)) for row in _XYZ_TO_RGB)
    return red / green, 1.0, blue / green


def chromaticity(kelvin: float) -> tuple[float, float]:
    """CIE 1931 x and y of a black body, 1000 to 15000 K."""
    t = kelvin
    u = (0.860117757 + 1.54118254e-4 * t + 1.28641212e-7 * t * t) / (1 + 8.42420235e-4 * t + 7.08145163e-7 * t * t)
    v = (0.317398726 + 4.22806245e-5 * t + 4.20481691e-8 * t * t) / (1 - 2.89741816e-5 * t + 1.61456053e-7 * t * t)
    below = 2.0 * u - 8.0 * v + 4.0
    return 3.0 * u / below, 2.0 * v / below
