"""Shift biases so that the rounding of weights leaves the mean of every layer's output where it was.

Source: empirical bias correction, Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias
Correction" (2019), section 4.2, here layer by layer with the earlier layers already rounded and corrected.
Only weights are rounded meanwhile: correcting for clipped activations too was measured to double the divergence from
the float network's probabilities (docs/decisions/0021-bias-correction.md).
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import fx, nn

from hawklet_converter.place_layers import LAYERS, layers_of
from hawklet_converter.weight_grid import quantize_weight


@torch.no_grad()
def correct_bias(
    net: fx.GraphModule, inputs: torch.Tensor, movable: Collection[str], *, per_channel: bool = True
) -> fx.GraphModule:
    """Run the float and the rounded network side by side, once, correcting each layer as it is passed.

    Args:
        net: The folded network; left alone.
        inputs: ``float32 [N, C, H, W]``; all are held in memory at once, so a few dozen.
        movable: Module paths of the layers whose bias may be shifted.
        per_channel: How weights will be rounded.

    Returns:
        A copy with shifted biases, its weights as they were.
    """
    modules: dict[str, nn.Module] = dict(net.named_modules())
    corrected = layers_of(result := copy.deepcopy(net))
    last_use = {source: node for node in net.graph.nodes for source in node.all_input_nodes}
    exact, rough = fx.Interpreter(net), fx.Interpreter(net)
    for node in net.graph.nodes:
        if node.op == "output":
            break
        if node.op == "placeholder":
            exact.env[node] = rough.env[node] = inputs
        else:
            exact.env[node] = exact.run_node(node)
            rough.env[node] = _run_rounded(rough, node, modules, per_channel)
            path = str(node.target)
            if path in movable:
                shift = _channel_means(exact.env[node]) - _channel_means(rough.env[node])
                rough.env[node] = rough.env[node] + _along_channels(shift, rough.env[node])
                bias = corrected[path].bias
                assert bias is not None  # noqa: S101 -- folding gave every layer one
                bias.add_(shift)
        for source in node.all_input_nodes:
            if last_use[source] is node:
                del exact.env[source], rough.env[source]
    return result


def _run_rounded(
    interpreter: fx.Interpreter, node: fx.Node, modules: Mapping[str, nn.Module], per_channel: bool
) -> Any:
    layer = modules.get(str(node.target)) if node.op == "call_module" else None
    if not isinstance(layer, LAYERS):
        return interpreter.run_node(node)
    weight = layer.weight
    layer.weight = nn.Parameter(quantize_weight(weight, per_channel=per_channel), requires_grad=False)
    try:
        return interpreter.run_node(node)
    finally:
        layer.weight = weight


def _channel_means(value: torch.Tensor) -> torch.Tensor:
    return value.mean(dim=[0, 2, 3]) if value.dim() == 4 else value.mean(dim=0)


def _along_channels(shift: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    return shift[:, None, None] if value.dim() == 4 else shift
