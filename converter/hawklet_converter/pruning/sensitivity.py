"""What removing channels of one group does to the answers, before anything is trained."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from hawklet.spec import Floats
from hawklet_converter.judge import judge
from hawklet_converter.pruning.structure import ROUND_TO, ChannelGroup, Structure

Removal = Mapping[str, Sequence[int]]
"""Group name -> positions in the group that go."""


class Bench:
    """Tries removals on a copy of a network, with batch norms that take the statistics of the pictures at hand.

    A removed channel is silenced here, which answers as its removal does; what is handed on is really cut. All
    pictures run as one batch, so that batch norms are measured anew by the run that is judged.

    Args:
        net: The network; left alone.
        inputs: ``float32 [N, C, H, W]``, pictures of all classes.
        structure: Its groups.
    """

    def __init__(self, net: nn.Module, inputs: torch.Tensor, structure: Structure) -> None:
        self._net = copy.deepcopy(net).eval().to(memory_format=torch.channels_last)
        for module in self._net.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.train()
        self._inputs = inputs.contiguous(memory_format=torch.channels_last)
        self._structure = structure
        self._reference = self._logits()

    def divergence(self, removal: Removal) -> float:
        """Mean Kullback-Leibler divergence of the answers from those of the whole network, nats."""
        with _silenced(self._net, self._structure, removal):
            return judge(self._logits(), self._reference).divergence

    def _logits(self) -> Floats:
        with torch.no_grad():
            logits: Floats = self._net(self._inputs).float().numpy()
        return logits


@contextmanager
def _silenced(net: nn.Module, structure: Structure, removal: Removal) -> Iterator[None]:
    """Set to zero what makes these channels; put it back afterwards."""
    before: list[tuple[torch.Tensor, torch.Tensor]] = []
    for name, members in removal.items():
        for tensor, channels in _made_by(net, structure.group(name), set(members)):
            before.append((tensor, tensor.detach().clone()))
            with torch.no_grad():
                tensor[channels] = 0.0
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, values in reversed(before):
                tensor.copy_(values)


def _made_by(net: nn.Module, group: ChannelGroup, members: set[int]) -> Iterator[tuple[torch.Tensor, list[int]]]:
    for span in group.spans:
        channels = [channel for channel, member in zip(span.channels, span.members, strict=True) if member in members]
        module = net.get_submodule(span.layer)
        if span.makes and channels:
            for tensor in (module.weight, module.bias):
                if isinstance(tensor, torch.Tensor):
                    yield tensor, channels


@dataclass(frozen=True)
class Curve:
    """What a group's removal costs, by how much of it goes."""

    shares: tuple[float, ...]
    """Shares removed, ascending, 0 first."""
    losses: tuple[float, ...]
    """Divergence at each, nats, never falling."""

    def at(self, share: float) -> float:
        """Divergence when this share is gone; beyond what was tried it grows as it did at the end."""
        if share <= self.shares[-1]:
            return float(np.interp(share, self.shares, self.losses))
        slope = (self.losses[-1] - self.losses[-2]) / (self.shares[-1] - self.shares[-2])
        return self.losses[-1] + 2.0 * slope * (share - self.shares[-1])


def eights(channels: float) -> int:
    """The nearest multiple of :data:`ROUND_TO`."""
    return round(channels / ROUND_TO) * ROUND_TO
