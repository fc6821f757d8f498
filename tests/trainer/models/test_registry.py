"""The registry and what is folded into its networks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from hawklet.errors import UsageError
from hawklet_trainer.models.efficientnet_lite import EfficientNetLite0, by_position, same_padding
from hawklet_trainer.models.folding import fold_normalization
from hawklet_trainer.models.registry import MODELS, head_of, model_entry

SIDE = 64


@pytest.mark.parametrize("name", MODELS)
def test_every_network_takes_pictures_and_ends_in_a_head_of_the_classes(name: str) -> None:
    entry = MODELS[name]
    side = max(SIDE, entry.least_side)
    net = entry.build(7, side, side).eval()
    with torch.inference_mode():
        assert net(torch.zeros(2, 3, side, side)).shape == (2, 7)
    assert head_of(net, entry).out_features == 7


@pytest.mark.parametrize("name", MODELS)
def test_folding_changes_the_answers_at_the_border_only(name: str) -> None:
    entry = MODELS[name]
    net = entry.build(5, SIDE, SIDE).eval()
    pixels = torch.randint(0, 256, (2, 3, SIDE, SIDE)).float()
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (entry.mean, entry.std))

    def after_stem(x: torch.Tensor) -> torch.Tensor:
        assert entry.stem is not None
        conv, norm = (net.get_submodule(path) for path in entry.stem)
        with torch.inference_mode():
            out: torch.Tensor = norm(conv(x))
        return out[:, :, 3:-3, 3:-3]

    before = after_stem((pixels - mean) / std)
    fold_normalization(net, entry)
    after = after_stem((pixels - entry.zero_point) * entry.scale)
    torch.testing.assert_close(before, after, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large"])
def test_a_narrower_network_has_fewer_weights_and_as_many_answers(name: str) -> None:
    entry = MODELS[name]
    plain, narrow = entry.build(7, SIDE, SIDE), entry.build_as_wide(7, SIDE, SIDE, 0.5).eval()
    with torch.inference_mode():
        assert narrow(torch.zeros(1, 3, SIDE, SIDE)).shape == (1, 7)
    assert sum(p.numel() for p in narrow.parameters()) < 0.7 * sum(p.numel() for p in plain.parameters())


def test_a_width_of_a_family_without_one_is_refused_naming_those_that_have_one() -> None:
    with pytest.raises(UsageError, match=r"exists for mobilenet_v2, mobilenet_v3_small, mobilenet_v3_large.*, got"):
        MODELS["resnet18"].build_as_wide(3, SIDE, SIDE, 0.5)


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


OWN = """
from torch import nn

def build(classes):
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))

def headless(classes):
    return nn.Conv2d(3, classes, 1)

def text(classes):
    return "network"

def broken(classes):
    raise ZeroDivisionError("oops")
"""


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module of a user's own in the current folder."""
    (tmp_path / "own_network.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    yield "own_network"
    sys.modules.pop("own_network", None)


def test_a_users_own_function_gives_an_entry(own_module: str) -> None:
    entry = model_entry(f"{own_module}:build")
    net = entry.build(5, SIDE, SIDE)
    assert head_of(net, entry).out_features == 5 and entry.stem is None and entry.weights is None
    assert not any(Path(folder) == Path.cwd() for folder in sys.path)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("headless", "ends in an nn.Linear of 5 outputs, got no nn.Linear"),
        ("text", "must return an nn.Module, got str"),
        ("broken", "ZeroDivisionError: oops"),
        ("absent", "has none called absent"),
        ("a:b", "must be named as --model module:function"),
    ],
)
def test_a_function_that_gives_no_classifier_is_refused(own_module: str, function: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        model_entry(f"{own_module}:{function}").build(5, SIDE, SIDE)


def test_a_module_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--model no_such_module:build must name a module .* No module named"):
        model_entry("no_such_module:build")


def test_an_unknown_model_is_refused_with_the_closest_name() -> None:
    with pytest.raises(UsageError, match="did you mean mobilenet_v2"):
        model_entry("mobilnet_v2")


@pytest.mark.parametrize(
    ("side", "kernel", "stride", "padding"),
    [(224, 3, 2, (0, 1)), (56, 5, 2, (1, 2)), (7, 3, 2, (1, 1)), (28, 5, 1, (2, 2)), (14, 1, 1, (0, 0))],
)
def test_same_padding_is_tensorflows(side: int, kernel: int, stride: int, padding: tuple[int, int]) -> None:
    assert same_padding(side, kernel, stride) == padding


def test_a_checkpoint_of_another_length_is_not_mapped_by_position() -> None:
    net = EfficientNetLite0(5, SIDE, SIDE)
    tensors = dict(net.state_dict())
    assert by_position({str(i): t for i, t in enumerate(tensors.values())}, net).keys() == tensors.keys()
    tensors.popitem()
    with pytest.raises(ValueError, match="tensors"):
        by_position(tensors, net)
