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
    """Put ``net`` into training mode, its batch norms into evaluation mode where their statistics are to stay."""
    net.train()
    if freeze_batch_norm:
        for module in net.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
