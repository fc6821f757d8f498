"""Small pictures for reports, within the page."""

from __future__ import annotations

import base64
import io

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
    """``uint8 [H, W, 3]``, RGB, in its own size as a JPEG."""
    return _embedded(Image.fromarray(pixels), quality)


def _embedded(picture: Image.Image, quality: int) -> str:
    data = io.BytesIO()
    picture.save(data, format="JPEG", quality=quality, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
