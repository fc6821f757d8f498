"""Photos without end: noise with the spectrum of natural pictures, each another, as JPEGs of 500 pixels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hawklet_trainer.data.index import INDEX, IndexRow, write_index
from hawklet_trainer.data.place import Place

WIDTH, HEIGHT = 500, 375
_OCTAVES = (4, 8, 16, 32, 64, 125, 250)
"""Cells along a side."""
_FALL = 0.35
"""Each octave's strength is its cells to the power of minus this: a JPEG then takes as many bytes as one of a photo."""
_COLOUR_CELLS = 6
_A_FOLDER = 1000
_CLASSES = 10


def draw_photo(seed: int) -> Image.Image:
    """A photo of noise."""
    generator = np.random.default_rng(seed)
    light = sum(_noise(generator, cells, 1)[:, :, 0] * cells**-_FALL for cells in _OCTAVES)
    colour = _noise(generator, _COLOUR_CELLS, 3) * 0.5
    total = light[:, :, None] + colour
    low, high = np.quantile(total[::8, ::8], (0.01, 0.99))
    return Image.fromarray(((total - low) * (255 / (high - low))).clip(0, 255).astype(np.uint8))


def _noise(generator: np.random.Generator, cells: int, channels: int) -> Any:
    """``float32 [HEIGHT, WIDTH, channels]``, smooth between cells."""
    noise = generator.integers(0, 256, (cells, cells, channels), np.uint8)
    layers = [
        Image.fromarray(noise[:, :, channel]).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
        for channel in range(channels)
    ]
    return np.stack([np.asarray(layer, np.float32) for layer in layers], axis=2)


def write_photos(folder: Path, count: int) -> Path:
    """Write the first ``count`` photos, those that are not there yet, and an index of them; gives the index."""
    for number in range(count):
        path = _path(folder, number)
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            draw_photo(number).save(part, "JPEG", quality=85)
            part.replace(path)
    index = folder / f"{count}-{INDEX}"
    write_index(index, _rows(folder, count))
    return index


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number // _A_FOLDER:03d}" / f"{number:06d}.jpg"


def _rows(folder: Path, count: int) -> Iterator[IndexRow]:
    for number in range(count):
        split = ("train", "train", "train", "val")[number % 4]
        yield IndexRow(Place(_path(folder.resolve(), number)), f"class{number % _CLASSES}", split)
