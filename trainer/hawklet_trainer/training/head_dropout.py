"""Features that are hidden from the head by chance (N. Srivastava et al., "Dropout", 2014)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn import functional


@contextmanager
def hiding_features(net: nn.Module, head: nn.Linear, share: float | None) -> Iterator[None]:
    """Hide this share of what reaches ``head`` while the network learns, instead of what its own dropout hides.

    Nothing of the network's structure changes.

    Args:
        net: The network.
        head: Its last layer.
        share: 0..1; None leaves all as it is.
    """
    if share is None:
        yield
        return
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
