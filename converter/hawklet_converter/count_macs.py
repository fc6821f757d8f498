"""Multiplications of a network, layer by layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from hawklet_converter.place_layers import LAYERS
from hawklet_trainer.models.size import layer_macs


def count_macs(net: fx.GraphModule, picture: torch.Tensor) -> dict[str, int]:
    """Multiply-accumulate operations of every convolution and dense layer, by fx node.

    Args:
        net: The folded network.
        picture: ``float32 [1, C, H, W]``: sizes are those that it gives.
    """
    modules = dict(net.named_modules())
    counted = {}

    class Counting(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Any:
            value = super().run_node(n)
            layer = modules.get(str(n.target)) if n.op == "call_module" else None
            if isinstance(layer, LAYERS):
                counted[n.name] = layer_macs(layer, tuple(value.shape))
            return value

    with torch.inference_mode():
        Counting(net).run(picture)
    return counted
