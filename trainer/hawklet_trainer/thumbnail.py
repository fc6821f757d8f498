"""Small pictures for reports, within the page."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from hawklet.errors import ImageError
from hawklet.spec import Pixels
from hawklet_trainer.data.place import Place

_SIDE = 132  # pixels


def thumbnail(place: Place) -> str:
    """A small JPEG as a data URI; empty where the picture has gone."""
    try:
        picture = Image.fromarray(place.read(2 * _SIDE))
    except ImageError:
        return ""
    picture.thumbnail((_SIDE, _SIDE))
    return _embedded(picture, 80)


def data_uri(pixels: Pixels, quality: int = 80) -> str:
    """``uint8 [H, W, C]``, a network's input of 1, 3 or 4 channels, in its own size as a JPEG of what can be seen."""
    return _embedded(Image.fromarray(as_rgb(pixels)), quality)


def as_rgb(pixels: Pixels) -> Pixels:
    """What can be seen of ``uint8 [..., C]``, as ``uint8 [..., 3]``: grey in equal channels, of four the colours."""
    return np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else np.ascontiguousarray(pixels[..., :3])


def _embedded(picture: Image.Image, quality: int) -> str:
    data = io.BytesIO()
    picture.save(data, format="JPEG", quality=quality, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
