"""Tiny photo folders for the trainer's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hawklet_trainer.models.registry import MODELS
from hawklet_trainer.training.speed import Speed
from tiny_networks import TinyNet

# Networks this small gain nothing from a second thread, and lose much to it where another process keeps a core busy.
torch.set_num_threads(1)

COLOURS = {"blue": (30, 40, 200), "green": (40, 180, 50), "red": (200, 40, 30)}


def _draw(path: Path, colour: tuple[int, int, int], seed: int, side: int = 72) -> None:
    """A picture of one colour with noise, each seed another."""
    noise = np.random.default_rng(seed).integers(-30, 30, (side, side, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)).save(path)


def _draw_folder(folder: Path, count: int, first: int = 0) -> None:
    for number, (label, colour) in enumerate(COLOURS.items()):
        for seed in range(first + 1000 * number, first + 1000 * number + count):
            _draw(folder / label / f"{seed:05d}.png", colour, seed)


@pytest.fixture
def draw_photos(tmp_path: Path) -> Callable[..., Path]:
    """Draw ``count`` photos of each colour below ``tmp_path / "photos"`` and give that folder."""

    def make(count: int = 10, below: str = "", first: int = 0) -> Path:
        _draw_folder(tmp_path / "photos" / below, count, first)
        return tmp_path / "photos"

    return make


@pytest.fixture(scope="session")
def colour_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve photos of each of three colours, which no test changes."""
    folder = tmp_path_factory.mktemp("trainer") / "colours"
    _draw_folder(folder, 12)
    return folder


@pytest.fixture(scope="module")
def small_network() -> Iterator[str]:
    """Name of a small network that counts as pretrained, computed in float32 whatever is faster at the moment."""
    MODELS["small"] = replace(
        MODELS["resnet18"],
        name="small",
        build=lambda classes, height, width: TinyNet(classes),
        build_width=lambda classes, height, width, multiplier: TinyNet(classes, multiplier),
        head="head",
        stem=None,
        weights=None,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hawklet_trainer.training.loop.fastest_way", lambda *_: (Speed(), "float32"))
        yield "small"
    del MODELS["small"]


@pytest.fixture(autouse=True)
def _speeds_kept_here(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What tests measure is no business of the user's trainings."""
    folder = tmp_path_factory.getbasetemp() / "speeds"
    monkeypatch.setattr("hawklet_trainer.training.kept_speeds.folder", lambda: folder)
