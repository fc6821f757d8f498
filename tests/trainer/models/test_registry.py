"""The registry: every network that is named can be built, trained, frozen in parts and loaded as published."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import nn

from hawklet.errors import UsageError
from hawklet_trainer.models.architecture import build_as_wide
from hawklet_trainer.models.blocks import blocks_of
from hawklet_trainer.models.entry import ModelEntry
from hawklet_trainer.models.folding import fold_normalization
from hawklet_trainer.models.head import head_of
from hawklet_trainer.models.registry import MODELS, model_entry

CLASSES = 7
_OF_TORCHVISION = [name for name in MODELS if not name.startswith("efficientnet_lite")]


def _side(entry: ModelEntry) -> int:
    return max(64, entry.least_multiple)


@dataclass(frozen=True)
class Built:
    """A network with random weights, which no test changes."""

    entry: ModelEntry
    net: nn.Module

    @property
    def picture(self) -> torch.Tensor:
        return torch.randn(2, 3, _side(self.entry), _side(self.entry))


@pytest.fixture(scope="module", params=MODELS)
def built(request: pytest.FixtureRequest) -> Built:
    """Every network of the registry in turn, since drawing the weights of a VGG takes a second."""
    torch.manual_seed(0)
    entry = MODELS[request.param]
    return Built(entry, entry.build(CLASSES, _side(entry), _side(entry)).eval())


def test_every_network_learns_from_pictures_up_to_its_first_layer(built: Built) -> None:
    entry, net = built.entry, built.net
    answers = net(built.picture)
    assert answers.shape == (2, CLASSES)
    assert head_of(net, entry).out_features == CLASSES
    assert entry.stem is not None
    first = net.get_submodule(entry.stem[0])
    (gradient,) = torch.autograd.grad(answers.square().sum(), [first.weight])
    assert bool(gradient.isfinite().all()) and float(gradient.abs().max()) > 0


def test_the_blocks_of_every_network_hold_each_parameter_once_and_the_head_last(built: Built) -> None:
    entry, net = built.entry, built.net
    blocks = blocks_of(net, entry)
    held = [parameter for block in blocks for parameter in block.parameters]
    assert [id(parameter) for parameter in held] == [id(parameter) for parameter in net.parameters()]
    assert [block.name for block in blocks] == [*entry.points, entry.head]
    assert blocks[-1].layers == (head_of(net, entry),)
    assert 4 <= len(blocks) <= 10


def test_the_blocks_of_every_network_are_computed_one_after_the_other(built: Built) -> None:
    entry, net = built.entry, built.net
    order: list[int] = []

    def notice(number: int) -> Callable[..., None]:
        return lambda *_: order.append(number)

    hooks = [
        layer.register_forward_hook(notice(number))
        for number, block in enumerate(blocks_of(net, entry))
        for layer in block.layers
    ]
    with torch.inference_mode():
        net(built.picture)
    for hook in hooks:
        hook.remove()
    assert order == sorted(order)


def test_folding_changes_the_answers_at_the_border_only(built: Built) -> None:
    entry = built.entry
    assert entry.stem is not None
    stem = nn.Sequential(*(_copy(built.net.get_submodule(path)) for path in entry.stem)).eval()
    pixels = torch.randint(0, 256, (2, 3, 64, 64)).float()
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (entry.mean, entry.std))
    with torch.inference_mode():
        before = stem((pixels - mean) / std)
    fold_normalization(stem, _with_stem(entry))
    with torch.inference_mode():
        after = stem((pixels - entry.zero_point) * entry.scale)
    torch.testing.assert_close(before[:, :, 3:-3, 3:-3], after[:, :, 3:-3, 3:-3], rtol=1e-4, atol=1e-4)


def _copy(layer: nn.Module) -> nn.Module:
    copied = copy.deepcopy(layer)
    for name, tensor in copied.named_buffers():
        if name.startswith("running"):
            tensor.uniform_(0.5, 2.0)  # as they are after training, so that a wrong constant shows
    return copied


def _with_stem(entry: ModelEntry) -> ModelEntry:
    assert entry.stem is not None
    return replace(entry, stem=tuple(str(number) for number in range(len(entry.stem))))


def test_normalization_is_folded_into_a_convolution_with_a_bias_alone_and_into_no_other() -> None:
    entry = replace(MODELS["vgg11"], stem=("0",))
    with pytest.raises(TypeError, match="or a Conv2d with a bias"):
        fold_normalization(nn.Sequential(nn.Conv2d(3, 4, 3, bias=False)), entry)


@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large"])
def test_a_narrower_network_has_fewer_weights_and_as_many_answers(name: str) -> None:
    entry = MODELS[name]
    plain, narrow = entry.build(7, 64, 64), build_as_wide(entry, 7, (64, 64), 0.5).eval()
    with torch.inference_mode():
        assert narrow(torch.zeros(1, 3, 64, 64)).shape == (1, 7)
    assert sum(p.numel() for p in narrow.parameters()) < 0.7 * sum(p.numel() for p in plain.parameters())


def test_a_width_of_a_family_without_one_is_refused_naming_those_that_have_one() -> None:
    with pytest.raises(UsageError, match=r"exists for mobilenet_v2, mobilenet_v3_small, mobilenet_v3_large.*, got"):
        build_as_wide(MODELS["resnet18"], 3, (64, 64), 0.5)


@pytest.mark.parametrize(
    ("name", "side", "near"), [("resnet18", 100, 96), ("resnet18", 16, 32), ("inception_v3", 64, 96)]
)
def test_a_side_that_does_not_fit_is_refused_with_the_nearest_that_does(name: str, side: int, near: int) -> None:
    with pytest.raises(UsageError, match=f"got {side}; set --imgsz {near}"):
        MODELS[name].require_side(side)
    MODELS[name].require_side(MODELS[name].side)


def test_a_published_checkpoint_with_an_auxiliary_classifier_is_taken_without_it() -> None:
    import torchvision

    whole = torchvision.models.inception_v3(weights=None, init_weights=False).state_dict()
    entry = MODELS["inception_v3"]
    net = entry.build(1000, 299, 299)
    assert entry.adapt is not None
    assert entry.adapt(whole, net).keys() == net.state_dict().keys()


def test_pixels_mean_to_inception_what_torchvision_makes_of_them() -> None:
    import torchvision

    entry, pixels = MODELS["inception_v3"], torch.randint(0, 256, (1, 3, 8, 8)).float()
    preset = torchvision.models.Inception_V3_Weights.DEFAULT.transforms()
    normalized = torchvision.transforms.functional.normalize(pixels / 255, preset.mean, preset.std)
    theirs = torchvision.models.Inception3(init_weights=False, transform_input=True)._transform_input(normalized)
    torch.testing.assert_close(theirs, (pixels - entry.mean[0]) / entry.std[0], rtol=1e-4, atol=1e-4)


def test_a_state_dict_of_torchvision_is_taken_whole_but_for_the_head(built: Built) -> None:
    import torchvision

    entry, net = built.entry, built.net
    if entry.name not in _OF_TORCHVISION:
        pytest.skip("torchvision has no such network")
    more = {"init_weights": False} if entry.name.startswith(("inception", "vgg")) else {}
    theirs = torchvision.models.get_model(entry.name, weights=None, **more).state_dict()
    tensors = entry.adapt(theirs, net) if entry.adapt else theirs
    ours = {key: value.shape for key, value in net.state_dict().items() if not key.startswith(entry.head)}
    assert ours == {key: value.shape for key, value in tensors.items() if not key.startswith(entry.head)}


@pytest.mark.parametrize("name", _OF_TORCHVISION)
def test_files_and_normalization_are_those_that_torchvision_publishes(name: str) -> None:
    import torchvision

    entry = MODELS[name]
    assert entry.weights is not None
    published = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"]
    assert entry.weights.url == published.url
    assert entry.weights.sha256.startswith(published.url.removesuffix(".pth").rsplit("-", 1)[1])
    preset: Any = published.transforms()
    assert [entry.side] == preset.crop_size
    if name != "inception_v3":  # whose network turns ImageNet's statistics into others before it begins
        assert [value / 255 for value in entry.mean] == pytest.approx(preset.mean, abs=1e-6)
        assert [value / 255 for value in entry.std] == pytest.approx(preset.std, abs=1e-6)


def test_every_network_takes_a_plain_table_of_its_own_tensors(built: Built) -> None:
    built.net.load_state_dict(dict(built.net.state_dict()))


def test_batch_norms_of_every_network_follow_a_few_epochs(built: Built) -> None:
    for module in built.net.modules():
        assert not isinstance(module, nn.BatchNorm2d) or (module.momentum is not None and module.momentum >= 0.01)


def test_an_unknown_model_is_refused_with_the_closest_name() -> None:
    with pytest.raises(UsageError, match="did you mean mobilenet_v2"):
        model_entry("mobilnet_v2")
