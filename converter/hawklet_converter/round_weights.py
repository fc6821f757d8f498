"""Round weights so that each layer's output stays, rather than each weight: adaptive rounding in closed form.

Source: the objective of AdaRound (Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization", 2020),
minimized as in GPTQ (Frantar et al., 2022, section 3.2): weights are rounded one input after the other, and what each
rounding does to the output is made up for by the inputs not yet rounded, by the inverse of their second moments. The
layers are gone through in order, each on inputs from the layers already rounded, and its bias keeps the mean of its
output where the float network has it.

Activations stay float meanwhile. Letting weights make up for clipped and rounded activations too, as block
reconstruction does (BRECQ, QDrop), was measured to lose more than it wins in closed form, and end-to-end by gradients
overfits a hundred pictures (docs/decisions/0025-rounding-in-closed-form.md).
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from hawklet_converter.place_layers import LAYERS
from hawklet_converter.weight_grid import WEIGHT_LIMIT, weight_scales_of

_POSITIONS = 100
"""Positions of the output that are looked at per picture."""
_DAMPING = 0.01
"""Added to the second moments' diagonal, as a share of its mean."""
_TINY = 1e-10
_BLOCK = 64
_WIDEST = 8192
"""Inputs of a layer whose second moments still fit (0.5 GB); wider ones are rounded to nearest."""


@torch.no_grad()
def round_weights(
    net: fx.GraphModule, inputs: torch.Tensor, movable: Collection[str], *, per_channel: bool = True, seed: int = 0
) -> fx.GraphModule:
    """Snap the weights of every movable layer to its int8 grid, the scale of which is left as it was.

    Args:
        net: The folded network; left alone.
        inputs: ``float32 [N, C, H, W]``; all are held in memory at once, so some dozens.
        movable: Module paths of the layers whose weights and biases may be changed.
        per_channel: One scale per output channel, or one per layer.
        seed: Draws the positions.

    Returns:
        A copy whose weights lie on their grids and whose biases keep the layers' means.
    """
    rounded = copy.deepcopy(net)
    draw = torch.Generator().manual_seed(seed)
    exact, rough = fx.Interpreter(net), fx.Interpreter(rounded)
    last_use = {source.name: node.name for node in net.graph.nodes for source in node.all_input_nodes}
    modules = dict(rounded.named_modules())
    for node, twin in zip(net.graph.nodes, list(rounded.graph.nodes), strict=True):
        if node.op == "output":
            break
        if node.op == "placeholder":
            exact.env[node] = rough.env[twin] = inputs
            continue
        layer = modules.get(str(node.target)) if node.op == "call_module" else None
        if isinstance(layer, LAYERS) and str(node.target) in movable and layer.weight[0].numel() <= _WIDEST:
            _round_layer(
                layer, exact.env[node.all_input_nodes[0]], rough.env[twin.all_input_nodes[0]], per_channel, draw
            )
        exact.env[node], rough.env[twin] = exact.run_node(node), rough.run_node(twin)
        for source, twin_source in zip(node.all_input_nodes, twin.all_input_nodes, strict=True):
            if last_use[source.name] == node.name:
                del exact.env[source], rough.env[twin_source]
    return rounded


def _round_layer(
    layer: nn.Conv2d | nn.Linear, exact: torch.Tensor, rough: torch.Tensor, per_channel: bool, draw: torch.Generator
) -> None:
    """Round one layer, given its float inputs and those that the rounded layers before it give."""
    assert layer.bias is not None  # noqa: S101 -- folding gave every layer one
    groups = layer.groups if isinstance(layer, nn.Conv2d) else 1
    where = _positions(layer, rough, draw)
    before, after = _columns(layer, exact, where), _columns(layer, rough, where)
    weight = layer.weight.double().reshape(groups, layer.weight.shape[0] // groups, -1)
    scales = weight_scales_of(layer.weight, per_channel).double().reshape(groups, -1)
    mean_before, mean_after = before.mean(dim=1), after.mean(dim=1)
    moments = _moments(after - mean_after[:, None])
    snapped = torch.stack([_feed_back(w, m, s) for w, m, s in zip(weight, moments, scales, strict=True)])
    shift = (weight @ mean_before[..., None] - snapped @ mean_after[..., None]).reshape(-1)
    layer.weight.copy_(snapped.reshape(layer.weight.shape))
    layer.bias.add_(shift)


def _moments(centred: torch.Tensor) -> torch.Tensor:
    """Damped second moments of the inputs, ``float64 [groups, inputs, inputs]``."""
    moments = centred.transpose(1, 2) @ centred / centred.shape[1]
    diagonal = moments.diagonal(dim1=1, dim2=2)
    diagonal += _DAMPING * diagonal.mean(dim=1, keepdim=True).clamp_min(_TINY)
    return moments


def _feed_back(weight: torch.Tensor, moments: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """Round ``[outputs, inputs]`` column by column, the liveliest input first, and hand each error on to the rest.

    The weight that sets a channel's scale is whole on the grid already, and what is handed on to it is clipped, so
    that the scale stays.
    """
    order = moments.diagonal().argsort(descending=True)
    weight, moments = weight[:, order].clone(), moments[order][:, order]
    largest = weight.abs() >= (WEIGHT_LIMIT - 0.5) * scales[:, None]
    fixed = weight.clone()
    inverse = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(moments)), upper=True)
    snapped = torch.empty_like(weight)
    columns = weight.shape[1]
    for start in range(0, columns, _BLOCK):
        end = min(start + _BLOCK, columns)
        errors = torch.zeros(len(weight), end - start, dtype=weight.dtype)
        for column in range(start, end):
            value = torch.where(largest[:, column], fixed[:, column], weight[:, column])
            snapped[:, column] = (value / scales).round().clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT) * scales
            error = (weight[:, column] - snapped[:, column]) / inverse[column, column]
            weight[:, column:end] -= error[:, None] * inverse[column, column:end]
            errors[:, column - start] = error
        weight[:, end:] -= errors @ inverse[start:end, end:]
    return snapped[:, order.argsort()]


def _positions(layer: nn.Conv2d | nn.Linear, value: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """Indices into the layer's outputs, picture by picture and row by row, drawn at random."""
    height, width = _output_sides(layer, value)
    every = len(value) * height * width
    wanted = min(every, _POSITIONS * len(value))
    return torch.randperm(every, generator=draw)[:wanted]


def _output_sides(layer: nn.Conv2d | nn.Linear, value: torch.Tensor) -> tuple[int, int]:
    if isinstance(layer, nn.Linear):
        return 1, 1
    padded = _pad(layer, value[:1])
    sides: list[int] = [
        (side - dilation * (kernel - 1) - 1) // stride + 1
        for side, kernel, stride, dilation in zip(
            padded.shape[2:], layer.kernel_size, layer.stride, layer.dilation, strict=True
        )
    ]
    return sides[0], sides[1]


def _pad(layer: nn.Conv2d, value: torch.Tensor) -> torch.Tensor:
    ends: Any = layer._reversed_padding_repeated_twice  # torch works "same" out there
    return functional.pad(value, ends)


def _columns(layer: nn.Conv2d | nn.Linear, value: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """What the layer multiplies with its weights at these outputs: ``float64 [groups, positions, inputs]``."""
    if isinstance(layer, nn.Linear):
        return value.flatten(1)[where][None].double()
    height, width = _output_sides(layer, value)
    picture, place = where // (height * width), where % (height * width)
    rows, columns = place // width * layer.stride[0], place % width * layer.stride[1]
    padded = _pad(layer, value)
    taps = [
        padded[picture, :, rows + row * layer.dilation[0], columns + column * layer.dilation[1]]
        for row in range(layer.kernel_size[0])
        for column in range(layer.kernel_size[1])
    ]
    stacked = torch.stack(taps, dim=-1)  # [positions, channels, taps]
    return stacked.reshape(len(where), layer.groups, -1).transpose(0, 1).double()
