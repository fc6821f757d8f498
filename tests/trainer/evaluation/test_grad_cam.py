"""Grad-CAM: it finds what an answer rests on, in every family, and leaves the network as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from hawklet_trainer.evaluation.grad_cam import grad_cam, last_map, overlay
from hawklet_trainer.models.registry import MODELS
from hawklet_trainer.training.inputs import as_input

CHANNELS = {
    "mobilenet_v2": 1280,
    "mobilenet_v3_small": 576,
    "resnet18": 512,
    "vgg11_bn": 512,
    "inception_v3": 2048,
    "efficientnet_lite0": 1280,
    "squeezenet1_1": 512,
    "shufflenet_v2_x0_5": 1024,
}
"""Of the last map of a network of each family."""


class _RedOrBlue(nn.Module):
    """Names a picture by how much red or blue is in it."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Conv2d(3, 2, 1, bias=False)
        self.rectify = nn.ReLU(inplace=True)
        self.head = nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            self.look.weight.copy_(torch.tensor([[1.0, -1, -1], [-1, -1, 1]])[:, :, None, None])
            self.head.weight.copy_(torch.eye(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answers: torch.Tensor = self.head(self.rectify(self.look(x)).mean((2, 3)))
        return answers


def _corners() -> np.ndarray:
    """Red above on the left, blue below on the right, on black: uint8 [1, 16, 16, 3]."""
    picture = np.zeros((1, 16, 16, 3), dtype=np.uint8)
    picture[0, :5, :5, 0] = picture[0, 11:, 11:, 2] = 250
    return picture


@pytest.mark.parametrize(("named", "there", "elsewhere"), [(0, (2, 2), (13, 13)), (1, (13, 13), (2, 2))])
def test_the_evidence_for_a_class_is_where_it_is_seen(
    named: int, there: tuple[int, int], elsewhere: tuple[int, int]
) -> None:
    evidence = grad_cam(_RedOrBlue(), _corners(), [named], 0, 1 / 255)
    assert evidence is not None and evidence.shape == (1, 16, 16) and evidence.dtype == np.float32
    assert evidence[0][there] == pytest.approx(1) and evidence[0][elsewhere] == 0


def test_the_network_is_left_as_it_was() -> None:
    net = _RedOrBlue().train()
    net.look.weight.requires_grad_(False)
    grad_cam(net, np.repeat(_corners(), 9, axis=0), [0] * 9, 0, 1 / 255)
    assert net.training and net.rectify.training
    assert not net.look.weight.requires_grad and net.head.weight.requires_grad and net.head.weight.grad is None
    assert not any(module._forward_hooks for module in net.modules())


def test_a_network_without_a_map_gives_none() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16 * 16 * 3, 2))
    assert last_map(net, as_input(_corners(), 0, 1.0)) is None
    assert grad_cam(net, _corners(), [0], 0, 1.0) is None


@pytest.mark.parametrize(("name", "side"), [(name, 128 if name == "inception_v3" else 96) for name in CHANNELS])
def test_the_last_map_of_every_family_is_explained_and_no_branch_of_it(name: str, side: int) -> None:
    torch.manual_seed(0)
    entry = MODELS[name]
    net = entry.build(3, side, side).eval()
    pixels = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), dtype=np.uint8)
    module = last_map(net, as_input(pixels, entry.zero_point, entry.scale))
    assert module is not None
    seen: list[torch.Tensor] = []
    module.register_forward_hook(lambda module, given, output: seen.append(output))
    evidence = grad_cam(net, pixels, [1], entry.zero_point, entry.scale)
    assert evidence is not None and evidence.shape == (1, side, side) and np.isfinite(evidence).all()
    assert seen[0].shape[1] == CHANNELS[name]


class _Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.branch = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        answers: torch.Tensor = self.head((x + self.branch(x)).mean((2, 3)))
        return answers


def test_what_something_passes_by_is_not_the_last_map() -> None:
    net = _Residual().eval()
    assert last_map(net, as_input(_corners(), 0, 1 / 255)) is net.stem


def test_an_overlay_is_a_picture_of_the_same_size_and_warm_where_the_evidence_is() -> None:
    evidence = np.zeros((16, 16), dtype=np.float32)
    evidence[4, 4] = 1.0
    shown = overlay(np.full((16, 16, 3), 100, dtype=np.uint8), evidence)
    assert shown.shape == (16, 16, 3) and shown.dtype == np.uint8
    assert shown[4, 4, 0] > shown[4, 4, 2] + 30 and tuple(shown[0, 0]) == (100, 100, 100)
