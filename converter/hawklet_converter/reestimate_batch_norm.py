"""Measure batch-norm statistics anew, where the network before them has changed."""

from __future__ import annotations

import torch
from torch import nn

_BATCH = 32


@torch.no_grad()
def reestimate_batch_norm(net: nn.Module, inputs: torch.Tensor) -> None:
    """Replace the running statistics of every batch norm by those of the given pictures.

    A network that sees pictures of another size answers at random until this is done. Training would repair it too, but
    slowly where a network's momentum is small (0.01 in MobileNetV3).

    Args:
        net: Changed in place; in evaluation mode afterwards.
        inputs: ``float32 [N, C, H, W]``, at least two pictures.
    """
    norms = [module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    net.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over all batches
        norm.train()
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(0))  # each batch has every class
    for start in range(0, max(1, len(inputs) - 1), _BATCH):
        net(inputs[order[start : start + _BATCH]])
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    net.eval()


def tracking_norms(net: nn.Module) -> dict[str, nn.Module]:
    """Batch norms that remember statistics, by module path."""
    return {
        name: module
        for name, module in net.named_modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None
    }


def mean_of_channels(x: torch.Tensor) -> torch.Tensor:
    """Of ``float32 [N, C, ...]``, ``float32 [C]``."""
    return x.mean([axis for axis in range(x.ndim) if axis != 1])
