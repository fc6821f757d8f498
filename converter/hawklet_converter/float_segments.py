"""Which parts of a network to leave in float: where a little arithmetic costs the answer most."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import fx

from hawklet_converter.count_macs import count_macs
from hawklet_converter.place_layers import layers_of


@dataclass(frozen=True)
class FloatSegment:
    """What stays in float."""

    nodes: tuple[str, ...] = ()
    """fx nodes, in graph order."""
    layers: tuple[str, ...] = ()
    """Module paths of the layers among them."""
    macs_share: float = 0.0
    """Their share of the network's multiplications."""


def choose_float_segment(
    net: fx.GraphModule, picture: torch.Tensor, noise: Mapping[str, float], stored: Collection[str], share: float
) -> FloatSegment:
    """Take activations out of 8 bits, the noisiest for the multiplications it takes first.

    An activation is kept in float by computing both what writes it and what reads it in float; an operation that two
    such activations touch is counted once.

    Args:
        net: The folded network.
        picture: ``float32 [1, C, H, W]``, for the sizes.
        noise: fx node -> what its rounding costs (:mod:`hawklet_converter.range_noise`).
        stored: fx nodes whose values a file stores.
        share: Largest share of the multiplications that may be in float.
    """
    macs = count_macs(net, picture)
    total = sum(macs.values())
    nodes = {node.name: node for node in net.graph.nodes}
    chosen: set[str] = set()
    rest = {name for name in noise if noise[name] > 0 and name in nodes and nodes[name].op != "placeholder"}
    while rest:
        best = max(rest, key=lambda name: noise[name] / (1 + _cost(_touching(nodes[name], stored) - chosen, macs)))
        rest.discard(best)
        wanted = chosen | _touching(nodes[best], stored)
        if _cost(wanted, macs) <= share * total:
            chosen = wanted
    layers = tuple(
        str(nodes[name].target) for name in nodes if name in chosen and str(nodes[name].target) in layers_of(net)
    )
    return FloatSegment(tuple(name for name in nodes if name in chosen), layers, _cost(chosen, macs) / total)


def _cost(names: Collection[str], macs: Mapping[str, int]) -> int:
    return sum(macs.get(name, 0) for name in names)


def _touching(node: fx.Node, stored: Collection[str]) -> set[str]:
    """The operations that write and read an activation, each with all the nodes that are fused into it."""
    writers = _fused(node, stored)
    readers: set[str] = set()
    for user in node.users:
        if user.op != "output":
            readers |= _fused(_stored_end(user, stored), stored)
    return writers | readers


def _stored_end(node: fx.Node, stored: Collection[str]) -> fx.Node:
    """The last node of the fused operation that this one begins."""
    while node.name not in stored and len(node.users) == 1 and next(iter(node.users)).op != "output":
        node = next(iter(node.users))
    return node


def _fused(node: fx.Node, stored: Collection[str]) -> set[str]:
    """A stored node and what is fused into it: nodes before it that no file stores."""
    names = {node.name}
    for source in node.all_input_nodes:
        if source.name not in stored and source.op != "placeholder" and len(source.users) == 1:
            names |= _fused(source, stored)
    return names
