"""A network's architecture as plain data, so that a pruned network is a run like any other and no code is stored.

What the registry builds is named by its model and width multiplier; what pruning removed is the layers whose numbers
of channels differ from that network's.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from hawklet.errors import RunError, UsageError
from hawklet_trainer.models.entry import ModelEntry
from hawklet_trainer.models.registry import model_entry, with_width
from hawklet_trainer.models.stem import fit_stem

LEAST_WIDTH, MOST_WIDTH = 0.1, 4.0
"""Width multipliers that can be meant."""
_MOST_CHANNELS = 1 << 20


@dataclass(frozen=True)
class Architecture:
    """Everything that a network's modules and shapes follow from, besides its classes and its input's size."""

    model: str
    """Key of :data:`hawklet_trainer.models.registry.MODELS`, or the user's own ``module:function``."""
    width: float = 1.0
    """Width multiplier."""
    channels: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Module path to (in, out) of every Conv2d, Linear and batch norm (n, n) that differs from the network as built."""

    def build(self, classes: int, height: int, width_px: int, input_channels: int = 3) -> nn.Module:
        """The network with the weights that its builder gives it, random ones in the layers that ``channels`` names.

        Args:
            classes: Number of outputs.
            height: Of the input, pixels.
            width_px: Of the input, pixels.
            input_channels: Of the input: 1, 3 or 4.

        Raises:
            UsageError: there is no such model, or it has no width multiplier or no stem for so many input channels.
            RunError: ``channels`` names no layer of it, or numbers that are not fewer than the layer has.
        """
        entry = model_entry(self.model)
        net = build_as_wide(entry, classes, (height, width_px), self.width)
        fit_stem(net, entry, input_channels)
        _resize(net, self.channels)
        return net

    def to_manifest(self) -> dict[str, Any]:
        """The manifest's keys: ``model``, and ``width_multiplier`` and ``channels`` where they say anything."""
        keys: dict[str, Any] = {"model": self.model}
        if self.width != 1.0:
            keys["width_multiplier"] = self.width
        if self.channels:
            keys["channels"] = {path: list(numbers) for path, numbers in self.channels.items()}
        return keys

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any]) -> Architecture:
        """Read :meth:`to_manifest` back. Nothing is built or imported.

        Raises:
            RunError: a key holds what cannot be meant.
            KeyError: there is no ``model``.
        """
        width = manifest.get("width_multiplier", 1.0)
        if not _is_number(width) or not LEAST_WIDTH <= width <= MOST_WIDTH:
            raise RunError(f"a run's width_multiplier must be {LEAST_WIDTH} to {MOST_WIDTH}, got {width!r}")
        channels = manifest.get("channels", {})
        if not isinstance(channels, Mapping):
            raise RunError(f"a run's channels must be a table of layers, got {type(channels).__name__}")
        read = {str(path): _pair(str(path), numbers) for path, numbers in channels.items()}
        return cls(str(manifest["model"]), float(width), read)

    def describe(self) -> str:
        """For a person: ``mobilenet_v2``, ``mobilenet_v2, width 0.75``, ``mobilenet_v2, pruned``."""
        width = f", width {self.width:g}" if self.width != 1.0 else ""
        return f"{self.model}{width}{', pruned' if self.channels else ''}"


def build_as_wide(entry: ModelEntry, classes: int, sides: tuple[int, int], multiplier: float) -> nn.Module:
    """The network with random weights and ``multiplier`` times the channels.

    Args:
        entry: Which.
        classes: Number of outputs.
        sides: Of the input, height and width, pixels.
        multiplier: 1 for the network as published.

    Raises:
        UsageError: this family has no width multiplier.
    """
    if multiplier == 1.0:
        return entry.build(classes, *sides)
    if entry.build_width is None:
        raise UsageError(
            f"a width multiplier (--width) exists for {', '.join(with_width())}, got --width {multiplier:g} with "
            f"--model {entry.name}; leave it out, or choose one of those"
        )
    return entry.build_width(classes, *sides, multiplier)


def channels_of(net: nn.Module, plain: nn.Module) -> dict[str, tuple[int, int]]:
    """Which layers of ``net`` have other numbers of channels than those of ``plain``, and which.

    Args:
        net: Such as a pruned network.
        plain: A network of the same modules, as built.

    Raises:
        RunError: they differ in more than the channels of convolutions, linear layers and batch norms.
    """
    theirs = dict(plain.named_modules())
    found = {}
    for path, module in net.named_modules():
        numbers = _numbers(module)
        if numbers is not None and numbers != _numbers(theirs.get(path)):
            found[path] = numbers
    resized = copy.deepcopy(plain)
    _resize(resized, found)
    expected = {name: tensor.shape for name, tensor in resized.state_dict().items()}
    got = {name: tensor.shape for name, tensor in net.state_dict().items()}
    other = sorted(name for name in expected.keys() | got.keys() if expected.get(name) != got.get(name))
    if other:
        raise RunError(
            "a network that is kept as a run may differ from its model in the channels of convolutions, linear layers "
            f"and batch norms only; it differs in {other[0]}"
        )
    return found


def _numbers(module: nn.Module | None) -> tuple[int, int] | None:
    if isinstance(module, nn.Conv2d):
        return module.in_channels, module.out_channels
    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    if isinstance(module, _BatchNorm):
        return module.num_features, module.num_features
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _pair(path: str, numbers: object) -> tuple[int, int]:
    if (
        not isinstance(numbers, (list, tuple))
        or len(numbers) != 2
        or not all(type(n) is int and 1 <= n <= _MOST_CHANNELS for n in numbers)
    ):
        raise RunError(
            f"a run's channels must be two numbers a layer, in and out, each 1 to {_MOST_CHANNELS}, got {numbers!r} "
            f"for {path}"
        )
    return numbers[0], numbers[1]


def _resize(net: nn.Module, channels: Mapping[str, tuple[int, int]]) -> None:
    """Give the named layers these numbers of channels, and new random weights, in place."""
    modules = dict(net.named_modules())
    for path, numbers in channels.items():
        module = modules.get(path)
        plain = _numbers(module)
        if module is None or plain is None:
            raise RunError(
                "a run's channels must name convolutions, linear layers or batch norms of its network; "
                f"{path!r} is none"
            )
        if not all(1 <= n <= most for n, most in zip(numbers, plain, strict=True)):
            raise RunError(
                f"a pruned layer must have 1 to as many channels as before, got {list(numbers)} for {path}, which is "
                f"built with {list(plain)}"
            )
        _resize_layer(path, module, *numbers)


def _resize_layer(path: str, module: nn.Module, source: int, target: int) -> None:
    if isinstance(module, nn.Conv2d):
        _resize_convolution(path, module, source, target)
    elif isinstance(module, nn.Linear):
        module.in_features, module.out_features = source, target
        _renew(module, weight=(target, source), bias=(target,))
    elif isinstance(module, _BatchNorm):
        if source != target:
            raise RunError(f"a batch norm must have as many channels in as out, got {[source, target]} for {path}")
        module.num_features = target
        _renew(module, weight=(target,), bias=(target,), running_mean=(target,), running_var=(target,))
    module.reset_parameters()  # type: ignore[operator]  # all three kinds have it


def _resize_convolution(path: str, conv: nn.Conv2d, source: int, target: int) -> None:
    if 1 < conv.groups == conv.in_channels:
        # A depthwise convolution stays one: a filter (or a fixed number of them) for each channel.
        multiple = conv.out_channels // conv.in_channels
        if target != source * multiple:
            raise RunError(
                f"a depthwise convolution must have {multiple} channel(s) out for each in, got {[source, target]} "
                f"for {path}"
            )
        conv.groups = source
    if source % conv.groups or target % conv.groups:
        raise RunError(
            f"a convolution's channels must be multiples of its {conv.groups} groups, got {[source, target]} for {path}"
        )
    conv.in_channels, conv.out_channels = source, target
    _renew(conv, weight=(target, source // conv.groups, *conv.kernel_size), bias=(target,))


def _renew(module: nn.Module, **shapes: tuple[int, ...]) -> None:
    """Replace the parameters and buffers that the module has by empty ones of these shapes."""
    for name, shape in shapes.items():
        old = getattr(module, name)
        if isinstance(old, nn.Parameter):
            setattr(module, name, nn.Parameter(old.new_empty(shape), requires_grad=old.requires_grad))
        elif old is not None:
            setattr(module, name, old.new_empty(shape))
