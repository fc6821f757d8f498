"""Shift biases so that the rounding of weights leaves the mean of every layer's output where it was.

Source: empirical bias correction, Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias
Correction" (2019), section 4.2, here layer by layer with the earlier layers already rounded and corrected.
Only weights are rounded meanwhile: correcting for clipped activations too was measured to double the divergence from
the float network's probabilities (docs/decisions/0021-bias-correction.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import fx, nn

LAYERS = (nn.Conv2d, nn.Linear)
WEIGHT_LIMIT = 127
"""Integers of weights are -127..127."""


def weight_scales(net: fx.GraphModule, *, per_channel: bool = True) -> dict[str, tuple[float, ...]]:
    """Symmetric scales of every convolution and dense layer, by module path: one per output channel, or one in all."""
    return {
        path: tuple(_scales(module.weight, per_channel).tolist())
        for path, module in net.named_modules()
        if isinstance(module, LAYERS)
    }


def _scales(weight: torch.Tensor, per_channel: bool) -> torch.Tensor:
    rows = weight.flatten(1) if per_channel else weight.reshape(1, -1)
    return (rows.abs().amax(1) / WEIGHT_LIMIT).clamp_min(1e-12)


def quantize_weight(weight: torch.Tensor, *, per_channel: bool = True) -> torch.Tensor:
    """A weight ``[out, ...]`` snapped to its int8 grid, in real units."""
    zeros = torch.zeros(weight.shape[0], dtype=torch.int32)
    scales = _scales(weight, per_channel).expand(weight.shape[0]).contiguous()
    return torch.fake_quantize_per_channel_affine(weight, scales, zeros, 0, -WEIGHT_LIMIT, WEIGHT_LIMIT)


@torch.inference_mode()
def correct_bias(
    net: fx.GraphModule, inputs: torch.Tensor, correctable: Collection[str], *, per_channel: bool = True
) -> dict[str, npt.NDArray[np.float32]]:
    """Run the float and the rounded network side by side, once, correcting each layer as it is passed.

    Args:
        net: The folded network.
        inputs: ``float32 [N, C, H, W]``; all are held in memory at once, so a few dozen.
        correctable: Module paths whose bias may be shifted.
        per_channel: Whether weights are rounded by one scale per output channel, or by one per layer.

    Returns:
        Module path -> ``float32 [channels]`` to add to that layer's bias.
    """
    modules: dict[str, nn.Module] = dict(net.named_modules())
    uses = Counter(str(node.target) for node in net.graph.nodes if node.op == "call_module")
    last_use = {source: node for node in net.graph.nodes for source in node.all_input_nodes}
    exact, rough = fx.Interpreter(net), fx.Interpreter(net)
    shifts: dict[str, npt.NDArray[np.float32]] = {}
    for node in net.graph.nodes:
        if node.op == "output":
            break
        if node.op == "placeholder":
            exact.env[node] = rough.env[node] = inputs
        else:
            exact.env[node] = exact.run_node(node)
            rough.env[node] = _run_rounded(rough, node, modules, per_channel)
            path = str(node.target)
            if path in correctable and uses[path] == 1:
                shift = _channel_means(exact.env[node]) - _channel_means(rough.env[node])
                rough.env[node] = rough.env[node] + _along_channels(shift, rough.env[node])
                shifts[path] = shift.numpy()
        for source in node.all_input_nodes:
            if last_use[source] is node:
                del exact.env[source], rough.env[source]
    return shifts


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
