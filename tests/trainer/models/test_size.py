"""How large networks are."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hawklet_trainer.models.registry import MODELS
from hawklet_trainer.models.size import Size, count_macs, layer_macs, size_of
from tiny_networks import TinyNet


def test_every_position_of_a_convolution_is_counted_and_groups_divide() -> None:
    assert layer_macs(nn.Conv2d(3, 8, 3), (1, 8, 5, 4)) == 3 * 8 * 9 * 20
    assert layer_macs(nn.Conv2d(8, 8, 3, groups=8), (1, 8, 5, 4)) == 8 * 9 * 20
    assert layer_macs(nn.Linear(10, 4), (1, 4)) == 40


def test_a_layer_that_is_used_twice_counts_twice_and_no_hook_is_left() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(self.layer(x))  # type: ignore[no-any-return]

    net = Twice()
    assert count_macs(net, torch.zeros(1, 4)) == 32
    assert not net.layer._forward_hooks


def test_counting_needs_no_numbers() -> None:
    net, plain = TinyNet(3).eval(), TinyNet(3).eval()
    picture = torch.zeros(1, 3, 32, 32)
    assert count_macs(net.to("meta"), picture.to("meta")) == count_macs(plain, picture)


@pytest.mark.parametrize("name", [name for name in MODELS if not name.startswith(("efficientnet_lite", "squeezenet"))])
def test_sizes_are_those_that_torchvision_publishes(name: str) -> None:
    import torchvision

    published = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"].meta
    parameters, macs = published["num_params"], published["_ops"]
    if name == "inception_v3":
        parameters -= 3_326_696  # of the auxiliary classifier
    size = size_of(MODELS[name])
    assert size.parameters == parameters
    assert size.macs / 1e9 == pytest.approx(macs, abs=1e-3)


def test_a_linear_head_takes_squeezenets_multiplications_off_the_picture() -> None:
    # The published convolution of 512 x 1000 channels is computed at 13 x 13 places, the linear layer once.
    published = 0.349e9
    assert size_of(MODELS["squeezenet1_1"]) == Size(1_235_496, pytest.approx(published - 512_000 * 168, abs=1e6))
