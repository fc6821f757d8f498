"""How much each channel matters, by one of five criteria of the literature."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from hawklet.spec import PreprocessSpec
from hawklet_converter.pruning.least_squares import Moments, scores_by_elimination
from hawklet_converter.pruning.structure import Structure, Traced

_BATCH = 16


@dataclass(frozen=True)
class Examples:
    """Training pictures to judge channels on."""

    inputs: torch.Tensor
    """``float32 [N, C, H, W]``, as the network takes them."""
    truth: torch.Tensor
    """``int64 [N]``."""

    def first(self, count: int) -> Examples:
        """The first of them, as many at most."""
        return Examples(self.inputs[:count], self.truth[:count])


Scores = Mapping[str, torch.Tensor]
"""Group name -> ``float32 [channels]``; the least matters least. Comparable within a group, not between groups."""


def _by_group(module: str, **options: Any) -> Any:
    import torch_pruning

    return getattr(torch_pruning.importance, module)(**options)


_OF_THE_LIBRARY: dict[str, Callable[[], Any]] = {
    "magnitude": lambda: _by_group("MagnitudeImportance", p=1, group_reduction="first"),
    "group-norm": lambda: _by_group("GroupMagnitudeImportance", p=2),
    "bn-scale": lambda: _by_group("BNScaleImportance"),
    "taylor": lambda: _by_group("GroupTaylorImportance", multivariable=True, normalizer=None),
}
"""As torch-pruning computes them."""
CRITERIA = ("reconstruction", *_OF_THE_LIBRARY)
"""By name:

``reconstruction`` how far the channels that stay can make up for it (:mod:`~hawklet_converter.pruning.least_squares`)
``magnitude``      L1 norm of the filter that makes the channel (Li et al., "Pruning Filters for Efficient ConvNets",
                   2017)
``group-norm``     L2 norm of everything that goes with the channel (Fang et al., "DepGraph", 2023)
``bn-scale``       the batch norm's scale (Liu et al., "Learning Efficient Convolutional Networks through Network
                   Slimming", 2017)
``taylor``         what the loss would change, to first order, squared and summed over batches of pictures (Molchanov
                   et al., "Importance Estimation for Neural Network Pruning", 2019)
"""


def score_channels(
    criterion: str,
    net: nn.Module,
    spec: PreprocessSpec,
    structure: Structure,
    examples: Examples,
    moments: Mapping[str, Moments],
) -> Scores:
    """Score the channels of every group; the network is left alone.

    A criterion that knows nothing of a group (no batch norm in it, no layer that could make up for it) leaves it to
    ``group-norm``.

    Args:
        criterion: A name of :data:`CRITERIA`.
        net: The network.
        spec: The input's shape.
        structure: Its groups.
        examples: Pictures for criteria that look at data.
        moments: Of what its layers read of these pictures.
    """
    traced = Traced(net, spec)
    groups = {g.name: traced.dependencies(g.name, range(g.channels)) for g in structure.groups}
    if criterion == "taylor":
        return _taylor(traced.net, groups, examples)
    fallback = _OF_THE_LIBRARY["group-norm"]()
    if criterion == "reconstruction":
        found = {group.name: scores_by_elimination(group, net, moments) for group in structure.groups}
    else:
        measure = _OF_THE_LIBRARY[criterion]()
        found = {name: measure(group) for name, group in groups.items()}
    return {
        name: (fallback(groups[name]) if scores is None else scores).detach().float() for name, scores in found.items()
    }


def _taylor(net: nn.Module, groups: Mapping[str, Any], examples: Examples) -> Scores:
    measure = _OF_THE_LIBRARY["taylor"]()
    total: dict[str, torch.Tensor] = {}
    order = torch.randperm(len(examples.inputs), generator=torch.Generator().manual_seed(0))
    for chosen in torch.split(order, _BATCH):
        net.zero_grad()
        functional.cross_entropy(net(examples.inputs[chosen]), examples.truth[chosen]).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        for name, group in groups.items():
            found = measure(group).detach().float().square()
            total[name] = total[name] + found if name in total else found
    return total


def in_order(scores: torch.Tensor) -> list[int]:
    """Positions of the channels, the least important first."""
    return [int(i) for i in torch.argsort(scores, stable=True)]
