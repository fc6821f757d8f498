"""What a report shows of pictures that are not RGB."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hawklet.spec import PreprocessSpec
from hawklet_trainer.augment import Augment
from hawklet_trainer.augment.sheet import make_sheet
from hawklet_trainer.data import Place
from hawklet_trainer.thumbnail import data_uri, thumbnail


def _decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB")


def _red_behind_a_plane() -> Image.Image:
    return Image.fromarray(np.full((40, 40, 4), (200, 0, 0, 0), dtype=np.uint8))


def test_of_a_fourth_plane_nothing_is_shown_and_grey_is_grey(tmp_path: Path) -> None:
    red, _, blue = _decoded(data_uri(np.asarray(_red_behind_a_plane()))).getpixel((20, 20))
    assert red > 190 and blue < 20
    assert _decoded(data_uri(np.full((40, 40, 1), 90, dtype=np.uint8))).getpixel((20, 20)) == (90, 90, 90)
    _red_behind_a_plane().save(tmp_path / "red.png")
    assert _decoded(thumbnail(Place(tmp_path / "red.png"))).getpixel((20, 20))[0] > 190


@pytest.mark.parametrize("channels", [1, 4])
def test_what_augmentation_makes_of_other_channels_is_shown(channels: int, tmp_path: Path) -> None:
    _red_behind_a_plane().save(tmp_path / "red.png")
    pictures = [("red", Place(tmp_path / "red.png"))] * 2
    sheet = make_sheet(pictures, PreprocessSpec(32, 32, channels=channels), Augment.STRONG, True, None, 0)
    shown = [_decoded(image) for row in sheet.rows for image in (row.original, *row.variants)]
    assert len(shown) == 12 and len(sheet.mixed) == 2
    originals = {_decoded(row.original).getpixel((60, 60)) for row in sheet.rows}
    red, _, blue = originals.pop()
    assert (abs(red - blue) < 3) if channels == 1 else (red > 190)
