"""Choose the ranges of activations by what their rounding and clipping do to the network's answer.

A picture's answer changes when its best class no longer leads. So an error e of one activation counts by what it does
to that lead: to first order ``g . e``, with g the gradient of (best logit - second best). Its mean square over the
calibration pictures is the *noise* that a range costs, in units of the logits squared. Unlike the mean squared error of
the activation itself it knows which values matter, and that clipping errors all point one way, and add up, where
rounding errors cancel out (docs/decisions/0024-ranges-by-what-they-do-to-the-answer.md).

Source: a loss-aware criterion in the spirit of LAPQ (Nahshan et al., "Loss Aware Post-training Quantization", 2019)
with the first-order, per-picture view of Molchanov et al., "Importance Estimation for Neural Network Pruning" (2019).
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import fx

from hawklet.spec import Floats
from hawklet_converter.choose_ranges import mse, percentile
from hawklet_converter.collect_ranges import Distribution, batches
from hawklet_converter.judge import judge
from hawklet_converter.plan import LOWEST, ActivationQuant

_SHRINKS = (1.0, 0.98, 0.95, 0.91, 0.86, 0.8, 0.72, 0.64, 0.56, 0.48, 0.4, 0.33, 0.27)
_HIGHEST = LOWEST + 255
_LOGIT_FLOORS = np.linspace(0.0, 1.0, 21)
_LOGIT_TOPS = (1.0, 1.05, 1.1)


@dataclass(frozen=True)
class RangeChoice:
    """Ranges, and what each costs."""

    grids: Mapping[str, ActivationQuant]
    """fx node -> grid."""
    noise: Mapping[str, float]
    """fx node -> mean square change of the lead by quantizing this activation alone, logits squared."""


def choose_ranges_by_noise(
    net: fx.GraphModule, inputs: torch.Tensor, distributions: Mapping[str, Distribution], stored: Collection[str]
) -> RangeChoice:
    """The least noisy of some twenty ranges for every activation.

    Args:
        net: The folded network.
        inputs: ``float32 [N, C, H, W]``: calibration pictures; every class should be among them.
        distributions: fx node -> what its values look like.
        stored: fx nodes whose values a file stores.
    """
    candidates = {name: _candidates(distributions[name]) for name in stored if name in distributions}
    noise = {name: np.zeros(len(grids)) for name, grids in candidates.items()}
    traced = copy.deepcopy(net).requires_grad_(True)
    for batch in batches(inputs):
        for name, value in _with_gradients(traced, batch, candidates).items():
            noise[name] += _noise_of(value, candidates[name])
    best = {name: int(cost.argmin()) for name, cost in noise.items()}
    grids = {name: candidates[name][index] for name, index in best.items()}
    output = _output_node(net)
    logits = _logits(net, inputs)
    grids[output] = _logit_grid(logits)
    spent = {name: float(noise[name][index]) / len(inputs) for name, index in best.items()}
    spent[output] = _lead_noise(fake_quantize(logits, grids[output]), logits)
    return RangeChoice(grids, spent)


def fake_quantize(value: torch.Tensor, grid: ActivationQuant) -> torch.Tensor:
    """The value as the grid can say it."""
    return torch.fake_quantize_per_tensor_affine(value, grid.scale, grid.zero_point, LOWEST, _HIGHEST)


def _candidates(values: Distribution) -> list[ActivationQuant]:
    ends = [(values.low * shrink, values.high * shrink) for shrink in _SHRINKS]
    ends += [percentile(values), mse(values)]
    if values.low < 0 < values.high:
        low, high = mse(values)
        ends += [(values.low, high), (low, values.high)]
    return [ActivationQuant.covering(low, high) for low, high in ends]


class _Keeping(fx.Interpreter):
    """Keeps the activations whose gradients are wanted."""

    def __init__(self, net: fx.GraphModule, wanted: Collection[str]) -> None:
        super().__init__(net)
        self._wanted = wanted
        self.kept: dict[str, torch.Tensor] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if n.name in self._wanted and isinstance(value, torch.Tensor) and value.requires_grad:
            value.retain_grad()
            self.kept[n.name] = value
        return value


def _with_gradients(net: fx.GraphModule, batch: torch.Tensor, wanted: Collection[str]) -> dict[str, torch.Tensor]:
    interpreter = _Keeping(net, wanted)
    with torch.enable_grad():
        best, second = interpreter.run(batch).topk(2, dim=1).values.unbind(dim=1)
        (best - second).sum().backward()
    net.zero_grad(set_to_none=True)
    return interpreter.kept


def _noise_of(value: torch.Tensor, grids: list[ActivationQuant]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Squared change of the lead by each grid, summed over the batch, ``float64 [grids]``."""
    gradient = value.grad
    if gradient is None:
        return np.zeros(len(grids))
    plain, flat = value.detach().flatten(1), gradient.flatten(1)
    changes = ((flat * (fake_quantize(plain, grid) - plain)).sum(dim=1) for grid in grids)
    return np.array([float(change.double().square().sum()) for change in changes])


def _logits(net: fx.GraphModule, inputs: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return torch.cat([net(batch) for batch in batches(inputs)])


def _logit_grid(logits: torch.Tensor) -> ActivationQuant:
    """The range whose probabilities diverge least: the lead's gradient sees two logits only, and there are others."""
    low, high = float(logits.min()), float(logits.max())
    plain: Floats = logits.numpy()
    grids = [ActivationQuant.covering(low * floor, high * top) for floor in _LOGIT_FLOORS for top in _LOGIT_TOPS]
    return min(grids, key=lambda grid: judge(fake_quantize(logits, grid).numpy(), plain).divergence)


def _lead_noise(rough: torch.Tensor, exact: torch.Tensor) -> float:
    best = exact.topk(2, dim=1).indices
    leads = [values.gather(1, best) for values in (rough, exact)]
    changes = (leads[0][:, 0] - leads[0][:, 1]) - (leads[1][:, 0] - leads[1][:, 1])
    return float(changes.double().square().mean())


def _output_node(net: fx.GraphModule) -> str:
    output = next(node for node in net.graph.nodes if node.op == "output")
    return str(output.all_input_nodes[0].name)
