"""Structured pruning: remove whole channels, so that every runtime gets faster, not only smaller."""

from __future__ import annotations

import copy

import torch
from torch import nn

from hawklet.errors import ModelError, UsageError
from hawklet.spec import PreprocessSpec

ROUND_TO = 8
"""Channels stay multiples of this, which is what vector units work in."""
_HIGHEST_RATIO = 0.9


def prune_channels(net: nn.Module, spec: PreprocessSpec, ratio: float) -> nn.Module:
    """Remove the least important channels of every layer but the head; the given network is left alone.

    Importance is the mean L2 norm of everything that a channel touches (Fang et al., "DepGraph: Towards Any Structural
    Pruning", 2023). About ``(1 - ratio)**2`` of the multiplications remain.

    Args:
        net: A network with its batch norms, ``float32 [N, C, H, W]`` -> logits.
        spec: The input's shape.
        ratio: Share of channels to remove, 0..0.9.

    Raises:
        UsageError: the ratio is out of range.
        ModelError: the network has a part that cannot be pruned.
    """
    import torch_pruning

    if not 0 < ratio <= _HIGHEST_RATIO:
        raise UsageError(f"--prune must be above 0 and at most {_HIGHEST_RATIO}, got {ratio}")
    pruned = copy.deepcopy(net).eval().requires_grad_(True)  # the dependency graph is traced through autograd
    example = torch.zeros(1, spec.channels, spec.height, spec.width)
    head = _head(pruned)
    try:
        pruner = torch_pruning.pruner.BasePruner(
            pruned,
            example,
            importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
            pruning_ratio=ratio,
            ignored_layers=[head],
            round_to=ROUND_TO,
        )
        pruner.step()
        with torch.inference_mode():
            answers = pruned(example)
    except (RuntimeError, ValueError, KeyError, AttributeError) as error:
        raise ModelError(
            f"{type(net).__name__} cannot be pruned ({' '.join(str(error).split())[:200]}); convert it without --prune"
        ) from error
    if answers.shape[1] != head.out_features:
        raise ModelError(f"pruning {type(net).__name__} changed its classes; convert it without --prune")
    return pruned


def _head(net: nn.Module) -> nn.Linear:
    dense = [module for module in net.modules() if isinstance(module, nn.Linear)]
    if not dense:
        raise ModelError(f"only networks that end in a dense layer can be pruned, got {type(net).__name__}")
    return dense[-1]


def parameters(net: nn.Module) -> int:
    """How many numbers a network learned."""
    return sum(parameter.numel() for parameter in net.parameters())
