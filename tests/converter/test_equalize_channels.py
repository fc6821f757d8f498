"""Channels are rescaled where that changes nothing, and their ranges become alike."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hawklet_converter.channel_groups import channel_groups
from hawklet_converter.collect_ranges import RecordingInterpreter
from hawklet_converter.equalize_channels import equalize_channels
from hawklet_converter.fold_batch_norm import fold_batch_norm
from hawklet_converter.place_layers import layers_of
from hawklet_trainer.models.registry import MODELS
from tiny_networks import TinyNet

_SPREAD = torch.logspace(-1, 0, 8)


class Bottleneck(nn.Module):
    """Expansion, depthwise, projection, residual, rectifiers that clip at 6, and a flattened picture at the end."""

    def __init__(self, rectifier: type[nn.Module] = nn.ReLU6) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), rectifier())
        self.expand = nn.Sequential(nn.Conv2d(8, 8, 1), rectifier())
        self.depthwise = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1, groups=8), rectifier())
        self.project = nn.Conv2d(8, 8, 1)
        self.last = nn.Sequential(nn.Conv2d(8, 8, 1), rectifier())
        self.head = nn.Linear(8 * 36, 4)
        with torch.no_grad():
            for block in (self.stem, self.expand, self.depthwise):
                block[0].weight.mul_(4 * _SPREAD.reshape(-1, 1, 1, 1))
                block[0].bias.mul_(_SPREAD)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = x + self.project(self.depthwise(self.expand(x)))
        return self.head(torch.flatten(self.last(x), 1))


@pytest.fixture
def inputs() -> torch.Tensor:
    return torch.randn(16, 3, 6, 6, generator=torch.Generator().manual_seed(1))


def _values(net: torch.fx.GraphModule, inputs: torch.Tensor, name: str) -> torch.Tensor:
    """The activation of a node."""
    seen: dict[str, torch.Tensor] = {}
    RecordingInterpreter(net, seen.__setitem__).run(inputs)
    return seen[name]


def _every_node(net: torch.fx.GraphModule) -> set[str]:
    """All but what is fused into a rectifier."""
    fused = {n.all_input_nodes[0].name for n in net.graph.nodes if n.target in _rectifiers(net)}
    return {node.name for node in net.graph.nodes} - fused


def _rectifiers(net: torch.fx.GraphModule) -> set[str]:
    return {path for path, module in net.named_modules() if isinstance(module, (nn.ReLU, nn.ReLU6))}


@pytest.mark.parametrize("rectifier", [nn.ReLU6, nn.ReLU])
def test_the_network_computes_the_same_and_its_channels_have_like_ranges(
    rectifier: type[nn.Module], inputs: torch.Tensor
) -> None:
    torch.manual_seed(0)
    net = fold_batch_norm(Bottleneck(rectifier))
    equalized = equalize_channels(net, inputs, set(layers_of(net)), _every_node(net))
    torch.testing.assert_close(equalized(inputs), net(inputs), atol=1e-4, rtol=1e-4)

    def spread(network: torch.fx.GraphModule) -> float:
        ranges = _values(network, inputs, "expand_1").amax(dim=[0, 2, 3])
        return float(ranges[ranges > 0].max() / ranges[ranges > 0].min())

    assert spread(net) > 5
    assert spread(equalized) < 1.5  # a depthwise layer follows, so nothing is held back


def test_a_channel_that_reaches_6_keeps_its_clip(inputs: torch.Tensor) -> None:
    torch.manual_seed(0)
    network = Bottleneck()
    with torch.no_grad():
        network.expand[0].weight[3] *= 1000
    net = fold_batch_norm(network)
    equalized = equalize_channels(net, inputs, set(layers_of(net)), _every_node(net))
    loud = inputs * 3  # values that calibration never showed
    expected, got = (_values(network, loud, "expand_1")[:, 3] for network in (net, equalized))
    torch.testing.assert_close(got.max(), expected.max())


def test_a_clip_at_6_before_a_dense_layer_is_left_alone_and_a_plain_rectifier_is_not(inputs: torch.Tensor) -> None:
    for rectifier, left_alone in ((nn.ReLU6, True), (nn.ReLU, False)):
        net = fold_batch_norm(Bottleneck(rectifier))
        equalized = equalize_channels(net, inputs, set(layers_of(net)), _every_node(net))
        before, after = (network.get_submodule("depthwise.0").bias for network in (net, equalized))
        assert torch.equal(before, after) is left_alone


def test_channels_that_few_pictures_excite_keep_room_below_the_clip(inputs: torch.Tensor) -> None:
    torch.manual_seed(0)
    net = fold_batch_norm(Bottleneck())
    rare = torch.cat([inputs[:1], 0.01 * inputs[1:]])
    tops = []
    for pictures in (inputs[:1].repeat(16, 1, 1, 1), rare):
        equalized = equalize_channels(net, pictures, set(layers_of(net)), _every_node(net))
        highest = _values(equalized, pictures, "expand_1").amax(dim=[0, 2, 3])
        tops.append(float(highest.max()))
    assert tops[0] == pytest.approx(6.0, rel=1e-3)
    assert tops[1] < 4.0


def test_layers_that_may_not_be_moved_are_not(inputs: torch.Tensor) -> None:
    net = fold_batch_norm(Bottleneck())
    movable = set(layers_of(net)) - {"expand.0"}
    equalized = equalize_channels(net, inputs, movable, _every_node(net))
    before, after = net.get_submodule("expand.0"), equalized.get_submodule("expand.0")
    assert torch.equal(before.weight, after.weight)
    assert torch.equal(before.bias, after.bias)


def test_hard_swish_input_and_output_are_left_alone() -> None:
    net = fold_batch_norm(TinyNet(3))
    touched = [node for group in channel_groups(net, set(layers_of(net))) for node in group.nodes]
    assert not [name for name in touched if name.startswith(("block_3", "x", "head"))]
    assert "block_1" in touched  # the ReLU6 between the expansion and the depthwise layer


@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v3_small", "resnet18", "efficientnet_lite0"])
def test_every_network_of_the_registry_computes_the_same_afterwards(name: str) -> None:
    torch.manual_seed(0)
    net = fold_batch_norm(MODELS[name].build(10, 64, 64))
    inputs = torch.randn(4, 3, 64, 64)
    equalized = equalize_channels(net, inputs, set(layers_of(net)), _every_node(net))
    expected = net(inputs)
    assert (equalized(inputs) - expected).abs().max() < 1e-3 * expected.abs().max().clamp_min(1e-6)
    assert channel_groups(net, set(layers_of(net)))
