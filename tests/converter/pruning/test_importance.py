"""Which channels matter, by each of the criteria."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from hawklet_converter.pruning import least_squares
from hawklet_converter.pruning.importance import CRITERIA, Examples, Scores, in_order, score_channels
from hawklet_converter.pruning.least_squares import Moments, gather_moments
from hawklet_converter.pruning.structure import Structure, find_structure
from tiny_networks import SPEC, TinyNet


@pytest.mark.parametrize("criterion", CRITERIA)
def test_every_channel_of_every_group_gets_a_score_and_the_network_is_left_alone(
    criterion: str, net: TinyNet, structure: Structure, examples: Examples, moments: dict[str, Moments]
) -> None:
    before = copy.deepcopy(net.state_dict())
    scores = score_channels(criterion, net, SPEC, structure, examples, moments)
    assert {name: len(found) for name, found in scores.items()} == structure.widths()
    assert all(bool(torch.isfinite(found).all()) for found in scores.values())
    assert all(sorted(in_order(scores[group.name])) == list(range(group.channels)) for group in structure.groups)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


class _Pair(nn.Module):
    """Two convolutions without a batch norm, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Conv2d(3, 16, 3), nn.Conv2d(16, 16, 3), nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.second(torch.relu(self.first(x)))).mean([2, 3]))


@pytest.fixture
def ignoring() -> _Pair:
    """Its channel 5 is loud, and nothing reads it; its channel 2 makes nothing."""
    torch.manual_seed(0)
    pair = _Pair().eval()
    with torch.no_grad():
        pair.first.weight[5] *= 10.0
        pair.second.weight[:, 5] = 0.0
        pair.first.weight[2], pair.first.bias[2] = 0.0, 0.0
    return pair


def _scores(criterion: str, net: nn.Module, examples: Examples) -> Scores:
    structure = find_structure(net, SPEC)
    moments = gather_moments(net, structure, examples.inputs)
    return score_channels(criterion, net, SPEC, structure, examples, moments)


def test_criteria_that_look_at_pictures_remove_first_what_nothing_reads_however_loud_it_is(
    ignoring: _Pair, examples: Examples
) -> None:
    orders = {criterion: in_order(_scores(criterion, ignoring, examples)["first"]) for criterion in CRITERIA}
    assert orders["reconstruction"][0] == 5
    assert 5 in orders["taylor"][:2]
    assert orders["magnitude"][-1] == 5
    assert orders["magnitude"][0] == 2


def test_groups_without_a_batch_norm_are_scored_by_their_norm_instead(ignoring: _Pair, examples: Examples) -> None:
    fallen_back, by_norm = (_scores(criterion, ignoring, examples) for criterion in ("bn-scale", "group-norm"))
    assert fallen_back.keys() == {"first", "second"}
    assert all(torch.equal(fallen_back[name], by_norm[name]) for name in fallen_back)


def test_a_group_that_only_layers_of_too_many_inputs_read_is_scored_by_its_norm_instead(
    ignoring: _Pair, examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(least_squares, "_MOST_INPUTS", 100)  # the second convolution reads 144, the head 16
    fallen_back, by_norm = (_scores(criterion, ignoring, examples) for criterion in ("reconstruction", "group-norm"))
    assert torch.equal(fallen_back["first"], by_norm["first"])
    assert not torch.equal(fallen_back["second"], by_norm["second"])


def test_the_scale_of_the_batch_norm_is_what_bn_scale_goes_by(examples: Examples) -> None:
    torch.manual_seed(0)
    net = TinyNet(3).eval()
    norm = net.get_submodule("down.0.1")
    assert isinstance(norm, nn.BatchNorm2d)
    with torch.no_grad():
        norm.weight.copy_(torch.linspace(2.0, 1.0, 32))
    assert in_order(_scores("bn-scale", net, examples)["down.0.0"]) == list(reversed(range(32)))
