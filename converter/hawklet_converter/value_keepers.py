"""Which operations of a network only move or pick out values, so that these stay on the grid they are on."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import fx, nn
from torch.nn import functional

_MODULES = (nn.MaxPool2d, nn.Flatten, nn.ZeroPad2d, nn.Identity, nn.Dropout)
_FUNCTIONS = frozenset(
    {torch.flatten, torch.reshape, torch.permute, torch.squeeze, torch.unsqueeze}
    | {functional.max_pool2d, torch.max_pool2d, functional.pad}
)
_METHODS = frozenset({"flatten", "reshape", "view", "permute", "squeeze", "unsqueeze", "contiguous"})


def keeps_values(node: fx.Node, modules: Mapping[str, nn.Module]) -> bool:
    """Whether every value that a node gives is one that it takes, or the 0 that every grid holds.

    Args:
        node: Of a traced network.
        modules: The network's, by path.
    """
    if node.op == "call_module":
        return isinstance(modules[str(node.target)], _MODULES)
    if node.op == "call_function":
        return node.target in _FUNCTIONS
    return node.op == "call_method" and node.target in _METHODS
