"""Give the layers behind removed channels the weights that make up for them, before anything is trained."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from hawklet_converter.pruning.least_squares import fitted, mixing, rows_made, rows_read, some_positions
from hawklet_converter.pruning.structure import Structure
from hawklet_converter.reestimate_batch_norm import mean_of_channels, tracking_norms


@torch.no_grad()
def repair(
    net: nn.Module,
    whole: nn.Module,
    structure: Structure,
    removal: Mapping[str, Sequence[int]],
    inputs: torch.Tensor,
    leave: Collection[str] = (),
) -> None:
    """Fit, from the first layer to the last, what each makes to what it made before, by least squares.

    Each layer is fitted on what the layers before it, repaired already, hand it; so errors do not add up. The means of
    batch norms move by what the pictures' means have moved; variances stay.

    Args:
        net: Without the channels; changed in place, in evaluation mode afterwards.
        whole: The network that they were removed from, in evaluation mode; left alone.
        structure: Of ``whole``.
        removal: Group name -> positions that were removed.
        inputs: ``float32 [N, C, H, W]``, run as one batch.
        leave: Layers that keep their weights.
    """
    before = _Before.of(whole, structure, removal, inputs, leave)

    def fit(name: str, layer: Any, x: torch.Tensor) -> None:
        wanted, positions = before.made.pop(name)
        weight, bias = fitted(rows_read(layer, x, positions), wanted, layer.weight.flatten(1))
        layer.weight.copy_(weight.reshape(layer.weight.shape))
        if layer.bias is not None:
            layer.bias.copy_(bias)

    def move(name: str, norm: nn.Module, x: torch.Tensor) -> None:
        norm.get_buffer("running_mean").add_(mean_of_channels(x) - before.means.pop(name))

    net.eval()
    hooks = [
        net.get_submodule(name).register_forward_pre_hook(lambda module, x, name=name, act=act: act(name, module, x[0]))
        for act, names in ((fit, before.made), (move, before.means))
        for name in names
    ]
    try:
        net(inputs)
    finally:
        for hook in hooks:
            hook.remove()


@dataclass
class _Before:
    """What the whole network makes of the pictures, in the channels that are kept."""

    made: dict[str, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)
    """By layers that mix their inputs: outputs ``float32 [rows, outputs]``, and at which positions."""
    means: dict[str, torch.Tensor] = field(default_factory=dict)
    """By batch norms: of what comes in, ``float32 [channels]``."""

    @classmethod
    def of(
        cls,
        whole: nn.Module,
        structure: Structure,
        removal: Mapping[str, Sequence[int]],
        inputs: torch.Tensor,
        leave: Collection[str],
    ) -> _Before:
        lost: dict[str, set[int]] = {}
        for group in structure.groups:
            members = set(removal.get(group.name, ()))
            for span in group.spans:
                if span.makes:
                    lost.setdefault(span.layer, set()).update(span.channels_of(members))
        found = cls()

        def kept(name: str, values: torch.Tensor) -> torch.Tensor:
            return values[..., [channel for channel in range(values.shape[-1]) if channel not in lost.get(name, ())]]

        def look(name: str, layer: Any, outputs: torch.Tensor) -> None:
            positions = some_positions(layer, outputs)
            found.made[name] = (kept(name, rows_made(layer, outputs, positions)), positions)

        def average(name: str, x: torch.Tensor) -> None:
            found.means[name] = kept(name, mean_of_channels(x))

        mixers = [
            layer.name
            for layer in structure.layers
            if layer.name not in leave and mixing(whole, layer.name) is not None
        ]
        hooks = [
            whole.get_submodule(name).register_forward_hook(lambda layer, _x, out, name=name: look(name, layer, out))
            for name in mixers
            if name not in leave
        ]
        hooks += [
            norm.register_forward_pre_hook(lambda _norm, x, name=name: average(name, x[0]))
            for name, norm in tracking_norms(whole).items()
        ]
        try:
            whole(inputs)
        finally:
            for hook in hooks:
                hook.remove()
        return found
