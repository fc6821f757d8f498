"""Features that are hidden from the head by chance (N. Srivastava et al., "Dropout", 2014)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn import functional

from hawklet_trainer.training.distil import last_linear


@contextmanager
def hiding_features(net: nn.Module, share: float | None) -> Iterator[None]:
    """Hide this share of what reaches the head while the network learns, instead of what its own dropout hides.

    Nothing of the network's structure changes.

    Args:
        net: The network.
        share: 0..1; None leaves all as it is.

    Raises:
        UsageError: it has no linear layer.
    """
    if share is None:
        yield
        return
    head = last_linear(net)
    own = {module: module.p for module in net.modules() if isinstance(module, nn.Dropout)}
    for module in own:
        module.p = 0.0
    hook = head.register_forward_pre_hook(
        lambda module, inputs: (functional.dropout(inputs[0], share, module.training),)
    )
    try:
        yield
    finally:
        hook.remove()
        for module, p in own.items():
            module.p = p
