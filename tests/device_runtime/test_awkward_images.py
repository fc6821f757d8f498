"""Real awkward pictures: each is read as it should be seen, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hawklet.errors import ImageError
from hawklet.images import read_image

pytestmark = pytest.mark.shared_data

_REFUSED = {
    "combined_larger_than_size.psd",
    "rgb24jpeg.bmp",
    "seek_too_large.tif",
    "ultrahdr.jpg",
    "zero_width.gif",
}


def test_every_picture_is_read_or_refused_in_one_line(shared_data: Path) -> None:
    refused = set()
    for path in sorted(path for path in (shared_data / "awkward_images").glob("*/*") if path.is_file()):
        try:
            image = read_image(path)
        except ImageError as error:
            assert str(error).startswith(path.name) and "\n" not in str(error)
            refused.add(path.name)
        else:
            assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
            assert image.flags.c_contiguous
    assert refused == _REFUSED


@pytest.mark.parametrize("name", ["Landscape", "Portrait"])
def test_one_scene_stored_in_every_way_is_seen_alike(name: str, shared_data: Path) -> None:
    folder = shared_data / "awkward_images" / "exif_orientation"
    scenes = [
        np.asarray(Image.fromarray(read_image(folder / f"{name}_{number}.jpg")).resize((90, 90)), int)
        for number in (0, 3, 6)
    ]
    assert all(np.abs(scene - scenes[0]).mean() < 8 for scene in scenes)
    assert np.abs(scenes[0] - scenes[0][::-1]).mean() > 20  # upside down it is another


def test_hopper_is_seen_alike_however_it_is_stored(shared_data: Path) -> None:
    folder = shared_data / "awkward_images"
    upright = read_image(folder / "exif_orientation" / "hopper.jpg").astype(int)
    stored = [
        "hopper_orientation_3.jpg",
        "hopper_orientation_4.webp",
        "hopper_orientation_6.jpg",
        "hopper_orientation_7.webp",
    ]
    for path in [*(folder / "exif_orientation" / name for name in stored), folder / "webp_heic_avif" / "hopper.heif"]:
        image = read_image(path).astype(int)
        assert image.shape == upright.shape and np.abs(image - upright).mean() < 12, path.name
    grey = read_image(folder / "depth_palette_alpha" / "hopper_gray.jpg").astype(int)
    assert (grey[:, :, 0] == grey[:, :, 1]).all() and np.abs(grey.mean(2) - upright.mean(2)).mean() < 15


def test_a_fax_stored_sideways_is_read_upright(shared_data: Path) -> None:
    folder = shared_data / "awkward_images" / "exif_orientation"
    lying, turned = (read_image(folder / f"g4_orientation_{number}.tif") for number in (6, 3))
    assert lying.shape == turned.shape == (88, 590, 3)
    assert (lying == turned).mean() > 0.95
