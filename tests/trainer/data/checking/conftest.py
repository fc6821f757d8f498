"""Folders of photos to be checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from checked_photos import photo


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Save a picture below ``tmp_path / "photos"``; gives its path."""

    def make(picture: Image.Image, name: str, **options: object) -> Path:
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path, **options)
        return path

    return make


@pytest.fixture
def fill(save: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Save ``count`` photos of each class below ``photos``; gives that folder."""

    def make(count: int = 6, labels: tuple[str, ...] = ("oak", "yew"), below: str = "", first: int = 0) -> Path:
        for number, label in enumerate(labels):
            for seed in range(first + 1000 * number, first + 1000 * number + count):
                save(photo(seed), f"{below}{label}/{seed:05d}.jpg", quality=90)
        return tmp_path / "photos"

    return make
