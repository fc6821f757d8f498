"""What can be pruned of a network, and that it is really gone afterwards."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from hawklet.errors import ModelError
from hawklet.spec import PreprocessSpec
from hawklet_converter.pruning.structure import Structure, find_structure, remove_channels
from hawklet_trainer.models.architecture import Architecture, channels_of
from hawklet_trainer.models.registry import MODELS
from tiny_networks import SPEC, TinyNet

FAMILIES = {
    "mobilenet_v2": 32,
    "mobilenet_v3_small": 64,
    "resnet18": 32,
    "vgg11_bn": 32,
    "inception_v3": 75,
    "efficientnet_lite0": 32,
    "squeezenet1_1": 32,
    "mnasnet0_5": 32,
    "regnet_y_400mf": 64,
}
"""Each at an input that is quick to run."""
CLASSES = 5


def _half(structure: Structure) -> dict[str, list[int]]:
    """Every second channel of the first, as many as leaves a multiple of eight."""
    gone = {group.name: (group.channels // 2 + 7) // 8 * 8 for group in structure.groups}
    return {g.name: sorted([*range(0, g.channels, 2), 1, 3, 5, 7][: gone[g.name]]) for g in structure.groups}


def _widths(net: nn.Module) -> dict[str, int]:
    return {name: module.out_channels for name, module in net.named_modules() if isinstance(module, nn.Conv2d)}


@pytest.mark.parametrize("family", FAMILIES)
def test_half_of_every_group_really_goes_and_the_network_is_built_again_from_its_channels(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kaiming_normal_", "trunc_normal_"):  # VGG's 128 million numbers would take seconds to draw
        monkeypatch.setattr(nn.init, name, lambda tensor, *args, **options: tensor)
    side = FAMILIES[family]
    spec, entry = PreprocessSpec(side, side), MODELS[family]
    net = entry.build(CLASSES, side, side).eval()
    before = _widths(net)
    structure = find_structure(net, spec)
    small = remove_channels(net, spec, _half(structure))

    after = _widths(small)
    changed = {name for name in before if after[name] < before[name]}
    makers = {span.layer for group in structure.groups for span in group.spans if span.makes} & before.keys()
    assert changed == makers, "a layer that makes a group's channels kept them"
    assert all(after[name] % 8 == 0 for name in changed)
    assert all(small.get_submodule(name).weight.shape[0] == width for name, width in after.items())
    assert _widths(net) == before, "the given network was changed"

    again = Architecture(family, channels=channels_of(small, net)).build(CLASSES, side, side)
    again.load_state_dict(small.state_dict())
    x = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        answers = small(x)
        assert answers.shape == (2, CLASSES)
        assert torch.equal(again.eval()(x), answers)


def test_squeeze_and_excite_stays_whole_and_is_named() -> None:
    structure = find_structure(MODELS["mobilenet_v3_small"].build(3, 64, 64), PreprocessSpec(64, 64))
    assert structure.kept["features.4.block.2.fc1"].startswith("squeeze-and-excite")
    assert not any("fc1" in group.name for group in structure.groups)


def test_a_network_that_shuffles_its_channels_is_refused_in_a_sentence() -> None:
    with pytest.raises(ModelError, match=r"ShuffleNetV2 cannot be pruned .*; convert it without --prune"):
        find_structure(MODELS["shufflenet_v2_x0_5"].build(3, 64, 64), PreprocessSpec(64, 64))


def test_layers_whose_maps_are_one_pixel_are_not_taken_for_squeeze_and_excite() -> None:
    """The last blocks of every network at its smallest input."""
    structure = find_structure(MODELS["mobilenet_v2"].build(3, 32, 32), PreprocessSpec(32, 32))
    assert not structure.kept
    assert max(group.channels for group in structure.groups) == 1280


class Own(nn.Module):
    """A network as a user may write one: a convolution of its own in the middle, a head of two dense layers."""

    def __init__(self, middle: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 24, 3, 2, 1)
        self.middle = middle
        self.last = nn.Conv2d(24, 32, 3, 2, 1)
        self.dense = nn.Linear(32 * 8 * 8, 40)
        self.head = nn.Linear(40, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.middle(torch.relu(self.stem(x)))
        x = torch.flatten(torch.relu(self.last(x)), 1)
        return self.head(torch.relu(self.dense(x)))


def test_a_users_own_network_with_flattened_maps_is_pruned() -> None:
    net = Own(nn.Sequential(nn.Conv2d(24, 24, 3, padding=1), nn.BatchNorm2d(24))).eval()
    structure = find_structure(net, SPEC)
    small = remove_channels(net, SPEC, {group.name: range(8) for group in structure.groups})
    assert structure.widths() == {"stem": 24, "middle.0": 24, "last": 32, "dense": 40}
    assert small.dense.weight.shape == (32, 24 * 8 * 8)
    assert small(torch.zeros(2, 3, 32, 32)).shape == (2, 3)


def test_convolutions_in_odd_groups_stay_and_are_named_and_the_rest_goes() -> None:
    structure = find_structure(Own(nn.Conv2d(24, 24, 3, padding=1, groups=3)), SPEC)
    assert set(structure.widths()) == {"last", "dense"}
    assert all("middle is a convolution in 3 groups" in reason for reason in structure.kept.values())
    assert structure.kept


class _Scaled(nn.Module):
    """Multiplies every channel by a number that is learned."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, 24, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale


@pytest.mark.parametrize(
    ("middle", "words"),
    [
        (nn.PReLU(24), "middle is of a PReLU"),
        (nn.GroupNorm(4, 24), "middle is of a GroupNorm"),
        (_Scaled(), r"middle.scale is of a _Scaled"),
    ],
)
def test_what_a_run_cannot_hold_with_fewer_channels_stays_and_is_named(middle: nn.Module, words: str) -> None:
    net = Own(middle)
    structure = find_structure(net, SPEC)
    assert structure.kept["stem"].startswith(words)
    assert set(structure.widths()) == {"last", "dense"}
    small = remove_channels(net, SPEC, {group.name: range(8) for group in structure.groups})
    assert set(channels_of(small, Own(copy.deepcopy(middle)))) == {"last", "dense", "head"}


def test_one_number_for_all_channels_keeps_nothing_whole() -> None:
    assert not find_structure(Own(nn.PReLU()), SPEC).kept


class _Plain(nn.Module):
    """Pools what its trunk gives, and sees it through a dense head."""

    def __init__(self, *trunk: nn.Module) -> None:
        super().__init__()
        self.trunk, self.head = nn.Sequential(*trunk), nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.trunk(x).mean([2, 3]))


def _tied() -> nn.Module:
    first, second = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
    second.weight = first.weight
    return _Plain(nn.Conv2d(3, 16, 1), first, second)


class _Twice(_Plain):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(self.trunk[0](self.trunk[0](x)))


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (_Plain(nn.Conv2d(3, 16, 1), nn.Conv2d(16, 16, 1, groups=4)), r"nothing of _Plain.*convolution in 4 groups"),
        (_tied(), r"tied weights.*trunk\.1\.weight and trunk\.2\.weight are the same"),
        (_Twice(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 16, 1)), r"more than once.*trunk\.0 is passed 3 times"),
        (nn.Sequential(nn.Conv2d(3, 16, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), "end in a dense layer.*Sequential"),
        (nn.Sequential(nn.Conv2d(4, 16, 1), nn.Linear(32, 3)), "Sequential cannot run on its input"),
    ],
    ids=["odd", "tied", "twice", "headless", "foreign"],
)
def test_what_cannot_be_pruned_is_refused_by_name(net: nn.Module, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        find_structure(net, SPEC)


def test_groups_too_small_to_give_eight_channels_stay_and_are_named() -> None:
    structure = find_structure(_Plain(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 15, 1), nn.Conv2d(15, 16, 1)), SPEC)
    assert list(structure.widths()) == ["trunk.2"]
    assert structure.kept == {
        "trunk.0": "has 8 channels, and they go in eights",
        "trunk.1": "has 15 channels, and they go in eights",
    }


def test_a_network_that_counts_on_its_channels_is_refused_in_hawklets_own_words() -> None:
    class Counting(_Plain):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.trunk(x).mean([2, 3]).reshape(len(x), 16))

    net = Counting(nn.Conv2d(3, 16, 1))
    with pytest.raises(ModelError, match=r"Counting cannot be pruned.*without --prune"):
        remove_channels(net, SPEC, {"trunk.0": list(range(8))})


def test_a_network_in_training_is_left_in_training() -> None:
    net = TinyNet(3).train()
    state = copy.deepcopy(net.state_dict())
    find_structure(net, SPEC)
    assert all(module.training for module in net.modules())
    assert all(torch.equal(tensor, state[name]) for name, tensor in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())
