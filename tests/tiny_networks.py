"""A network small enough to train within a test session, with every layer that matters, and shapes drawn for it."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import nn

from hawklet.spec import PreprocessSpec

SIDE = 32
SPEC = PreprocessSpec(SIDE, SIDE)
ZERO_POINT, SCALE = 120, 1 / 64
COLOURS = {"disc": (200, 60, 50), "square": (60, 170, 70), "triangle": (60, 80, 200)}


class TinyNet(nn.Module):
    """Plain, depthwise and strided convolutions, batch norm, ReLU6, hard-swish, a residual, dropout and a head."""

    def __init__(self, classes: int, multiplier: float = 1.0) -> None:
        super().__init__()
        few, many = round(16 * multiplier), round(32 * multiplier)
        self.stem = nn.Sequential(_conv(3, few, 2), nn.ReLU6(inplace=True))
        self.block = nn.Sequential(
            _conv(few, many, 1), nn.ReLU6(inplace=True), _conv(many, many, 1, groups=many), nn.Hardswish()
        )
        self.project = _conv(many, few, 1)
        self.down = nn.Sequential(_conv(few, many, 2), nn.ReLU(inplace=True))
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(many, classes)

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
    colour = tuple(int(c) for c in np.clip(np.array(COLOURS[label]) + random.integers(-40, 40, 3), 0, 255))
    pen = ImageDraw.Draw(picture)
    if label == "disc":
        pen.ellipse(box, fill=colour)
    elif label == "square":
        pen.rectangle(box, fill=colour)
    else:
        pen.polygon([(box[0], box[3]), (box[2], box[3]), ((box[0] + box[2]) // 2, box[1])], fill=colour)
    return picture


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
