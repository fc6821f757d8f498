"""The preprocessing contract: one spec, one code path.

Validation, calibration, golden frames, ``bench`` and the live loop on the board all call :func:`preprocess`. There is
no second implementation anywhere, so what the device sees is what was measured. The output is raw ``uint8`` pixels:
normalization is folded into the model, and no float arithmetic runs per pixel.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from PIL import Image

from hawklet.errors import ImageError
from hawklet.spec import Fit, Interpolation, Pixels, PreprocessSpec

Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right and bottom edge, pixels."""

SNAP = 1.08
"""By how much, at most, a crop may be narrowed or widened to become a whole multiple of the model's size: 480 rows for
a model of 224 become 448, a tenth of what training crops vary by."""

_RESAMPLING = {
    Interpolation.NEAREST: (Image.Resampling.NEAREST, None),
    Interpolation.BILINEAR: (Image.Resampling.BILINEAR, None),
    Interpolation.BICUBIC: (Image.Resampling.BICUBIC, None),
    Interpolation.REDUCE_BILINEAR: (Image.Resampling.BILINEAR, 1.0),
}


def preprocess(image: Pixels, spec: PreprocessSpec) -> Pixels:
    """Turn one picture into the model's input.

    Args:
        image: ``uint8 [H, W, spec.planes]``, RGB (and a fourth plane), 0..255, upright; any size of at least one pixel.
        spec: The rule to follow.

    Returns:
        ``uint8 [spec.height, spec.width, spec.channels]``, 0..255.

    Raises:
        ImageError: ``image`` has another dtype or shape.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != spec.planes or 0 in image.shape:
        raise ImageError(f"a picture must be uint8 [H, W, {spec.planes}], got {image.dtype} {list(image.shape)}")
    height, width = image.shape[:2]
    box = source_box(height, width, spec)
    if spec.channels >= 3 and (height, width) == (spec.height, spec.width) and box == (0, 0, width, height):
        return image
    factor = _whole_factor(box, spec)
    if factor is not None and spec.interpolation is Interpolation.REDUCE_BILINEAR:
        return _block_average(image, box, factor, spec)
    resampling, reducing_gap = _RESAMPLING[spec.interpolation]
    picture, box = _contributing_part(image, box, spec)
    if spec.channels == 1:
        picture = picture.convert("L")
    resized = picture.resize((spec.width, spec.height), resampling, box=box, reducing_gap=reducing_gap)
    return np.asarray(resized).reshape(spec.height, spec.width, spec.channels)


def _whole_factor(box: Box, spec: PreprocessSpec) -> int | None:
    """k where ``box`` lies on whole pixels and is k times the model's size on both axes; else None."""
    left, top, right, bottom = box
    factor, rest = divmod(right - left, spec.width)
    whole = rest == 0 and factor * spec.height == bottom - top and left == int(left) and top == int(top)
    return int(factor) if whole and factor >= 1 else None


def _block_average(image: Pixels, box: Box, factor: int, spec: PreprocessSpec) -> Pixels:
    left, top, right, bottom = (int(edge) for edge in box)
    part = image[top:bottom, left:right]
    if factor == 1 and spec.channels >= 3:
        return np.ascontiguousarray(part)
    picture = _as_picture(np.ascontiguousarray(part))
    if spec.channels == 1:
        picture = picture.convert("L")
    return np.asarray(picture.reduce(factor)).reshape(spec.height, spec.width, spec.channels)


def _contributing_part(image: Pixels, box: Box, spec: PreprocessSpec) -> tuple[Image.Image, Box]:
    """The columns that can contribute to ``box`` as Pillow's picture, and the box within them.

    Pillow copies what it is given into four bytes a pixel; of a wide frame a third would be copied for nothing, and
    would drive the model's weights out of the processor's cache.
    """
    height, width = image.shape[:2]
    # Pillow's widest filter (bicubic) reaches two output pixels beyond the box; one more for rounding.
    margin = math.ceil(2 * max(1.0, (box[2] - box[0]) / spec.width)) + 1
    left, right = max(0, math.floor(box[0]) - margin), min(width, math.ceil(box[2]) + margin)
    part = (box[0] - left, box[1], box[2] - left, box[3])
    if spec.planes == 4:
        return _as_picture(np.ascontiguousarray(image[:, left:right])), part  # which Pillow then takes as it is
    pixels = np.ascontiguousarray(image).reshape(-1)[3 * left :]
    return Image.frombuffer("RGB", (right - left, height), pixels, "raw", "RGB", 3 * width, 1), part


def _as_picture(image: Pixels) -> Image.Image:
    """``uint8 [H, W, 3 or 4]``, contiguous, as Pillow's picture.

    The fourth plane is not called alpha: Pillow weighs colours by alpha when it resamples.
    """
    if image.shape[2] == 3:
        return Image.fromarray(image)
    height, width = image.shape[:2]
    return Image.frombuffer("RGBX", (width, height), image, "raw", "RGBX", 0, 1)


def source_box(height: int, width: int, spec: PreprocessSpec) -> Box:
    """The part of a ``height`` x ``width`` picture that the model sees.

    With Interpolation.REDUCE_BILINEAR a crop within :data:`SNAP` of a whole multiple of the model's size becomes that
    multiple, where the picture is large enough for it: whole blocks are then averaged and nothing is resampled.

    Returns:
        ``(left, top, right, bottom)`` in pixels, possibly fractional, within the picture.
    """
    if spec.fit is Fit.SQUASH:
        return (0, 0, width, height)
    scale = min(width / spec.width, height / spec.height) * spec.crop_fraction
    factor = round(scale)
    whole_width, whole_height = factor * spec.width, factor * spec.height
    fits = whole_width <= width and whole_height <= height
    if spec.interpolation is Interpolation.REDUCE_BILINEAR and factor >= 1 and fits and _near(scale, factor):
        return _box((width - whole_width) // 2, (height - whole_height) // 2, whole_width, whole_height)
    # Multiplying back may end a hair above the picture's own side.
    box_width, box_height = min(width, spec.width * scale), min(height, spec.height * scale)
    return _box((width - box_width) / 2, (height - box_height) / 2, box_width, box_height)


def _box(left: float, top: float, width: float, height: float) -> Box:
    return (left, top, left + width, top + height)


def _near(scale: float, factor: int) -> bool:
    return max(scale / factor, factor / scale) <= SNAP
