"""What removing channels of one group does to the answers, before anything is trained."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from hawklet.spec import Floats
from hawklet_converter.judge import judge
from hawklet_converter.pruning.least_squares import Moments, inputs_of, made_up_for
from hawklet_converter.pruning.structure import ROUND_TO, Structure
from hawklet_converter.reestimate_batch_norm import mean_of_channels, tracking_norms

Removal = Mapping[str, Sequence[int]]
"""Group name -> positions in the group that go."""


class Bench:
    """Tries removals on a copy of a network, the layers behind them making up for what they can.

    A removed channel is not read any more here, which answers as its removal does; what is handed on is really cut.
    Batch norms take the means of the pictures at hand.

    Args:
        net: The network; left alone.
        inputs: ``float32 [N, C, H, W]``, pictures of all classes.
        structure: Its groups.
        moments: What its layers read, of other pictures.
    """

    def __init__(
        self, net: nn.Module, inputs: torch.Tensor, structure: Structure, moments: Mapping[str, Moments]
    ) -> None:
        self._net = copy.deepcopy(net).eval().to(memory_format=torch.channels_last)
        self._inputs = inputs.contiguous(memory_format=torch.channels_last)
        self._structure, self._moments = structure, moments
        self._reference = self._logits()

    def divergence(self, removal: Removal) -> float:
        """Mean Kullback-Leibler divergence of the answers from those of the whole network, nats."""
        with _unread(self._net, self._structure, self._moments, removal):
            return judge(self._logits(), self._reference).divergence

    def _logits(self) -> Floats:
        with torch.no_grad(), _means_of_these_pictures(self._net):
            logits: Floats = self._net(self._inputs).float().numpy()
        return logits


@contextmanager
def _means_of_these_pictures(net: nn.Module) -> Iterator[None]:
    """While the block runs, batch norms in evaluation mode take over the mean of every batch that passes."""

    def take(norm: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        norm.get_buffer("running_mean").copy_(mean_of_channels(inputs[0]))

    hooks = [module.register_forward_pre_hook(take) for module in tracking_norms(net).values()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _unread(net: nn.Module, structure: Structure, moments: Mapping[str, Moments], removal: Removal) -> Iterator[None]:
    """Let no layer read these channels; put all back afterwards."""
    before: list[tuple[torch.Tensor, torch.Tensor]] = []
    try:
        for layer, gone in _unread_inputs(net, structure, removal).items():
            module: Any = net.get_submodule(layer)
            flat = module.weight.detach().flatten(1)
            if layer in moments:
                weight, shift = made_up_for(moments[layer], flat, gone)
            else:
                weight, shift = flat.index_fill(1, gone, 0.0), flat.new_zeros(len(flat))
            before += [(tensor, tensor.detach().clone()) for tensor in module.parameters()]
            with torch.no_grad():
                module.weight.copy_(weight.reshape(module.weight.shape))
                if module.bias is not None:
                    module.bias.add_(shift)
        yield
    finally:
        with torch.no_grad():
            for tensor, values in reversed(before):
                tensor.copy_(values)


def _unread_inputs(net: nn.Module, structure: Structure, removal: Removal) -> dict[str, torch.Tensor]:
    """Layer -> positions of inputs in its flattened weights that go; a layer may read several groups."""
    found: dict[str, list[int]] = {}
    for name, members in removal.items():
        gone = set(members)
        for span in structure.group(name).spans:
            if not span.makes:
                layer: Any = net.get_submodule(span.layer)
                for channel in span.channels_of(gone):
                    found.setdefault(span.layer, []).extend(inputs_of(layer, channel))
    return {layer: torch.tensor(inputs) for layer, inputs in found.items()}


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
