"""The head: a network's last linear layer, whose outputs are the classes."""

from __future__ import annotations

from torch import nn

from hawklet_trainer.models.entry import ModelEntry


def head_path(net: nn.Module, entry: ModelEntry) -> str:
    """Module path of the network's last linear layer."""
    if entry.head:
        return entry.head
    linears: list[str] = [path for path, module in net.named_modules() if isinstance(module, nn.Linear)]
    return linears[-1]


def head_of(net: nn.Module, entry: ModelEntry) -> nn.Linear:
    """The network's last linear layer."""
    head = net.get_submodule(head_path(net, entry))
    if not isinstance(head, nn.Linear):
        raise TypeError(f"{entry.name}: {entry.head} is a {type(head).__name__}, not a Linear")
    return head
