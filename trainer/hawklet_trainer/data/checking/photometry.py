"""How light, how rich in contrast, how sharp and how colourful a picture is, whatever its resolution."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from hawklet.spec import Pixels

SIDE = 112
"""Longer side that grey is measured at, pixels; smaller pictures are measured as they are."""
ENOUGH = 84
"""Both sides of a picture that is decoded for this, pixels."""
_END = 250
_LIGHTEST = 0.05
_SAMPLED = 32
_BLOCKS = 6
_SHARPEST = 4
_LAPLACIAN = ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=1, offset=128)
_LEVELS = np.arange(256, dtype=np.float64)


class Photometry(NamedTuple):
    """Figures of one picture."""

    brightness: float
    """Mean grey, 0..255."""
    contrast: float
    """Standard deviation of the grey, 0..127."""
    highlight: float
    """Grey that 95 % of the pixels are at most, 0..255."""
    burnt: float
    """Share of pixels with a channel at its end, in the picture or in its middle (half of width and height) if that is
    less, since a white background has its subject there: 0..1."""
    sharpness: float
    """Variance of the Laplacian over the variance of the grey, so that contrast does not decide. Of 6 x 6 blocks the
    fourth sharpest: a picture is as sharp as what was focused on, not as its background."""
    colourfulness: float
    """As Hasler and Süsstrunk, "Measuring colourfulness in natural images", 2003: 0 of a grey picture, mostly 30-90."""
    grey_end: float
    """Share of the rows, from the lowest up, that are the one grey a JPEG decoder fills what is missing with, 0..1."""


def photometry(pixels: Pixels, grey: Image.Image) -> Photometry:
    """Measure a picture.

    Args:
        pixels: ``uint8 [H, W, 3]``, RGB.
        grey: The same in mode L, in any size.
    """
    # Some pixels say as much of colour as all of them.
    step = max(1, min(pixels.shape[:2]) // _SAMPLED)
    sample = pixels[::step, ::step]
    grey = _at_most(grey, SIDE)
    levels = np.array(grey.histogram(), dtype=np.float64)
    levels /= levels.sum()
    brightness = float(levels @ _LEVELS)
    variance = max(0.0, float(levels @ (_LEVELS - brightness) ** 2))
    return Photometry(
        brightness,
        variance**0.5,
        float(np.searchsorted(levels.cumsum(), 1 - _LIGHTEST)),
        _burnt(sample),
        _detail(grey) / max(variance, 1.0),
        _colourfulness(sample),
        _grey_end(pixels),
    )


def _at_most(grey: Image.Image, side: int) -> Image.Image:
    if max(grey.size) <= side:
        return grey
    scale = side / max(grey.size)
    size = (max(1, round(grey.width * scale)), max(1, round(grey.height * scale)))
    return grey.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)


def _burnt(sample: Pixels) -> float:
    ends = sample.max(axis=2) >= _END
    height, width = ends.shape
    middle = ends[height // 4 : height - height // 4, width // 4 : width - width // 4]
    return float(min(ends.mean(), middle.mean()))


def _detail(grey: Image.Image) -> float:
    """Variance of the Laplacian in the fourth sharpest block; of pictures too small for blocks in all of it."""
    edges = np.asarray(grey.filter(_LAPLACIAN), dtype=np.float32)[1:-1, 1:-1]
    height, width = edges.shape[0] // _BLOCKS, edges.shape[1] // _BLOCKS
    if height * width < 2:
        return float(edges.var()) if edges.size else 0.0
    blocks = edges[: height * _BLOCKS, : width * _BLOCKS].reshape(_BLOCKS, height, _BLOCKS, width)
    return float(np.sort(blocks.var(axis=(1, 3)), axis=None)[-_SHARPEST])


def _colourfulness(sample: Pixels) -> float:
    red, green, blue = sample.reshape(-1, 3).T.astype(np.float32)
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = np.hypot(red_green.std(), yellow_blue.std())
    return float(spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean()))


def _grey_end(pixels: Pixels) -> float:
    if abs(int(pixels[-1, 0, 0]) - 128) > 1:
        return 0.0  # nearly every picture ends here
    uneven = np.flatnonzero((np.abs(pixels.astype(np.int16) - 128) > 1).any(axis=(1, 2)))
    last = int(uneven[-1]) if len(uneven) else -1
    return (len(pixels) - 1 - last) / len(pixels)
