"""Give the layers behind removed channels the weights that make up for them, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from hawklet_converter.pruning.least_squares import fitted, mixing, rows_made, rows_read, some_positions
from hawklet_converter.pruning.structure import Structure


@torch.no_grad()
def repair(
    net: nn.Module, whole: nn.Module, structure: Structure, removal: Mapping[str, Sequence[int]], inputs: torch.Tensor
) -> None:
    """Fit, from the first layer to the last, what each makes to what it made before, by least squares.

    Each layer is fitted on what the layers before it, repaired already, hand it; so errors do not add up. Batch norms
    keep their variances, and get the means of the pictures.

    Args:
        net: Without the channels; changed in place, in evaluation mode afterwards.
        whole: The network that they were removed from; left alone.
        structure: Of ``whole``.
        removal: Group name -> positions that were removed.
        inputs: ``float32 [N, C, H, W]``, run as one batch.
    """
    targets = _targets(whole.eval(), structure, removal, inputs)

    def fit(name: str, layer: Any, x: torch.Tensor) -> None:
        wanted, positions = targets.pop(name)
        weight, bias = fitted(rows_read(layer, x, positions), wanted, layer.weight.flatten(1))
        layer.weight.copy_(weight.reshape(layer.weight.shape))
        if layer.bias is not None:
            layer.bias.copy_(bias)

    hooks = [
        net.get_submodule(name).register_forward_pre_hook(lambda layer, x, name=name: fit(name, layer, x[0]))
        for name in targets
    ]
    try:
        with means_of_these_pictures(net.eval()):
            net(inputs)
    finally:
        for hook in hooks:
            hook.remove()


def _targets(
    whole: nn.Module, structure: Structure, removal: Mapping[str, Sequence[int]], inputs: torch.Tensor
) -> dict[str, tuple[torch.Tensor, torch.Tensor | None]]:
    """What layers make of the pictures, in the outputs that they keep, and at which positions."""
    lost: dict[str, set[int]] = {}
    for group in structure.groups:
        members = set(removal.get(group.name, ()))
        for span in group.spans:
            if span.makes:
                gone = {c for c, member in zip(span.channels, span.members, strict=True) if member in members}
                lost.setdefault(span.layer, set()).update(gone)
    found: dict[str, tuple[torch.Tensor, torch.Tensor | None]] = {}

    def look(name: str, layer: nn.Module, outputs: torch.Tensor) -> None:
        positions = some_positions(layer, outputs)
        rows = rows_made(outputs, positions)
        kept = [channel for channel in range(rows.shape[1]) if channel not in lost.get(name, ())]
        found[name] = (rows[:, kept], positions)

    hooks = [
        whole.get_submodule(name).register_forward_hook(lambda layer, _x, out, name=name: look(name, layer, out))
        for name in (layer.name for layer in structure.layers)
        if mixing(whole, name) is not None
    ]
    try:
        whole(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return found


@contextmanager
def means_of_these_pictures(net: nn.Module) -> Iterator[None]:
    """While the block runs, batch norms in evaluation mode take over the mean of every batch that passes."""

    def take(norm: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        x = inputs[0]
        norm.get_buffer("running_mean").copy_(x.mean([axis for axis in range(x.ndim) if axis != 1]))

    hooks = [
        module.register_forward_pre_hook(take)
        for module in net.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
