"""The preprocessing contract: one spec, one code path.

Validation, calibration, golden frames, ``bench`` and the live loop on the board all call :func:`preprocess`. There is
no second implementation anywhere, so what the device sees is what was measured. The output is raw ``uint8`` pixels:
normalization is folded into the model, and no float arithmetic runs per pixel.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from hawklet.errors import ImageError
from hawklet.spec import Fit, Interpolation, Pixels, PreprocessSpec

_RESAMPLING = {
    Interpolation.NEAREST: (Image.Resampling.NEAREST, None),
    Interpolation.BILINEAR: (Image.Resampling.BILINEAR, None),
    Interpolation.BICUBIC: (Image.Resampling.BICUBIC, None),
    Interpolation.REDUCE_BILINEAR: (Image.Resampling.BILINEAR, 1.0),
}


def preprocess(image: Pixels, spec: PreprocessSpec) -> Pixels:
    """Turn one picture into the model's input.

    Args:
        image: ``uint8 [H, W, 3]``, RGB, 0..255, upright; any size of at least one pixel.
        spec: The rule to follow.

    Returns:
        ``uint8 [spec.height, spec.width, spec.channels]``, 0..255.

    Raises:
        ImageError: ``image`` has another dtype or shape.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ImageError(f"a picture must be uint8 [H, W, 3], got {image.dtype} {list(image.shape)}")
    height, width = image.shape[:2]
    box = source_box(height, width, spec)
    if spec.channels == 3 and (height, width) == (spec.height, spec.width) and box == (0, 0, width, height):
        return image
    resampling, reducing_gap = _RESAMPLING[spec.interpolation]
    picture, box = _contributing_part(image, box, spec)
    if spec.channels == 1:
        picture = picture.convert("L")
    resized = picture.resize((spec.width, spec.height), resampling, box=box, reducing_gap=reducing_gap)
    return np.asarray(resized).reshape(spec.height, spec.width, spec.channels)


def _contributing_part(
    image: Pixels, box: tuple[float, float, float, float], spec: PreprocessSpec
) -> tuple[Image.Image, tuple[float, float, float, float]]:
    """The columns that can contribute to ``box`` as Pillow's picture, and the box within them.

    Pillow copies what it is given into four bytes a pixel; of a wide frame a third would be copied for nothing, and
    would drive the model's weights out of the processor's cache.
    """
    height, width = image.shape[:2]
    # Pillow's widest filter (bicubic) reaches two output pixels beyond the box; one more for rounding.
    margin = math.ceil(2 * max(1.0, (box[2] - box[0]) / spec.width)) + 1
    left, right = max(0, math.floor(box[0]) - margin), min(width, math.ceil(box[2]) + margin)
    pixels = np.ascontiguousarray(image).reshape(-1)[3 * left :]
    picture = Image.frombuffer("RGB", (right - left, height), pixels, "raw", "RGB", 3 * width, 1)
    return picture, (box[0] - left, box[1], box[2] - left, box[3])


def source_box(height: int, width: int, spec: PreprocessSpec) -> tuple[float, float, float, float]:
    """The part of a ``height`` x ``width`` picture that the model sees.

    Returns:
        ``(left, top, right, bottom)`` in pixels, possibly fractional, within the picture.
    """
    if spec.fit is Fit.SQUASH:
        return (0, 0, width, height)
    scale = min(width / spec.width, height / spec.height) * spec.crop_fraction
    box_width, box_height = spec.width * scale, spec.height * scale
    left, top = (width - box_width) / 2, (height - box_height) / 2
    return (left, top, left + box_width, top + box_height)


def preprocess_batch(images: list[Pixels], spec: PreprocessSpec) -> Pixels:
    """Stack :func:`preprocess` of each picture: ``uint8 [N, spec.height, spec.width, spec.channels]``."""
    return np.stack([preprocess(image, spec) for image in images])
