"""Families of networks: what those of one design share, so that an entry of the registry is one line.

Where torchvision has a network it builds it, and module paths are torchvision's. Whatever a family needs besides has a
module of its own: :mod:`~hawklet_trainer.models.efficientnet_lite`, :mod:`~hawklet_trainer.models.squeezenet`,
:mod:`~hawklet_trainer.models.mnasnet`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from hawklet_trainer.models.efficientnet_lite import LITE, EfficientNetLite, by_position
from hawklet_trainer.models.entry import STRIDE, ModelEntry, WeightsEntry
from hawklet_trainer.models.squeezenet import SqueezeNet, without_classifier

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)

Build = Callable[[int, int, int], nn.Module]
BuildWidth = Callable[[int, int, int, float], nn.Module]


@dataclass(frozen=True)
class Family:
    """What networks of one design share; fields as those of :class:`~hawklet_trainer.models.entry.ModelEntry`."""

    build: Callable[[str], Build]
    """Of the network of this name."""
    stem: tuple[str, ...]
    head: str
    points: tuple[str, ...] | Callable[[str], tuple[str, ...]]
    """Of all of its networks, or of the one of this name."""
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    adapt: Callable[[dict[str, torch.Tensor], nn.Module], dict[str, torch.Tensor]] | None = None
    build_width: Callable[[str], BuildWidth] | None = None
    least_side: int = STRIDE
    stays_float: str = ""

    def entry(
        self,
        name: str,
        weights: WeightsEntry,
        side: int = 224,
        crop_fraction: float = 0.875,
    ) -> ModelEntry:
        """The registry's entry of one network of the family."""
        return ModelEntry(
            name,
            self.build(name),
            side,
            crop_fraction,
            self.mean,
            self.std,
            self.stem,
            self.head,
            weights,
            self.adapt,
            self.build_width(name) if self.build_width else None,
            self.least_side,
            self.points(name) if callable(self.points) else self.points,
            self.stays_float,
        )


def _torchvision(name: str) -> Build:
    def build(classes: int, height: int, width: int) -> nn.Module:
        import torchvision

        net: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=classes)
        return net

    return build


def _torchvision_width(name: str) -> BuildWidth:
    def build(classes: int, height: int, width: int, multiplier: float) -> nn.Module:
        import torchvision

        net: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=classes, width_mult=multiplier)
        return net

    return build


def _inception_v3(name: str) -> Build:
    def build(classes: int, height: int, width: int) -> nn.Module:
        import torchvision

        # The auxiliary classifier helped training from scratch only, and needs inputs of 299.
        net: nn.Module = torchvision.models.inception_v3(
            weights=None, num_classes=classes, aux_logits=False, init_weights=False, transform_input=False
        )
        return net

    return build


def _without_auxiliary(tensors: dict[str, torch.Tensor], net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in tensors.items() if not name.startswith("AuxLogits.")}


def _efficientnet_lite(name: str) -> Build:
    def build(classes: int, height: int, width: int) -> nn.Module:
        return EfficientNetLite(classes, height, width, LITE[name])

    return build


def _lite_tensors(tensors: dict[str, torch.Tensor], net: nn.Module) -> dict[str, torch.Tensor]:
    return tensors if set(tensors) == set(net.state_dict()) else by_position(tensors, net)


def _mnasnet(name: str) -> Build:
    def build(classes: int, height: int, width: int) -> nn.Module:
        from hawklet_trainer.models.mnasnet import build_mnasnet

        return build_mnasnet(name, classes)

    return build


def _squeezenet(name: str) -> Build:
    def build(classes: int, height: int, width: int) -> nn.Module:
        return SqueezeNet(name, classes)

    return build


def _numbered(container: str, *numbers: int) -> tuple[str, ...]:
    return tuple(f"{container}.{number}" for number in numbers)


def _vgg_points(name: str) -> tuple[str, ...]:
    """The first convolution, that behind each pooling, and the first dense layer."""
    return (*_numbered("features", *_VGG_CONVOLUTIONS[name]), "classifier.0")


_VGG_CONVOLUTIONS = {
    "vgg11": (0, 3, 6, 11, 16),
    "vgg16": (0, 5, 10, 17, 24),
    "vgg11_bn": (0, 4, 8, 15, 22),
    "vgg16_bn": (0, 7, 14, 24, 34),
}

MOBILENET_V2 = Family(
    _torchvision,
    ("features.0.0", "features.0.1"),
    "classifier.1",
    _numbered("features", 0, 2, 4, 7, 11, 14, 18),
    build_width=_torchvision_width,
)
_MOBILENET_V3 = ("features.0.0", "features.0.1"), "classifier.3"
# XNNPACK, which runs a .tflite on a CPU, takes no int8 HARD_SWISH, nor does ONNX Runtime have integer kernels for it:
# int8 files leave it in float, and are faster than float for that.
MOBILENET_V3_SMALL = Family(
    _torchvision,
    *_MOBILENET_V3,
    (*_numbered("features", 0, 2, 4, 7, 9, 12), "classifier.0"),
    build_width=_torchvision_width,
    stays_float="hard-swish",
)
MOBILENET_V3_LARGE = Family(
    _torchvision,
    *_MOBILENET_V3,
    (*_numbered("features", 0, 2, 4, 7, 11, 13, 16), "classifier.0"),
    build_width=_torchvision_width,
    stays_float="hard-swish",
)
RESNET = Family(_torchvision, ("conv1", "bn1"), "fc", ("conv1", "layer1", "layer2", "layer3", "layer4"))
VGG = Family(_torchvision, ("features.0",), "classifier.6", _vgg_points)
VGG_BN = Family(_torchvision, ("features.0", "features.1"), "classifier.6", _vgg_points)
INCEPTION_V3 = Family(
    _inception_v3,
    ("Conv2d_1a_3x3.conv", "Conv2d_1a_3x3.bn"),
    "fc",
    ("Conv2d_1a_3x3", "Conv2d_3b_1x1", "Mixed_5b", "Mixed_6a", "Mixed_6c", "Mixed_7a", "Mixed_7b", "Mixed_7c"),
    # Torchvision's own network turns ImageNet's statistics into these before its first convolution.
    mean=(127.5, 127.5, 127.5),
    std=(127.5, 127.5, 127.5),
    adapt=_without_auxiliary,
    least_side=75,
)
EFFICIENTNET_LITE = Family(
    _efficientnet_lite,
    ("stem.1", "stem.2"),
    "classifier",
    lambda name: LITE[name].points(),
    mean=(127.0, 127.0, 127.0),
    std=(128.0, 128.0, 128.0),
    adapt=_lite_tensors,
)
# SiLU is computed in int8, as the two operations x * sigmoid(x): at 224 px on x86-64, one thread, an int8 .tflite takes
# 2.8 ms where float takes 6.7, but an int8 .onnx 6.0 where float takes 6.5.
EFFICIENTNET = Family(
    _torchvision, ("features.0.0", "features.0.1"), "classifier.1", _numbered("features", 0, 2, 3, 4, 5, 6, 7, 8)
)
MNASNET = Family(_mnasnet, ("layers.0", "layers.1"), "classifier.1", _numbered("layers", 0, 8, 9, 10, 11, 12, 13, 14))
SHUFFLENET_V2 = Family(_torchvision, ("conv1.0", "conv1.1"), "fc", ("conv1", "stage2", "stage3", "stage4", "conv5"))
REGNET = Family(
    _torchvision,
    ("stem.0", "stem.1"),
    "fc",
    ("stem", *(f"trunk_output.block{number}" for number in range(1, 5))),
)
SQUEEZENET_1_0 = Family(
    _squeezenet, ("features.0",), "classifier", _numbered("features", 0, 3, 7, 12), adapt=without_classifier
)
SQUEEZENET_1_1 = Family(
    _squeezenet, ("features.0",), "classifier", _numbered("features", 0, 3, 6, 9), adapt=without_classifier
)
