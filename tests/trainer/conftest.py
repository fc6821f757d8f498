"""Tiny photo folders for the trainer's tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

COLOURS = {"blue": (30, 40, 200), "green": (40, 180, 50), "red": (200, 40, 30)}


def draw(path: Path, colour: tuple[int, int, int], seed: int, side: int = 72) -> None:
    """A picture of one colour with noise, each seed another."""
    noise = np.random.default_rng(seed).integers(-30, 30, (side, side, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)).save(path)


@pytest.fixture
def draw_photos(tmp_path: Path) -> Callable[..., Path]:
    """Draw ``count`` photos of each colour below ``tmp_path / name`` and give that folder."""

    def make(count: int = 10, name: str = "photos", below: str = "", first: int = 0) -> Path:
        for number, (label, colour) in enumerate(COLOURS.items()):
            for index in range(count):
                seed = first + 1000 * number + index
                draw(tmp_path / name / below / label / f"{seed:05d}.png", colour, seed)
        return tmp_path / name

    return make
