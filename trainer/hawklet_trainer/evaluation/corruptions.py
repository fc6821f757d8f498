"""What happens to pictures between a scene and a model, each at five strengths.

Kinds and strengths follow ImageNet-C (D. Hendrycks and T. Dietterich, "Benchmarking Neural Network Robustness to Common
Corruptions and Perturbations", 2019) where it has them: Gaussian blur (there defocus and others), Gaussian noise, JPEG
and brightness. Darkness is its brightness turned round; rotation, which it lacks, is that of a camera mounted askew.
Pictures are ``uint8 [H, W, C]``, prepared as the model takes them; of four channels the last one is no colour, and
brightness and JPEG leave it alone.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from hawklet.spec import Pixels

STRENGTHS = 5
_NATIVE = 224
"""Side that the widths of blurs are given for, pixels."""


@dataclass(frozen=True)
class Corruption:
    """One kind."""

    name: str
    unit: str
    """What its levels are, in words."""
    levels: tuple[float, ...]
    """One for each strength, the weakest first."""
    apply: Callable[[Pixels, float, np.random.Generator], Pixels]
    """``apply(picture, level, random)``: a new picture of the same shape."""


def corrupted(picture: Pixels, kind: Corruption, strength: int, number: int) -> Pixels:
    """A picture made worse, always in the same way.

    Args:
        picture: ``uint8 [H, W, C]``.
        kind: How.
        strength: 0..4.
        number: Of the picture; what is random follows from it, the kind and the strength.
    """
    random = np.random.default_rng([CORRUPTIONS.index(kind), strength, number])
    return kind.apply(picture, kind.levels[strength], random)


def _blur(picture: Pixels, sigma: float, random: np.random.Generator) -> Pixels:
    radius = sigma * max(picture.shape[:2]) / _NATIVE
    return _by_plane(picture, lambda plane: plane.filter(ImageFilter.GaussianBlur(radius)))


def _noise(picture: Pixels, deviation: float, random: np.random.Generator) -> Pixels:
    return _bytes(picture + 255 * deviation * random.standard_normal(picture.shape, dtype=np.float32))


def _jpeg(picture: Pixels, quality: float, random: np.random.Generator) -> Pixels:
    data = io.BytesIO()
    colours = _colours(picture)
    Image.fromarray(colours[..., 0] if colours.shape[2] == 1 else colours).save(data, "JPEG", quality=int(quality))
    return _with_colours(picture, np.asarray(Image.open(data)).reshape(colours.shape))


def _brightness(picture: Pixels, change: float, random: np.random.Generator) -> Pixels:
    """The value of hue, saturation and value moves by ``change`` of its range; of grey, the grey."""
    colours = _colours(picture).astype(np.float32)
    value = colours.max(axis=2, keepdims=True)
    wanted = np.clip(value + 255 * change, 0, 255)
    scaled = np.where(value > 0, colours * (wanted / np.maximum(value, 1)), wanted)
    return _with_colours(picture, _bytes(scaled))


def _rotation(picture: Pixels, degrees: float, random: np.random.Generator) -> Pixels:
    """To the left or the right; what comes into view at the corners is the picture's own mirror image."""
    height, width, _ = picture.shape
    margins = [(math.ceil(height / 3),) * 2, (math.ceil(width / 3),) * 2, (0, 0)]
    around = np.pad(picture, margins, mode="symmetric")
    angle = degrees if random.random() < 0.5 else -degrees
    turned = _by_plane(around, lambda plane: plane.rotate(angle, Image.Resampling.BILINEAR))
    return np.ascontiguousarray(turned[margins[0][0] : margins[0][0] + height, margins[1][0] : margins[1][0] + width])


def _by_plane(picture: Pixels, change: Callable[[Image.Image], Image.Image]) -> Pixels:
    planes = [np.asarray(change(Image.fromarray(picture[..., plane]))) for plane in range(picture.shape[2])]
    return np.stack(planes, axis=2)


def _colours(picture: Pixels) -> Pixels:
    return np.ascontiguousarray(picture[..., :3])


def _with_colours(picture: Pixels, colours: Pixels) -> Pixels:
    return np.concatenate([colours, picture[..., 3:]], axis=2)


def _bytes(values: npt.NDArray[np.floating]) -> Pixels:
    return np.asarray(np.clip(values.round(), 0, 255), dtype=np.uint8)


CORRUPTIONS = (
    Corruption("blur", "standard deviation, pixels of 224", (1, 2, 3, 4, 6), _blur),
    Corruption("noise", "standard deviation, of full scale", (0.08, 0.12, 0.18, 0.26, 0.38), _noise),
    Corruption("JPEG", "quality", (25, 18, 15, 10, 7), _jpeg),
    Corruption("brighter", "of full scale", (0.1, 0.2, 0.3, 0.4, 0.5), _brightness),
    Corruption("darker", "of full scale", (-0.1, -0.2, -0.3, -0.4, -0.5), _brightness),
    Corruption("rotation", "degrees", (5, 10, 15, 20, 30), _rotation),
)
