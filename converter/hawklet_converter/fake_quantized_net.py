"""A float network that computes what its int8 files will, and through which gradients pass.

Weights and activations are rounded to their int8 grids and held as floats; the backward pass takes rounding for the
identity (a straight-through estimator) and clipping for what it is. Sources: Jacob et al., "Quantization and Training
of Neural Networks for Efficient Integer-Arithmetic-Only Inference" (2018), section 3; the gradients of an activation's
scale and zero point are those of Esser et al., "Learned Step Size Quantization" (2020), and Bhalgat et al., "LSQ+"
(2020).

What is trained is counted in shares of a range, not in real units: once batch norms are folded, the weights of one
channel may be a hundred times those of another, and one learning rate has to fit all of them.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from hawklet_converter.place_layers import LAYERS
from hawklet_converter.plan import LEVELS, LOWEST, ActivationQuant, QuantPlan
from hawklet_converter.value_keepers import keeps_values
from hawklet_converter.weight_grid import WEIGHT_LIMIT, weight_scales

_HIGHEST = LOWEST + LEVELS - 1
_RELU6 = 6.0
_GRID_PACE = 10.0
"""Grids move this many times as fast as weights (docs/decisions/0028-rounding-in-the-loop.md)."""
_SMALLEST_STEP = 1e-12


class _PassThrough(torch.autograd.Function):
    """Another value in the place of ``x``, whose gradients go to ``x`` as if it were itself."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, instead: torch.Tensor) -> torch.Tensor:
        return instead.view_as(instead)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        return grads[0], None


class _Quantize(torch.autograd.Function):
    """Rounding to int8 with one scale and zero point for the whole tensor, and the gradients of all three."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, scale: torch.Tensor, zero_point: torch.Tensor) -> torch.Tensor:
        # torch.fake_quantize_per_tensor_affine computes the same, six times as slowly on a CPU.
        low, high = float(LOWEST - zero_point), float(_HIGHEST - zero_point)
        on_grid = (x / scale).round_().clamp_(low, high).mul_(scale)
        ctx.save_for_backward(x, on_grid, scale)
        ctx.range = (low - 0.5) * float(scale), (high + 0.5) * float(scale)
        return on_grid

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        grad = grads[0]
        x, on_grid, scale = ctx.saved_tensors
        kept = torch.ops.aten.hardtanh_backward(grad, x, *ctx.range)  # the gradient of clipping, in one pass
        # Inside, a wider step moves the value by its rounding error; outside, the end of the grid moves with it.
        of_scale = ((grad * on_grid).sum() - (kept * x).sum()) / scale
        of_zero_point = (kept.sum() - grad.sum()) * scale
        return kept, of_scale, of_zero_point


def _round(x: torch.Tensor) -> torch.Tensor:
    rounded: torch.Tensor = _PassThrough.apply(x, x.detach().round())
    return rounded


def _within(x: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """Clipping that gradients pass, so that what ran into a limit comes back."""
    clipped: torch.Tensor = _PassThrough.apply(x, x.detach().clamp(low, high))
    return clipped


class LearnedGrid(nn.Module):
    """An activation's grid, whose step and zero point are trained.

    A zero point at the end of int8 stays there: below a ReLU's zero there is nothing, and ONNX Runtime's quantizer
    drops the ReLU, trusting the grid to cut what is negative.

    Args:
        grid: To start from.
        ceiling: The grid may not reach beyond; for the same reason 6 after a ReLU6.
    """

    start: torch.Tensor

    def __init__(self, grid: ActivationQuant, ceiling: float = math.inf) -> None:
        super().__init__()
        self.register_buffer("start", torch.tensor([grid.scale, grid.zero_point], dtype=torch.float32))
        self._widest = ceiling / (_HIGHEST - grid.zero_point) if grid.zero_point < _HIGHEST else math.inf
        self._movable = LOWEST < grid.zero_point < _HIGHEST
        self.moved = nn.Parameter(torch.zeros(2))
        """Logarithm of the step's growth; shift of the zero point in half ranges; both over :data:`_GRID_PACE`."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The values of any tensor, on the grid."""
        on_grid: torch.Tensor = _Quantize.apply(x, *self._current())
        return on_grid

    def _current(self) -> tuple[torch.Tensor, torch.Tensor]:
        scale = _within(self.start[0] * torch.exp(_GRID_PACE * self.moved[0]), 0.0, self._widest)
        if not self._movable:
            return scale, self.start[1]
        return scale, _within(_round(self.start[1] - _GRID_PACE * self.moved[1] * LOWEST), LOWEST + 1, _HIGHEST - 1)

    @torch.no_grad()
    def grid(self) -> ActivationQuant:
        """As it is now."""
        scale, zero_point = self._current()
        return ActivationQuant(float(scale), int(zero_point))


class _SymmetricGrid(nn.Module):
    """Parametrization of a weight ``[out, ...]``: int8 steps of its largest value's 127th part, -127..127.

    The scale follows the weights, so that a writer which looks at the largest value finds the same one.

    Args:
        scales: ``float32 [out]`` or ``[1]``; equal ones say that all channels share one scale.
    """

    unit: torch.Tensor

    def __init__(self, scales: torch.Tensor, dims: int) -> None:
        super().__init__()
        self._shared = bool((scales == scales[0]).all())
        self.register_buffer("unit", (scales * WEIGHT_LIMIT).reshape(-1, *[1] * (dims - 1)))

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        real = latent * self.unit
        dims = list(range(0 if self._shared else 1, real.dim()))
        step = (real.detach().abs().amax(dims, keepdim=True) / WEIGHT_LIMIT).clamp_min(_SMALLEST_STEP)
        return _round(real / step) * step

    def right_inverse(self, weight: torch.Tensor) -> torch.Tensor:
        return (weight / self.unit).clamp(-1.0, 1.0)


class _InUnits(nn.Module):
    """Parametrization of a bias, counted in ``unit``."""

    def __init__(self, unit: float) -> None:
        super().__init__()
        self._unit = unit

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        return latent * self._unit

    def right_inverse(self, bias: torch.Tensor) -> torch.Tensor:
        return bias / self._unit


def with_fake_quantization(
    net: fx.GraphModule, plan: QuantPlan, quantized: Collection[str], trained: Collection[str] | None = None
) -> fx.GraphModule:
    """A trainable copy that computes as the plan's int8 files do.

    Args:
        net: The folded network.
        plan: Grids and weight scales to start from; a layer without weight scales stays as it is.
        quantized: Names of the fx nodes whose values the files hold as int8. The input's pixels are exact and stay so,
            and what an operation only moves or picks out of a quantized value lies on its grid already.
        trained: Module paths of the layers whose weights and biases may be trained; None = all. The others round too.
    """
    fake = copy.deepcopy(net).requires_grad_(False)
    modules = dict(fake.named_modules())
    owners = _grid_owners(net, quantized)
    for node in list(fake.graph.nodes):
        layer = modules.get(str(node.target)) if node.op == "call_module" else None
        if isinstance(layer, LAYERS) and node.target in plan.weight_scales and not parametrize.is_parametrized(layer):
            layer.requires_grad_(trained is None or node.target in trained)
            _quantize_layer(layer, str(node.target), plan, _half_range(node, plan))
        if owners.get(node.name) == node.name and node.op != "placeholder":
            _quantize_output(fake, node, LearnedGrid(plan.activations[node.name], _ceiling(node, modules)))
    fake.graph.lint()
    fake.recompile()
    return fake


def _quantize_layer(layer: nn.Conv2d | nn.Linear, path: str, plan: QuantPlan, half_range: float) -> None:
    scales = torch.tensor(plan.weight_scales[path], dtype=torch.float32)
    parametrize.register_parametrization(layer, "weight", _SymmetricGrid(scales, layer.weight.dim()))
    if layer.bias is not None:
        parametrize.register_parametrization(layer, "bias", _InUnits(half_range))


def _half_range(node: fx.Node, plan: QuantPlan) -> float:
    """Half of what a layer's output, or that of the activation function after it, spans."""
    grids = [plan.activations[n.name] for n in (node, *node.users) if n.name in plan.activations]
    return grids[0].scale * -LOWEST if grids else 1.0


def _ceiling(node: fx.Node, modules: dict[str, nn.Module]) -> float:
    module = modules.get(str(node.target)) if node.op == "call_module" else None
    if isinstance(module, nn.Hardtanh):  # ReLU6 is one
        return float(module.max_val)
    return _RELU6 if node.target is functional.relu6 else math.inf


def _quantize_output(fake: fx.GraphModule, node: fx.Node, grid: LearnedGrid) -> None:
    path = grid_path(node.name)
    fake.add_submodule(path, grid)
    with fake.graph.inserting_after(node):
        after = fake.graph.call_module(path, (node,))
    node.replace_all_uses_with(after)
    after.args = (node,)


def grid_path(name: str) -> str:
    """Where the grid of an fx node's output is, within a fake-quantized network."""
    return f"grid_of_{name}"


def _grid_owners(net: fx.GraphModule, quantized: Collection[str]) -> dict[str, str]:
    """Node -> the node whose grid its values lie on, of every node that lies on one."""
    owners: dict[str, str] = {}
    modules = dict(net.named_modules())
    for node in net.graph.nodes:
        source = owners.get(node.all_input_nodes[0].name) if keeps_values(node, modules) else None
        if source is not None:
            owners[node.name] = source
        elif node.name in quantized or node.op == "placeholder":
            owners[node.name] = node.name
    return owners


def without_fake_quantization(
    fake: fx.GraphModule,
    net: fx.GraphModule,
    plan: QuantPlan,
    quantized: Collection[str],
    trained: Collection[str] | None = None,
) -> tuple[fx.GraphModule, QuantPlan]:
    """What was trained, as a plain network and the plan that goes with it.

    Args:
        fake: Made of the others by :func:`with_fake_quantization`, and trained.
        net: The folded network.
        plan: The plan that training started from.
        quantized: Names of the fx nodes whose values the files hold as int8.
        trained: Module paths of the layers that were trained; None = all. The others stay as they are.

    Returns:
        A copy of ``net`` whose trained weights lie on their int8 grids, the largest of each at 127 steps, and a plan of
        the trained grids and scales.
    """
    result = copy.deepcopy(net)
    moved = set(plan.weight_scales) if trained is None else set(plan.weight_scales) & set(trained)
    for path in moved:
        _take_values(result.get_submodule(path), fake.get_submodule(path))
    found = weight_scales(result)
    scales = dict(plan.weight_scales) | {path: _as_many(found[path], plan.weight_scales[path]) for path in moved}
    grids = dict(plan.activations)
    for name, owner in _grid_owners(net, quantized).items():
        learned = getattr(fake, grid_path(owner), None)
        if isinstance(learned, LearnedGrid):
            grids[name] = learned.grid()
    return result, replace(plan, activations=grids, weight_scales=scales)


@torch.no_grad()
def _take_values(layer: nn.Module, source: nn.Module) -> None:
    for name, parameter in layer.named_parameters():
        parameter.copy_(getattr(source, name))


def _as_many(scales: tuple[float, ...], before: tuple[float, ...]) -> tuple[float, ...]:
    return (max(scales),) * len(before) if len(set(before)) == 1 else scales
