"""The picture that is measured with when none is given: always the same, so that results can be set side by side."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw

WIDTH, HEIGHT = 640, 480
_JPEG_QUALITY = 90


def default_jpeg() -> bytes:
    """A 640x480 RGB JPEG (quality 90, 4:2:0) with smooth parts, edges and grain, about as hard to decode as a photo."""
    stream = io.BytesIO()
    _draw().save(stream, "JPEG", quality=_JPEG_QUALITY)
    return stream.getvalue()


def default_png() -> bytes:
    """The same as a PNG with a fourth plane, its luma, for models of four channels; it is slower to decode."""
    picture, stream = _draw(), io.BytesIO()
    picture.putalpha(picture.convert("L"))
    picture.save(stream, "PNG")
    return stream.getvalue()


def _draw() -> Image.Image:
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    channels = [columns / WIDTH, rows / HEIGHT, 0.5 + 0.5 * np.sin(columns / 40) * np.cos(rows / 30)]
    smooth = np.stack(channels, axis=2) * 200 + rng.normal(0, 6, (HEIGHT, WIDTH, 3)) + 20
    picture = Image.fromarray(smooth.clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for _ in range(40):
        x, y, side = int(rng.integers(0, WIDTH)), int(rng.integers(0, HEIGHT)), int(rng.integers(10, 90))
        colour = (int(rng.integers(0, 256)), int(rng.integers(0, 256)), int(rng.integers(0, 256)))
        draw.polygon([(x, y), (x + side, y + side // 3), (x + side // 2, y + side)], fill=colour)
    return picture
