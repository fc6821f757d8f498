"""A network small enough to train within a test session, on shapes drawn for it, with every layer that matters here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import nn

from hawklet.spec import PreprocessSpec
from hawklet_trainer.data import load_pixels, read_photos
from hawklet_trainer.loop import as_input
from hawklet_trainer.models import MODELS
from hawklet_trainer.run import save_weights, write_run

SIDE = 32
SPEC = PreprocessSpec(SIDE, SIDE)
ZERO_POINT, SCALE = 120, 1 / 64
_COLOURS = {"disc": (200, 60, 50), "square": (60, 170, 70), "triangle": (60, 80, 200)}
_PICTURES = 40


class TinyNet(nn.Module):
    """Plain, depthwise and strided convolutions, batch norm, ReLU6, hard-swish, a residual, dropout and a head."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(_conv(3, 16, 2), nn.ReLU6(inplace=True))
        self.block = nn.Sequential(
            _conv(16, 32, 1), nn.ReLU6(inplace=True), _conv(32, 32, 1, groups=32), nn.Hardswish()
        )
        self.project = _conv(32, 16, 1)
        self.down = nn.Sequential(_conv(16, 32, 2), nn.ReLU(inplace=True))
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(32, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = self.down(x + self.project(self.block(x)))
        return self.head(self.dropout(x.mean([2, 3])))


def _conv(source: int, target: int, stride: int, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(source, target, 3, stride, 1, groups=groups, bias=False), nn.BatchNorm2d(target))


def draw_shape(label: str, random: np.random.Generator) -> Image.Image:
    """One picture of 40 x 40 pixels: a shape of its colour somewhere on noise."""
    noise = random.integers(0, 256, (40, 40, 3), dtype=np.uint8) // 2 + 40
    picture = Image.fromarray(noise.astype(np.uint8))
    left, top, size = random.integers(3, 14), random.integers(3, 14), random.integers(14, 22)
    box = (int(left), int(top), int(left + size), int(top + size))
    colour = tuple(int(c) for c in np.clip(np.array(_COLOURS[label]) + random.integers(-40, 40, 3), 0, 255))
    pen = ImageDraw.Draw(picture)
    if label == "disc":
        pen.ellipse(box, fill=colour)
    elif label == "square":
        pen.rectangle(box, fill=colour)
    else:
        pen.polygon([(box[0], box[3]), (box[2], box[3]), ((box[0] + box[2]) // 2, box[1])], fill=colour)
    return picture


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 pictures of three shapes, one folder each."""
    folder = tmp_path_factory.mktemp("shapes")
    random = np.random.default_rng(0)
    for label in _COLOURS:
        (folder / label).mkdir()
        for number in range(_PICTURES):
            draw_shape(label, random).save(folder / label / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def tiny_run(photo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run folder of a trained TinyNet, registered as a model for the session."""
    MODELS["tiny"] = replace(
        MODELS["mobilenet_v2"], name="tiny", build=lambda classes, height, width: TinyNet(classes), head="head"
    )
    photos = read_photos(photo_folder, seed=0)
    pixels, truth = load_pixels(photos.items("train"), SPEC)
    net = train_tiny(as_input(pixels, ZERO_POINT, SCALE), torch.from_numpy(truth))
    folder = tmp_path_factory.mktemp("runs") / "shapes"
    save_weights(folder / "weights" / "best.safetensors", net, ZERO_POINT, SCALE)
    manifest = {
        "schema": "hawklet-run/1",
        "name": "shapes",
        "created": "2026-01-01T00:00:00Z",
        "hawklet_version": "0",
        "model": "tiny",
        "labels": list(photos.labels),
        "preprocess": SPEC.to_dict(),
        "pixel_zero_point": ZERO_POINT,
        "pixel_scale": SCALE,
        "data": {"path": str(photo_folder), "digest": photos.digest, "counts": photos.counts()},
        "weights": {"source": "none", "sha256": None},
        "seed": 0,
        "metrics": {},
        "versions": {},
    }
    write_run(folder, manifest, photos)
    yield folder
    del MODELS["tiny"]


def train_tiny(x: torch.Tensor, y: torch.Tensor) -> TinyNet:
    """Train on ``float32 [N, 3, 32, 32]`` and ``int64 [N]`` until the shapes are told apart."""
    torch.manual_seed(0)
    net = TinyNet(3).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3)
    for _ in range(12):
        for batch in torch.randperm(len(x)).split(16):
            loss = nn.functional.cross_entropy(net(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return net.eval()
