"""Small pictures for reports, within the page."""

from __future__ import annotations

import base64
import io

from PIL import Image

from hawklet.errors import ImageError
from hawklet_trainer.data import Place

_SIDE = 132  # pixels


def thumbnail(place: Place) -> str:
    """A small JPEG as a data URI; empty where the picture has gone."""
    try:
        picture = Image.fromarray(place.read())
    except ImageError:
        return ""
    picture.thumbnail((_SIDE, _SIDE))
    data = io.BytesIO()
    picture.save(data, format="JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
