"""The modes that networks are computed in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def evaluation_mode(net: nn.Module) -> Iterator[None]:
    """Put ``net`` into evaluation mode and every module of it back into its own mode afterwards."""
    modes = {module: module.training for module in net.modules()}
    net.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def training_mode(net: nn.Module, freeze_batch_norm: bool) -> None:
    """Put ``net`` into training mode, but for batch norms whose statistics are to stay: all, or the frozen ones."""
    net.train()
    for module in net.modules():
        if isinstance(module, _BatchNorm) and (freeze_batch_norm or _is_frozen(module)):
            module.eval()


def _is_frozen(module: nn.Module) -> bool:
    parameters = list(module.parameters())
    return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)
