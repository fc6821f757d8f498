"""An architecture as plain data: pruned networks are built again from it, and nonsense in it is refused."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from hawklet.errors import RunError
from hawklet_trainer.models.architecture import Architecture, channels_of
from hawklet_trainer.models.registry import MODELS
from tiny_networks import TinyNet

SMALLER = {
    "block.0.0": (16, 20),
    "block.0.1": (20, 20),
    "block.2.0": (20, 20),
    "block.2.1": (20, 20),
    "project.0": (20, 16),
    "down.0.0": (16, 24),
    "down.0.1": (24, 24),
    "head": (24, 3),
}


@pytest.fixture(autouse=True)
def small_model_with_a_stem(small_network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small network, registered as a model for the test."""
    stemmed = replace(MODELS[small_network], build_width=None, stem=("stem.0.0", "stem.0.1"))
    monkeypatch.setitem(MODELS, small_network, stemmed)


def test_a_pruned_network_is_built_again_from_what_differs() -> None:
    pruned = Architecture("small", channels=SMALLER).build(3, 32, 32)
    assert pruned(torch.zeros(2, 3, 32, 32)).shape == (2, 3)
    depthwise = pruned.get_submodule("block.2.0")
    assert isinstance(depthwise, nn.Conv2d) and depthwise.groups == 20
    assert channels_of(pruned, TinyNet(3)) == SMALLER
    again = Architecture.from_manifest(Architecture("small", channels=SMALLER).to_manifest()).build(3, 32, 32)
    again.load_state_dict(pruned.state_dict())
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(again.eval()(x), pruned.eval()(x))


def test_weights_of_renewed_layers_are_numbers_and_learn() -> None:
    pruned = Architecture("small", channels=SMALLER).build(3, 32, 32)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in pruned.state_dict().values())
    assert all(parameter.requires_grad for parameter in pruned.parameters())


def test_a_manifest_says_only_what_is_not_as_usual() -> None:
    assert Architecture("small").to_manifest() == {"model": "small"}
    assert Architecture("mobilenet_v2", 0.75).to_manifest() == {"model": "mobilenet_v2", "width_multiplier": 0.75}
    assert Architecture.from_manifest({"model": "small"}) == Architecture("small")


@pytest.mark.parametrize("width", [0, -1, 100, "wide", True, float("nan")])
def test_a_width_that_cannot_be_meant_is_refused(width: object) -> None:
    with pytest.raises(RunError, match="width_multiplier must be"):
        Architecture.from_manifest({"model": "small", "width_multiplier": width})


@pytest.mark.parametrize(
    "channels", [[1], {"head": 3}, {"head": [0, 3]}, {"head": [1, 2, 3]}, {"head": [1.5, 3]}, {"head": [10**9, 3]}]
)
def test_channels_that_are_no_pairs_of_counts_are_refused(channels: object) -> None:
    with pytest.raises(RunError, match="a run's channels must be"):
        Architecture.from_manifest({"model": "small", "channels": channels})


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        ({"nowhere": (1, 1)}, "'nowhere' is none"),
        ({"dropout": (1, 1)}, "'dropout' is none"),
        ({"head": (64, 3)}, r"got \[64, 3\] for head, which is built with \[32, 3\]"),
        ({"block.0.1": (3, 4)}, "as many channels in as out"),
        ({"block.2.0": (8, 16)}, r"1 channel\(s\) out for each in"),
    ],
)
def test_channels_that_the_network_cannot_have_are_refused(channels: Mapping[str, Any], message: str) -> None:
    with pytest.raises(RunError, match=message):
        Architecture("small", channels=channels).build(3, 32, 32)


def test_a_network_that_differs_in_other_things_is_not_described_by_channels() -> None:
    other = copy.deepcopy(TinyNet(3))
    other.register_buffer("more", torch.zeros(3))
    with pytest.raises(RunError, match="it differs in more"):
        channels_of(other, TinyNet(3))
