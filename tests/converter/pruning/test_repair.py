"""A pruned network is much nearer to the whole one once its layers make up for what was removed."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from hawklet.spec import PreprocessSpec
from hawklet_converter.judge import judge
from hawklet_converter.pruning.importance import Examples
from hawklet_converter.pruning.repair import repair
from hawklet_converter.pruning.structure import Structure, find_structure, remove_channels
from hawklet_converter.reestimate_batch_norm import reestimate_batch_norm
from hawklet_trainer.models.registry import MODELS
from tiny_networks import SPEC, TinyNet


def _plain() -> nn.Module:
    """Without batch norms."""
    convolutions = nn.Sequential(nn.Conv2d(3, 24, 3, 2), nn.ReLU(), nn.Conv2d(24, 24, 3), nn.ReLU())
    return nn.Sequential(convolutions, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 3))


def _flattening() -> nn.Module:
    """A dense layer reads a map of four places, as in a VGG."""
    features = nn.Sequential(nn.Conv2d(3, 24, 3, 2, bias=False), nn.BatchNorm2d(24), nn.ReLU(), nn.AdaptiveAvgPool2d(2))
    return nn.Sequential(features, nn.Flatten(), nn.Linear(96, 32), nn.ReLU(), nn.Linear(32, 3))


def _untracked() -> nn.Module:
    """Its batch norm always takes the statistics of the batch."""
    norm = nn.BatchNorm2d(24, track_running_stats=False)
    return nn.Sequential(
        nn.Conv2d(3, 24, 3, 2), norm, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 3)
    )


def _padded_alike() -> nn.Module:
    """Padding by name, and by mirroring."""
    second = nn.Conv2d(24, 24, 3, padding=1, padding_mode="reflect")
    convolutions = nn.Sequential(nn.Conv2d(3, 24, 3, padding="same"), nn.ReLU(), second, nn.ReLU())
    return nn.Sequential(convolutions, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 3))


class _ChannelsLast(nn.Module):
    """Dense layers at every place of a map, as in newer families."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.wide, self.narrow = nn.Conv2d(3, 16, 4, 4), nn.Linear(16, 48), nn.Linear(48, 16)
        self.head = nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x).permute(0, 2, 3, 1)
        return self.head((x + self.narrow(torch.relu(self.wide(x)))).mean([1, 2]))


NETWORKS: dict[str, tuple[int, Callable[[], nn.Module]]] = {
    "residual": (32, lambda: TinyNet(3)),
    "squeeze and excite": (64, lambda: MODELS["mobilenet_v3_small"].build(3, 64, 64)),
    "flattened map": (32, _flattening),
    "no batch norm": (32, _plain),
    "untracked batch norm": (32, _untracked),
    "padding by name": (32, _padded_alike),
    "channels last": (32, _ChannelsLast),
}


def _logits(net: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return net.eval()(inputs)


def _divergence(net: nn.Module, whole: nn.Module, inputs: torch.Tensor) -> float:
    return judge(_logits(net, inputs).numpy(), _logits(whole, inputs).numpy()).divergence


def _half(structure: Structure) -> dict[str, list[int]]:
    """Every second channel."""
    return {group.name: list(range(0, group.channels // 16 * 16, 2)) for group in structure.groups}


def _made(family: str) -> tuple[nn.Module, PreprocessSpec, torch.Tensor]:
    """An untrained network that answers differently from picture to picture, and pictures."""
    torch.manual_seed(0)
    side, build = NETWORKS[family]
    net = build().eval()
    means = torch.randn(48, 3, 1, 1)
    inputs = means + torch.randn(48, 3, side, side)
    reestimate_batch_norm(net, inputs)
    head = [module for module in net.modules() if isinstance(module, nn.Linear)][-1]
    logits = _logits(net, inputs)
    with torch.no_grad():
        head.weight.div_(logits.std(0).mean())
        head.bias.zero_()
    return net, PreprocessSpec(side, side), inputs


def _divergences(
    whole: nn.Module, spec: PreprocessSpec, fitted_on: torch.Tensor, judged_on: torch.Tensor
) -> tuple[float, float]:
    """Of half the network repaired, and of the same with batch norms measured anew."""
    structure = find_structure(whole, spec)
    removal = _half(structure)
    remeasured, repaired = (remove_channels(whole, spec, removal) for _ in range(2))
    reestimate_batch_norm(remeasured, fitted_on)
    repair(repaired, whole, structure, removal, fitted_on)
    return _divergence(repaired, whole, judged_on), _divergence(remeasured, whole, judged_on)


@pytest.mark.parametrize("family", NETWORKS)
def test_a_repaired_network_is_much_nearer_to_the_whole_one_than_with_batch_norms_measured_anew(family: str) -> None:
    whole, spec, inputs = _made(family)
    found, before = _divergences(whole, spec, inputs, inputs)
    assert found < 0.3 * before


def test_pictures_that_nothing_was_fitted_on_are_answered_better_too(net: TinyNet, examples: Examples) -> None:
    fitted_on, others = examples.inputs.split(24)
    found, before = _divergences(net, SPEC, fitted_on, others)
    assert found < 0.1 * before


def test_the_whole_network_is_left_alone_and_no_hook_stays(
    net: TinyNet, structure: Structure, examples: Examples
) -> None:
    before = copy.deepcopy(net.state_dict())
    removal = _half(structure)
    small = remove_channels(net, SPEC, removal)
    repair(small, net, structure, removal, examples.inputs)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    modules = [*net.modules(), *small.modules()]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in modules)
    assert not small.training


@pytest.mark.parametrize("family", NETWORKS)
def test_a_network_that_lost_nothing_answers_as_before(family: str) -> None:
    whole, spec, inputs = _made(family)
    structure = find_structure(whole, spec)
    net = copy.deepcopy(whole)
    repair(net, whole, structure, {}, inputs[:4])
    found, before = (_logits(one, inputs).softmax(1) for one in (net, whole))
    assert torch.allclose(found, before, atol=1e-3)


@pytest.mark.parametrize("loudness", [1e-4, 1e6])
def test_it_does_not_matter_how_loud_a_layer_is(loudness: float) -> None:
    whole, spec, inputs = _made("no batch norm")
    structure = find_structure(whole, spec)
    removal = {structure.groups[0].name: list(range(0, 16, 2))}
    as_it_was, louder = (copy.deepcopy(whole) for _ in range(2))
    for name, factor in (("0.2", loudness), ("3", 1 / loudness)):
        layer = louder.get_submodule(name)
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        assert layer.bias is not None
        with torch.no_grad():
            layer.weight.mul_(factor)
            layer.bias.mul_(factor if name == "0.2" else 1.0)
    answers = []
    for net in (as_it_was, louder):
        small = remove_channels(net, spec, removal)
        repair(small, net, structure, removal, inputs)
        answers.append(_logits(small, inputs))
    assert torch.allclose(answers[0].softmax(1), answers[1].softmax(1), atol=1e-3)


def test_errors_of_the_layers_before_are_made_up_for_too() -> None:
    whole, spec, inputs = _made("no batch norm")
    structure = find_structure(whole, spec)
    removal = {structure.groups[0].name: list(range(0, 16, 2))}  # the head loses nothing, and reads what is wrong
    small = remove_channels(whole, spec, removal)
    repair(small, whole, structure, removal, inputs)
    fitted = _divergence(small, whole, inputs)
    small.get_submodule("3").load_state_dict(whole.get_submodule("3").state_dict())
    with_the_old_head = _divergence(small, whole, inputs)
    assert fitted < 0.5 * with_the_old_head


def test_what_is_to_be_left_keeps_its_weights(net: TinyNet, structure: Structure, examples: Examples) -> None:
    removal = {"block.2.0": list(range(16))}
    small = remove_channels(net, SPEC, removal)
    before = copy.deepcopy(small.state_dict())
    repair(small, net, structure, removal, examples.inputs, ("head",))
    assert torch.equal(small.get_parameter("head.weight"), before["head.weight"])
    assert not torch.equal(small.get_parameter("down.0.0.weight"), before["down.0.0.weight"])


def test_a_dense_layer_of_very_many_inputs_makes_up_for_them_too() -> None:
    torch.manual_seed(0)
    whole = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32 * 256, 3)).eval()
    inputs = torch.randn(64, 3, 1, 1) + 0.1 * torch.randn(64, 3, 16, 16)
    spec = PreprocessSpec(16, 16)
    structure = find_structure(whole, spec)
    removal = _half(structure)
    cut, repaired = (remove_channels(whole, spec, removal) for _ in range(2))
    repair(repaired, whole, structure, removal, inputs)
    errors = [(_logits(net, inputs) - _logits(whole, inputs)).square().mean() for net in (repaired, cut)]
    assert errors[0] < 0.05 * errors[1]


def test_means_of_batch_norms_move_as_the_means_of_the_pictures_and_variances_stay(
    net: TinyNet, structure: Structure, examples: Examples
) -> None:
    gone = {"project.0": list(range(8))}  # ``down.0`` keeps all that it makes, and reads less
    small = remove_channels(net, SPEC, gone)
    repair(small, net, structure, gone, examples.inputs)
    read: list[torch.Tensor] = []
    norms = [network.get_submodule("down.0.1") for network in (small, net)]
    handles = [norm.register_forward_pre_hook(lambda _norm, x: read.append(x[0].mean([0, 2, 3]))) for norm in norms]
    for network in (small, net):
        _logits(network, examples.inputs)
    for handle in handles:
        handle.remove()
    now, before = (norm.get_buffer("running_mean") for norm in norms)
    assert torch.allclose(now - before, read[0] - read[1], atol=1e-5)
    assert torch.equal(norms[0].get_buffer("running_var"), norms[1].get_buffer("running_var"))
