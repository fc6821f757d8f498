"""Give channels whose weights are almost zero a weight scale on which their bias fits into 32 bits.

A bias is stored in steps of input scale x weight scale. Training leaves channels whose weights are practically zero
and whose bias is not; their steps are so small that the bias would need more than 31 bits, and both writers cut it off.

Such a channel's scale is raised until the bias takes 30 bits, by setting its largest weight to 127 of the new steps,
so that every writer, which divides the largest weight by 127, arrives at this scale by itself. What that costs: the
weight moves by at most 127 steps and meets inputs of at most 255 steps, so the output moves by at most
127 x 255 / 2^30 = 3e-5 of the bias. All its other weights are less than the largest was; each is rounded by at most
half a step, 1.2e-7 of the bias.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import fx, nn
from torch.nn import functional

from hawklet.errors import ModelError
from hawklet_converter.place_layers import HARD_SIGMOID_ADDS, LAYERS
from hawklet_converter.plan import QuantPlan
from hawklet_converter.value_keepers import keeps_values
from hawklet_converter.weight_grid import WEIGHT_LIMIT

_LARGEST_BIAS = 2**30
"""Steps. One bit is left to what the weights add to the 32-bit sum."""
_SMALLEST_SCALE = 1e-9
"""Both writers invent a scale for a channel of zeros, each its own: none may be left to them."""


@torch.no_grad()
def lift_tiny_channels(net: fx.GraphModule, plan: QuantPlan) -> QuantPlan:
    """Raise the weight scales that are too small for their biases.

    Args:
        net: The folded network with its final biases, corrections included; its weights are changed in place.
        plan: Grids of activations, and scales of the network's weights.

    Returns:
        The plan with the raised scales; ``plan`` itself where there is nothing to raise.

    Raises:
        ModelError: no activation that a layer takes has a grid.
    """
    raised = {}
    shifted = _before_hard_sigmoids(net)
    for path, input_scale in _input_scales(net, plan).items():
        layer = net.get_submodule(path)
        assert isinstance(layer, LAYERS)  # noqa: S101 -- narrows the type; the caller looked
        scales = torch.tensor(plan.weight_scales[path])
        largest_added = HARD_SIGMOID_ADDS if path in shifted else 0.0
        wanted = _scales_for(layer, input_scale, len(scales), largest_added)
        if (scales < wanted).any():
            raised[path] = _lift(layer, scales, wanted)
    return replace(plan, weight_scales={**plan.weight_scales, **raised}) if raised else plan


def _before_hard_sigmoids(net: fx.GraphModule) -> set[str]:
    """Layers to whose bias a file may have to add :data:`HARD_SIGMOID_ADDS`."""
    modules = dict(net.named_modules())
    return {
        str(node.all_input_nodes[0].target)
        for node in net.graph.nodes
        if node.target is functional.hardsigmoid or isinstance(modules.get(str(node.target)), nn.Hardsigmoid)
    }


def _scales_for(layer: nn.Conv2d | nn.Linear, input_scale: float, count: int, added: float) -> torch.Tensor:
    """The smallest weight scales that hold a layer's bias and what is added to it: ``float32 [count]``, one per channel
    or one for all."""
    bias = layer.bias.abs() if layer.bias is not None else torch.zeros(layer.weight.shape[0])
    bias = bias + added
    return (bias.reshape(count, -1).amax(1) / (input_scale * _LARGEST_BIAS)).clamp_min(_SMALLEST_SCALE)


def _lift(layer: nn.Conv2d | nn.Linear, scales: torch.Tensor, wanted: torch.Tensor) -> tuple[float, ...]:
    rows = layer.weight.reshape(len(scales), -1).clone()
    for number in (scales < wanted).nonzero().flatten().tolist():
        largest = int(rows[number].abs().argmax())
        sign = -1.0 if rows[number, largest] < 0 else 1.0
        rows[number, largest] = sign * WEIGHT_LIMIT * wanted[number]
    layer.weight.copy_(rows.reshape(layer.weight.shape))
    return tuple(torch.maximum(scales, wanted).tolist())


def _input_scales(net: fx.GraphModule, plan: QuantPlan) -> dict[str, float]:
    """Module path -> scale of the activation it takes; the smallest where several could apply."""
    modules: dict[str, nn.Module] = dict(net.named_modules())
    found: dict[str, float] = {}
    for node in net.graph.nodes:
        path = str(node.target)
        if node.op != "call_module" or path not in plan.weight_scales:
            continue
        scales = [plan.activations[name].scale for name in _sources(node, modules) if name in plan.activations]
        if not scales:
            raise ModelError(f"every layer's input must have a grid in the quantization plan, got none for {path}")
        found[path] = min([*scales, found.get(path, scales[0])])
    return found


def _sources(node: fx.Node, modules: Mapping[str, nn.Module]) -> Iterator[str]:
    """The nodes whose grid a layer's input may lie on: its input, and back through what only moves values."""
    source = node.all_input_nodes[0]
    yield source.name
    while keeps_values(source, modules):
        source = source.all_input_nodes[0]
        yield source.name
