"""Which channels of a network may be rescaled together without changing what it computes."""

from __future__ import annotations

import operator
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from hawklet_converter.place_layers import LAYERS, layers_of

_RELU6 = (nn.ReLU6, functional.relu6)
_HOMOGENEOUS_MODULES = (
    nn.ReLU,
    nn.ReLU6,
    nn.AdaptiveAvgPool2d,
    nn.AvgPool2d,
    nn.MaxPool2d,
    nn.Flatten,
    nn.ZeroPad2d,
)
_HOMOGENEOUS_FUNCTIONS = (
    operator.add,
    operator.iadd,
    torch.add,
    torch.flatten,
    torch.relu,
    torch.mean,
    functional.relu,
    functional.relu6,
    functional.adaptive_avg_pool2d,
    functional.avg_pool2d,
    functional.max_pool2d,
)
_HOMOGENEOUS_METHODS = ("mean", "flatten", "relu")


@dataclass
class ChannelGroup:
    """Activations that share their channels, and so one factor per channel."""

    nodes: list[str] = field(default_factory=list)
    """fx nodes, in graph order."""
    producers: list[str] = field(default_factory=list)
    """Module paths of the layers that write these channels."""
    consumers: list[str] = field(default_factory=list)
    """Module paths of the layers that read them."""
    relu6: list[str] = field(default_factory=list)
    """Nodes that clip at 6 besides rectifying."""


def is_depthwise(layer: nn.Module) -> bool:
    """Whether each output channel reads one input channel, and each input channel feeds one output channel."""
    return isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels == layer.out_channels > 1


def channel_groups(net: fx.GraphModule, movable: Collection[str]) -> list[ChannelGroup]:
    """Find the groups whose channels can be multiplied where they are written and divided where they are read.

    Additions, rectifiers, poolings and paddings pass a positive factor on. A group is left out when one of its
    activations is the input, the output, or enters an operation that does not (hard-swish, a product, a
    concatenation), and when one of its layers is not movable.

    Args:
        net: The folded network.
        movable: Module paths of the layers whose weights and biases may be changed.
    """
    modules = dict(net.named_modules())
    finder = _Finder()
    for node in net.graph.nodes:
        finder.enter(node, modules.get(str(node.target)) if node.op == "call_module" else None)
    layers = layers_of(net)
    return [
        group
        for root, group in finder.groups().items()
        if root not in finder.fixed_roots()
        and group.producers
        and group.consumers
        and set(group.producers + group.consumers) <= set(movable)
        and not any(_splits_channels(layers[path]) for path in group.producers + group.consumers)
        and len(set(group.producers)) == len(group.producers)
        and len(set(group.consumers)) == len(group.consumers)
    ]


def _splits_channels(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d) and layer.groups > 1 and not is_depthwise(layer)


class _Finder:
    """Joins the nodes that share channels (union-find), and remembers what each does."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._fixed: set[str] = set()
        self._producers: dict[str, str] = {}
        self._consumers: dict[str, list[str]] = {}
        self._relu6: set[str] = set()

    def enter(self, node: fx.Node, module: nn.Module | None) -> None:
        sources = [source.name for source in node.all_input_nodes]
        if node.op == "output":
            self._fixed.update(sources)
            return
        self._parent[node.name] = node.name
        if isinstance(module, LAYERS):
            self._producers[node.name] = str(node.target)
            self._consumers.setdefault(sources[0], []).append(str(node.target))
        elif _passes_factors(node, module):
            for source in sources:
                self._parent[self._root(source)] = self._root(node.name)
            if isinstance(module, nn.ReLU6) or node.target in _RELU6:
                self._relu6.add(node.name)
        else:
            self._fixed.update([node.name, *sources])

    def _root(self, name: str) -> str:
        while self._parent[name] != name:
            name = self._parent[name]
        return name

    def fixed_roots(self) -> set[str]:
        return {self._root(name) for name in self._fixed}

    def groups(self) -> dict[str, ChannelGroup]:
        found: dict[str, ChannelGroup] = {}
        for name in self._parent:
            group = found.setdefault(self._root(name), ChannelGroup())
            group.nodes.append(name)
            group.producers += [self._producers[name]] if name in self._producers else []
            group.consumers += self._consumers.get(name, [])
            group.relu6 += [name] if name in self._relu6 else []
        return found


def _passes_factors(node: fx.Node, module: nn.Module | None) -> bool:
    tensors_only: Any = all(isinstance(argument, fx.Node) for argument in node.args[:2])
    if node.op == "call_function" and node.target in (operator.add, operator.iadd, torch.add):
        return bool(tensors_only)  # a constant that is added would have to be scaled too
    return (
        isinstance(module, _HOMOGENEOUS_MODULES)
        or (node.op == "call_function" and node.target in _HOMOGENEOUS_FUNCTIONS)
        or (node.op == "call_method" and node.target in _HOMOGENEOUS_METHODS)
    )
