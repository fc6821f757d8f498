"""Stems of one channel and of four: what was learned of three stays true."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from hawklet.errors import UsageError, WeightsError
from hawklet.spec import PreprocessSpec
from hawklet_trainer.data import Photo, Place, load_pixels
from hawklet_trainer.models.architecture import Architecture, channels_of
from hawklet_trainer.models.folding import fold_normalization
from hawklet_trainer.models.registry import MODELS
from hawklet_trainer.models.stem import fit_stem, stem_path
from hawklet_trainer.models.weights import load_pretrained
from hawklet_trainer.run import save_weights
from hawklet_trainer.training.inputs import as_input

SIDE = 64
FAMILIES = ("mobilenet_v2", "resnet18", "efficientnet_lite0", "squeezenet1_1")


def _folded(name: str) -> nn.Module:
    net = MODELS[name].build(5, SIDE, SIDE).double().eval()
    fold_normalization(net, MODELS[name])
    return net


def _fitted(net: nn.Module, name: str, channels: int) -> nn.Module:
    fitted = copy.deepcopy(net)
    fit_stem(fitted, MODELS[name], channels)
    return fitted


@pytest.mark.parametrize("name", FAMILIES)
def test_a_grey_picture_gets_the_answer_that_its_three_equal_channels_got(name: str) -> None:
    net = _folded(name)
    grey = torch.rand(2, 1, SIDE, SIDE, dtype=torch.float64) * 4 - 2
    with torch.inference_mode():
        expected, got = net(grey.expand(-1, 3, -1, -1)), _fitted(net, name, 1)(grey)
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_fourth_plane_is_seen_as_the_colours_are_on_average_and_changes_no_answer_at_the_zero_point(
    name: str,
) -> None:
    net = _folded(name)
    x = torch.rand(2, 4, SIDE, SIDE, dtype=torch.float64) * 4 - 2
    fitted = _fitted(net, name, 4)
    x[:, 3] = 0.0
    with torch.inference_mode():
        torch.testing.assert_close(fitted(x), net(x[:, :3]), rtol=1e-9, atol=1e-9)
    weight = fitted.get_parameter(f"{stem_path(fitted, MODELS[name])}.weight")
    assert torch.equal(weight[:, 3], weight[:, :3].mean(1))


def test_grey_pictures_are_named_by_real_weights_as_in_colour(shared_data: Path, tmp_path: Path) -> None:
    entry = MODELS["efficientnet_lite0"]
    photos = []
    for number, path in enumerate(sorted((shared_data / "imagenet_sample").glob("*.jpg"))[::40]):
        Image.open(path).convert("L").save(tmp_path / f"{number}.png")
        photos.append(Photo(Place(tmp_path / f"{number}.png"), 0, ""))
    answers = {}
    for channels in (1, 3):
        net = Architecture(entry.name).build(1000, 224, 224, channels).eval()
        load_pretrained(net, entry, "pretrained")
        pixels, _ = load_pixels(photos, PreprocessSpec(224, 224, crop_fraction=0.875, channels=channels))
        with torch.inference_mode():
            answers[channels] = net(as_input(pixels, entry.zero_point, entry.scale))
    torch.testing.assert_close(answers[1], answers[3], rtol=1e-4, atol=1e-4)
    assert answers[3].std() > 0.5


@pytest.mark.parametrize("channels", [1, 4])
def test_published_weights_are_folded_before_the_stem_is_fitted(channels: int, tmp_path: Path) -> None:
    entry = MODELS["resnet18"]
    donor = entry.build(3, SIDE, SIDE)
    torch.save(donor.state_dict(), tmp_path / "published.pth")
    net = Architecture("resnet18").build(3, SIDE, SIDE, channels)
    load_pretrained(net, entry, str(tmp_path / "published.pth"))
    fold_normalization(donor, entry)
    fit_stem(donor, entry, channels)
    assert all(torch.equal(tensor, donor.state_dict()[name]) for name, tensor in net.state_dict().items())


@pytest.mark.parametrize("channels", [1, 4])
def test_weights_of_a_run_of_as_many_channels_are_taken_as_they_are(channels: int, tmp_path: Path) -> None:
    entry = MODELS["resnet18"]
    donor, net = (Architecture("resnet18").build(3, SIDE, SIDE, channels) for _ in range(2))
    nn.init.normal_(donor.get_parameter("conv1.weight"))
    save_weights(tmp_path / "best.safetensors", donor, entry.zero_point, entry.scale)
    load_pretrained(net, entry, str(tmp_path / "best.safetensors"))
    assert torch.equal(net.get_parameter("conv1.weight"), donor.get_parameter("conv1.weight"))


def test_weights_of_a_colour_run_begin_a_grey_one(tmp_path: Path) -> None:
    entry = MODELS["resnet18"]
    donor, net = entry.build(3, SIDE, SIDE), Architecture("resnet18").build(3, SIDE, SIDE, 1)
    save_weights(tmp_path / "best.safetensors", donor, entry.zero_point, entry.scale)
    load_pretrained(net, entry, str(tmp_path / "best.safetensors"))
    assert torch.equal(net.get_parameter("conv1.weight"), donor.get_parameter("conv1.weight").sum(1, keepdim=True))


def test_grey_weights_of_unknown_normalization_are_refused(tmp_path: Path) -> None:
    grey = Architecture("resnet18").build(3, SIDE, SIDE, 1)
    save_file(grey.state_dict(), tmp_path / "grey.safetensors")
    with pytest.raises(WeightsError, match=r"first convolution of 1 channel\(s\) must be a run's own"):
        load_pretrained(grey, MODELS["resnet18"], str(tmp_path / "grey.safetensors"))


def test_weights_of_four_channels_are_not_those_of_one(tmp_path: Path) -> None:
    entry = MODELS["resnet18"]
    donor = Architecture("resnet18").build(3, SIDE, SIDE, 4)
    save_weights(tmp_path / "best.safetensors", donor, entry.zero_point, entry.scale)
    with pytest.raises(WeightsError, match=r"another shape for tensor conv1\.weight"):
        load_pretrained(Architecture("resnet18").build(3, SIDE, SIDE, 1), entry, str(tmp_path / "best.safetensors"))


def test_a_pruned_grey_network_is_built_again() -> None:
    whole = Architecture("mobilenet_v2").build(3, SIDE, SIDE, 1)
    pruned = Architecture("mobilenet_v2", channels={"features.0.0": (1, 16), "features.0.1": (16, 16)})
    net = pruned.build(3, SIDE, SIDE, 1)
    assert channels_of(net, whole) == dict(pruned.channels)


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "networks_of_channels.py").write_text(
        "from torch import nn\n"
        "def _net(first, classes):\n"
        "    return nn.Sequential(first, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes))\n"
        "def colour(classes):\n    return _net(nn.Conv2d(3, 8, 3), classes)\n"
        "def grey(classes):\n    return _net(nn.Conv2d(1, 8, 3), classes)\n"
        "def dense(classes):\n    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, classes))\n"
    )
    monkeypatch.chdir(tmp_path)
    yield "networks_of_channels"
    sys.modules.pop("networks_of_channels", None)


@pytest.mark.parametrize(("function", "channels"), [("colour", 1), ("colour", 4), ("grey", 1), ("dense", 3)])
def test_a_network_of_the_users_own_takes_the_channels_that_it_can(
    own_module: str, function: str, channels: int
) -> None:
    net = Architecture(f"{own_module}:{function}").build(2, SIDE, SIDE, channels)
    assert net(torch.zeros(1, channels, SIDE, SIDE)).shape == (1, 2)


@pytest.mark.parametrize(
    ("function", "channels", "message"),
    [
        ("grey", 3, "has one that takes 1; say --channels 1"),
        ("grey", 4, "has one that takes 1; say --channels 1"),
        ("dense", 1, "has none that takes pictures; say --channels 3"),
    ],
)
def test_channels_that_a_network_of_the_users_own_cannot_take_are_refused(
    own_module: str, function: str, channels: int, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        Architecture(f"{own_module}:{function}").build(2, SIDE, SIDE, channels)
