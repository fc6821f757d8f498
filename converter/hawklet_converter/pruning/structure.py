"""Which channels of a network can go, and what goes with them.

A *group* is a set of channels that must go together: what one layer makes, and all that is added to it, normalizes it,
or reads it (Fang et al., "DepGraph: Towards Any Structural Pruning", 2023; found by the library torch-pruning).
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from hawklet.errors import ModelError
from hawklet.spec import PreprocessSpec
from hawklet_trainer.models.size import layer_macs

ROUND_TO = 8
"""Channels stay multiples of this, which is what vector units work in."""
_NORMS = nn.modules.batchnorm._BatchNorm
_LAYERS = (nn.Conv2d, nn.Linear)
_ERRORS = (RuntimeError, ArithmeticError, ValueError, KeyError, AttributeError, IndexError, TypeError, AssertionError)
"""What torch-pruning ends in on a network that it cannot follow, or that cannot run without some channels."""


@dataclass(frozen=True)
class Span:
    """Channels of one layer that belong to a group."""

    layer: str
    """Module path."""
    makes: bool
    """Whether the layer makes these channels (or normalizes them); else it reads them."""
    channels: tuple[int, ...]
    """Positions in the layer."""
    members: tuple[int, ...]
    """Positions in the group, as many."""

    def channels_of(self, members: Collection[int]) -> list[int]:
        """Positions in the layer of some of the group."""
        return [channel for channel, member in zip(self.channels, self.members, strict=True) if member in members]


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that go together."""

    name: str
    """Module path of a layer that makes them."""
    channels: int
    spans: tuple[Span, ...]

    @property
    def fewest(self) -> int:
        """The least that may remain."""
        return ROUND_TO


@dataclass(frozen=True)
class Layer:
    """A convolution or dense layer, as far as its cost depends on groups."""

    name: str
    """Module path."""
    macs: int
    """Multiply-accumulate operations of one picture."""
    values: int
    """Numbers that it puts out, of one picture."""
    depthwise: bool
    inputs: int
    """Channels in."""
    outputs: int
    """Channels out."""


@dataclass(frozen=True)
class Structure:
    """What can be pruned of a network."""

    groups: tuple[ChannelGroup, ...]
    layers: tuple[Layer, ...]
    kept: Mapping[str, str]
    """Groups that stay whole, by name, each with the reason."""

    def widths(self) -> dict[str, int]:
        """Channels of every group, nothing removed."""
        return {group.name: group.channels for group in self.groups}

    def group(self, name: str) -> ChannelGroup:
        return next(group for group in self.groups if group.name == name)


def find_structure(net: nn.Module, spec: PreprocessSpec) -> Structure:
    """Find the groups of a network; it is left alone.

    Args:
        net: A network with its batch norms, ``float32 [N, C, H, W]`` -> logits, that ends in a dense layer.
        spec: The input's shape.

    Raises:
        ModelError: it cannot be pruned: layers share weights, it has no dense head, nothing in it can go.
    """
    _refuse_shared(net, spec)
    head = head_name(net)
    traced = Traced(net, spec)
    odd = _odd_layers(net)
    layers = traced.layers
    found = tuple(traced.groups())
    gates = _gates(found, layers)
    groups: list[ChannelGroup] = []
    kept: dict[str, str] = {}
    for group in found:
        reason = _reason_to_keep(group, odd, head, gates)
        if reason is None:
            groups.append(group)
        elif reason:
            kept[group.name] = reason
    if not groups:
        why = "; ".join(f"{name}: {reason}" for name, reason in kept.items())
        raise ModelError(
            f"nothing of {type(net).__name__} can be pruned ({why or 'no layer makes 16 channels or more'})"
        )
    return Structure(tuple(groups), layers, kept)


def remove_channels(net: nn.Module, spec: PreprocessSpec, remove: Mapping[str, Sequence[int]]) -> nn.Module:
    """Really remove channels, so that every runtime gets faster; the given network is left alone.

    Args:
        net: As :func:`find_structure` took it.
        spec: The input's shape.
        remove: Group name -> positions in the group.

    Raises:
        ModelError: the network does not run without them.
    """
    traced = Traced(net, spec)
    classes = traced.net.get_submodule(head_name(net)).out_features
    example = torch.zeros(1, spec.channels, spec.height, spec.width)
    try:
        for name, members in remove.items():
            if members:
                traced.dependencies(name, sorted(members)).prune()
        with torch.inference_mode():
            answers = traced.net(example)
    except _ERRORS as error:
        raise _cannot(net, error) from error
    if answers.shape[1] != classes:
        raise ModelError(f"pruning {type(net).__name__} changed its classes; convert it without --prune")
    return traced.net


def macs_of(net: nn.Module, spec: PreprocessSpec) -> int:
    """Multiply-accumulate operations of one picture in all convolutions and dense layers."""
    example = torch.zeros(1, spec.channels, spec.height, spec.width)
    return sum(layer.macs for layer in _measure_layers(copy.deepcopy(net).eval(), example))


def head_name(net: nn.Module) -> str:
    """Module path of the last dense layer.

    Raises:
        ModelError: there is none.
    """
    dense: list[str] = [name for name, module in net.named_modules() if isinstance(module, nn.Linear)]
    if not dense:
        raise ModelError(f"only networks that end in a dense layer can be pruned, got {type(net).__name__}")
    return dense[-1]


class Traced:
    """A copy of a network with torch-pruning's graph of it."""

    def __init__(self, net: nn.Module, spec: PreprocessSpec) -> None:
        import torch_pruning

        self.net = copy.deepcopy(net).eval().requires_grad_(True)  # the graph is traced through autograd
        self._names: dict[nn.Module | nn.Parameter, str] = {
            part: name for name, part in (*self.net.named_modules(), *self.net.named_parameters())
        }
        example = torch.zeros(1, spec.channels, spec.height, spec.width)
        self.layers = tuple(_measure_layers(self.net, example))
        self._functions = torch_pruning.pruner.function
        try:
            self.graph = torch_pruning.DependencyGraph().build_dependency(self.net, example, verbose=False)
        except _ERRORS as error:
            raise _cannot(net, error) from error

    def groups(self) -> Iterator[ChannelGroup]:
        """All groups, in the order of the network's modules."""
        order = {name: position for position, name in enumerate(self._names.values())}
        found = [self._group(item) for item in self.graph.get_all_groups()]
        return iter(sorted(found, key=lambda group: order[group.name]))

    def dependencies(self, name: str, members: Sequence[int]) -> Any:
        """torch-pruning's group of these channels."""
        module = self.net.get_submodule(name)
        functions = self._functions
        make = (
            functions.prune_linear_out_channels if isinstance(module, nn.Linear) else functions.prune_conv_out_channels
        )
        return self.graph.get_pruning_group(module, make, list(members))

    def _group(self, item: Any) -> ChannelGroup:
        spans = []
        for position, (dependency, channels) in enumerate(item):
            layer = self._names.get(dependency.target.module)
            if layer is not None:
                makes = self.graph.is_out_channel_pruning_fn(dependency.handler)
                spans.append(Span(layer, makes, tuple(channels), tuple(item[position].root_idxs)))
        name: str = self._names[item[0].dep.target.module]
        return ChannelGroup(name, len(item[0].idxs), tuple(spans))


def _measure_layers(net: nn.Module, example: torch.Tensor) -> Iterator[Layer]:
    shapes: dict[str, tuple[int, ...]] = {}
    handles = []
    for name, module in net.named_modules():
        if isinstance(module, _LAYERS):
            handles.append(
                module.register_forward_hook(lambda _m, _a, out, name=name: shapes.update({name: tuple(out.shape)}))
            )
    try:
        _run(net, example)
    finally:
        for handle in handles:
            handle.remove()
    for name, shape in shapes.items():
        module = net.get_submodule(name)
        assert isinstance(module, _LAYERS)  # noqa: S101 -- narrows the type; hooks were put on these alone
        positions = shape[2] * shape[3] if len(shape) == 4 else 1
        outputs, inputs = shape[1], module.in_channels if isinstance(module, nn.Conv2d) else module.in_features
        depthwise = isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1
        yield Layer(name, layer_macs(module, shape), outputs * positions, depthwise, inputs, outputs)


def _run(net: nn.Module, example: torch.Tensor) -> None:
    try:
        with torch.inference_mode():
            net(example)
    except _ERRORS as error:
        raise ModelError(f"{type(net).__name__} cannot run on its input: {_words(error)}") from error


def _reason_to_keep(group: ChannelGroup, odd: Mapping[str, str], head: str, gates: set[str]) -> str | None:
    """Why a group stays whole; None: it need not, empty: nobody would expect it to go."""
    makers = [span.layer for span in group.spans if span.makes]
    if head in makers:
        return ""
    strange = next((span.layer for span in group.spans if span.layer in odd), None)
    if strange is not None:
        return f"{strange} {odd[strange]}"
    if group.channels < 2 * ROUND_TO:
        return "" if group.channels < ROUND_TO else f"has {group.channels} channels, and they go in eights"
    if any(not span.makes and span.layer in gates for span in group.spans):
        return "squeeze-and-excite: takes no time, and gates everything"
    return None


def _gates(groups: Sequence[ChannelGroup], layers: Sequence[Layer]) -> set[str]:
    """Layers that put out one number a channel, by which the channels of whole maps are multiplied."""
    is_flat = {layer.name: layer.values == layer.outputs for layer in layers}
    gates: set[str] = set()
    for group in groups:
        makers = {span.layer for span in group.spans if span.makes and span.layer in is_flat}
        flat = {name for name in makers if is_flat[name]}
        if flat != makers:  # in a small input's last blocks all are flat, and none is a gate
            gates |= flat
    return gates


def _odd_layers(net: nn.Module) -> dict[str, str]:
    """Module or parameter path -> why channels that pass there must stay."""
    odd: dict[str, str] = {}
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            if module.groups > 1 and not module.groups == module.in_channels == module.out_channels:
                odd[name] = f"is a convolution in {module.groups} groups, which must stay alike"
        elif not isinstance(module, (nn.Linear, _NORMS)):
            own = [
                f"{name}.{parameter}".lstrip(".")
                for parameter, tensor in module.named_parameters(recurse=False)
                if tensor.numel() > 1  # one number holds for all channels
            ]
            if own:
                why = f"is of a {type(module).__name__}, which no run holds with fewer channels than it is built with"
                odd |= dict.fromkeys([name, *own], why)
    return odd


def _refuse_shared(net: nn.Module, spec: PreprocessSpec) -> None:
    """Refuse weights that two layers hold, and layers that a picture passes more than once: they would be cut twice."""
    owners: dict[int, str] = {}
    for name, parameter in net.named_parameters(remove_duplicate=False):
        if id(parameter) in owners:
            raise ModelError(
                f"a network with tied weights cannot be pruned, and {owners[id(parameter)]} and {name} are the same; "
                "convert it without --prune"
            )
        owners[id(parameter)] = name
    passes: Counter[str] = Counter()
    copied = copy.deepcopy(net).eval()
    for name, module in copied.named_modules():
        if isinstance(module, (*_LAYERS, _NORMS)):
            module.register_forward_hook(lambda _m, _a, _o, name=name: passes.update([name]))
    _run(copied, torch.zeros(1, spec.channels, spec.height, spec.width))
    twice = [name for name, count in passes.items() if count > 1]
    if twice:
        raise ModelError(
            f"a layer that a picture passes more than once cannot be pruned, and {twice[0]} is passed "
            f"{passes[twice[0]]} times; convert the network without --prune"
        )


def _cannot(net: nn.Module, error: Exception) -> ModelError:
    return ModelError(f"{type(net).__name__} cannot be pruned ({_words(error)}); convert it without --prune")


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
