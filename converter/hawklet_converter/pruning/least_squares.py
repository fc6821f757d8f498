"""How far a layer that loses inputs can make up for them with those that remain: least squares on what it reads.

A layer computes ``W x``. Where some inputs go, the weights of the others that come nearest to its old outputs are known
in closed form (Y. He et al., "Channel Pruning for Accelerating Very Deep Neural Networks", 2017), and so is which input
can be made up for best (B. Hassibi and D. Stork, "Second Order Derivatives for Network Pruning: Optimal Brain Surgeon",
1993, one layer at a time). Both need only the inputs' covariance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from hawklet_converter.pruning.structure import ChannelGroup, Structure

_MOST_INPUTS = 5000
"""No covariance is made of more (the first dense layer of a VGG reads 25,088)."""
_ROWS = 8192
"""About so many examples of what a layer reads are enough, and cost seconds."""
_RIDGE = 0.1
"""Damping, by the inputs' mean variance."""
_PADDED_AT_ONCE = 8
_AT_ONCE = 2**21
"""For so many numbers, of weights and of covariances of all layers that read a group, one channel is eliminated at a
time: layers of a thousand inputs lose one, wider ones several, to be done in seconds."""


@dataclass(frozen=True)
class Moments:
    """Of what a layer reads."""

    mean: torch.Tensor
    """``float32 [inputs]``; of a convolution, inputs are its channels times the positions of its kernel."""
    covariance: torch.Tensor
    """``float32 [inputs, inputs]``."""

    def damped(self) -> torch.Tensor:
        """The covariance with a little more on its diagonal, which has an inverse and keeps changes small."""
        damping = (_RIDGE * self.covariance.diagonal().mean()).clamp_min(torch.finfo(torch.float32).tiny)
        return self.covariance + damping * torch.eye(len(self.covariance))


Mixing = nn.Conv2d | nn.Linear
"""A layer that mixes its inputs: a convolution without groups, or a dense one."""


def mixing(net: nn.Module, name: str) -> Mixing | None:
    """A layer by its module path, if it mixes its inputs."""
    module = net.get_submodule(name)
    if isinstance(module, nn.Conv2d):
        return module if module.groups == 1 else None
    return module if isinstance(module, nn.Linear) else None


def readers_of(group: ChannelGroup, net: nn.Module) -> dict[str, torch.Tensor]:
    """Layers that can make up for a group, with the inputs of each channel, ``int64 [channels, inputs]``.

    A layer that reads the group at several places (a dense layer after a flattened map) has as many inputs more. One
    that reads a part of it alone (a half of a map that was split), or too much in all, is not among them.
    """
    found: dict[str, torch.Tensor] = {}
    for span in group.spans:
        layer = mixing(net, span.layer)
        if span.makes or layer is None or layer.weight[0].numel() > _MOST_INPUTS:
            continue
        columns: list[list[int]] = [[] for _ in range(group.channels)]
        for channel, member in zip(span.channels, span.members, strict=True):
            columns[member] += inputs_of(layer, channel)
        if len({len(inputs) for inputs in columns}) == 1:
            found[span.layer] = torch.tensor(columns)
    return found


def inputs_of(layer: Mixing, channel: int) -> list[int]:
    """Positions of one channel in a layer's flattened weights."""
    taps = layer.weight[0, 0].numel()
    return list(range(channel * taps, (channel + 1) * taps))


def rows_read(layer: Mixing, x: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """What a layer reads for some of its outputs, ``float32 [rows, inputs]``.

    Args:
        layer: The layer.
        x: Its input, ``float32 [N, C, H, W]``, or ``[N, ..., C]`` of a dense one.
        positions: Of what it puts out for each picture, by :func:`some_positions`.
    """
    if isinstance(layer, nn.Linear):
        return rows_made(layer, x, positions)
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    padding = layer._reversed_padding_repeated_twice  # that of padding="same" too, which may be uneven
    parts = [
        _patches(layer, functional.pad(part, padding, mode), positions) for part in torch.split(x, _PADDED_AT_ONCE)
    ]
    return torch.cat(parts)


def _patches(layer: nn.Conv2d, padded: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """What the kernel sees at positions of the map that is put out, ``[rows, inputs]``."""
    (height, width), (down, right) = layer.kernel_size, layer.dilation
    columns = (padded.shape[3] - right * (width - 1) - 1) // layer.stride[1] + 1
    y, x = positions // columns * layer.stride[0], positions % columns * layer.stride[1]
    taps = [padded[:, :, y + i * down, x + j * right] for i in range(height) for j in range(width)]
    return torch.stack(taps, 2).permute(0, 3, 1, 2).flatten(2).flatten(0, 1)


def some_positions(layer: Mixing, outputs: torch.Tensor) -> torch.Tensor:
    """Positions of what a layer puts out for a picture that are looked at, the same for all outputs of a size.

    Args:
        layer: The layer.
        outputs: ``float32 [N, C, H, W]``, or ``[N, ..., C]`` of a dense layer.
    """
    channels = outputs.shape[-1] if isinstance(layer, nn.Linear) else outputs.shape[1]
    mixed = torch.randperm(outputs[0].numel() // channels, generator=torch.Generator().manual_seed(0))
    return mixed[: max(1, _ROWS // len(outputs))]


def rows_made(layer: Mixing, outputs: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Outputs at these positions, ``[rows, outputs]`` in the order of :func:`rows_read`."""
    if isinstance(layer, nn.Linear):
        return outputs.reshape(len(outputs), -1, outputs.shape[-1])[:, positions].flatten(0, 1)
    return outputs.flatten(2)[:, :, positions].transpose(1, 2).flatten(0, 1)


def moments_of(rows: torch.Tensor) -> Moments:
    """Mean and covariance of ``float32 [rows, inputs]``."""
    mean = rows.mean(0)
    centred = rows - mean
    return Moments(mean, centred.T @ centred / len(rows))


@torch.no_grad()
def gather_moments(net: nn.Module, structure: Structure, inputs: torch.Tensor) -> dict[str, Moments]:
    """What every layer reads that can make up for a group, by module path.

    Args:
        net: The network, in evaluation mode.
        structure: Its groups.
        inputs: ``float32 [N, C, H, W]``, run as one batch.
    """
    names = {name for group in structure.groups for name in readers_of(group, net)}
    found: dict[str, Moments] = {}

    def look(name: str, layer: Any, x: torch.Tensor, outputs: torch.Tensor) -> None:
        found[name] = moments_of(rows_read(layer, x, some_positions(layer, outputs)))

    hooks = [
        net.get_submodule(name).register_forward_hook(lambda layer, x, out, name=name: look(name, layer, x[0], out))
        for name in sorted(names)
    ]
    try:
        net(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def made_up_for(moments: Moments, weight: torch.Tensor, gone: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights without some inputs that change the outputs least, and what must be added to the outputs' mean.

    Args:
        moments: Of the inputs.
        weight: ``float32 [outputs, inputs]``.
        gone: Positions of inputs that go, ``int64``.

    Returns:
        ``float32 [outputs, inputs]`` with zeros at ``gone``, and ``float32 [outputs]``.
    """
    stays = torch.ones(weight.shape[1], dtype=torch.bool)
    stays[gone] = False
    stay = stays.nonzero().squeeze(1)
    lost = weight[:, gone]
    factor = torch.linalg.cholesky(moments.damped()[stay][:, stay])
    change = torch.cholesky_solve(moments.covariance[stay][:, gone] @ lost.T, factor).T
    made = torch.zeros_like(weight)
    made[:, stay] = weight[:, stay] + change
    return made, lost @ moments.mean[gone] - change @ moments.mean[stay]


def fitted(rows: torch.Tensor, targets: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights near ``weight`` that make ``targets`` of ``rows``, and the bias with them.

    Args:
        rows: ``float32 [rows, inputs]``.
        targets: ``float32 [rows, outputs]``.
        weight: ``float32 [outputs, inputs]``.

    Returns:
        ``float32 [outputs, inputs]`` and ``float32 [outputs]``.
    """
    mean_read, mean = rows.mean(0), targets.mean(0)
    centred = rows - mean_read
    missing = targets - mean - centred @ weight.T
    damping = (_RIDGE * centred.square().mean()).clamp_min(torch.finfo(torch.float32).tiny)
    if len(rows) >= rows.shape[1]:
        change = _solved(centred.T @ centred / len(rows), damping, centred.T @ missing / len(rows))
    else:  # the same weights by a smaller system, of the examples
        change = centred.T @ _solved(centred @ centred.T / len(rows), damping, missing / len(rows))
    made = weight + change.T
    return made, mean - made @ mean_read


def _solved(matrix: torch.Tensor, damping: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    return torch.cholesky_solve(right, torch.linalg.cholesky(matrix + damping * torch.eye(len(matrix))))


@torch.no_grad()
def scores_by_elimination(group: ChannelGroup, net: nn.Module, moments: Mapping[str, Moments]) -> torch.Tensor | None:
    """In which order channels go where each time the one goes that the others make up for best.

    What is counted is the error in the outputs of all layers that read the group, each by the variance of its outputs.

    Returns:
        ``float32 [channels]``, the first to go has the least; None where no layer can make up for any.
    """
    readers = [
        _Elimination(moments[name], net.get_parameter(f"{name}.weight").flatten(1), columns)
        for name, columns in readers_of(group, net).items()
    ]
    if not readers:
        return None
    step = math.ceil(sum(reader.numbers for reader in readers) / _AT_ONCE)
    scores = torch.full((group.channels,), torch.inf)
    while (left := int(scores.isinf().sum())) > group.fewest:
        errors = torch.stack([reader.errors() for reader in readers]).sum(0)
        errors[~scores.isinf()] = torch.inf
        chosen = errors.argsort(stable=True)[: min(step, left - group.fewest)]
        scores[chosen] = float(group.channels - left)
        for reader in readers:
            reader.eliminate(chosen)
    errors = torch.stack([reader.errors() for reader in readers]).sum(0)
    last = scores.isinf().nonzero().squeeze(1)
    scores[last[errors[last].argsort(stable=True)]] = torch.arange(group.channels - len(last), group.channels).float()
    return scores


class _Elimination:
    """One layer that loses channel after channel, and makes up for each.

    Args:
        moments: Of what it reads.
        weight: ``float32 [outputs, inputs]``.
        columns: Its inputs for each channel, ``int64 [channels, inputs of one]``.
    """

    def __init__(self, moments: Moments, weight: torch.Tensor, columns: torch.Tensor) -> None:
        self.numbers = weight.numel() + weight.shape[1] ** 2
        self._weight, self._columns = weight.clone(), columns
        self._total = ((weight @ moments.covariance) * weight).sum().clamp_min(1e-12)
        self._inverse = torch.cholesky_inverse(torch.linalg.cholesky(moments.damped()))

    def errors(self) -> torch.Tensor:
        """What each channel's going would add, ``float32 [channels]``."""
        blocks = self._inverse[self._columns[:, :, None], self._columns[:, None, :]]
        weights = self._weight[:, self._columns].permute(1, 2, 0)  # [channels, inputs of one, outputs]
        added: torch.Tensor = (torch.linalg.inv(blocks) * (weights @ weights.mT)).sum((1, 2)) / self._total
        return added

    def eliminate(self, channels: torch.Tensor) -> None:
        gone = self._columns[channels].flatten()
        factor = torch.linalg.solve(self._inverse[gone][:, gone], self._inverse[gone])
        self._weight -= self._weight[:, gone] @ factor
        self._inverse -= self._inverse[:, gone] @ factor
        self._weight[:, gone] = 0.0
        self._inverse[gone], self._inverse[:, gone] = 0.0, 0.0
        self._inverse[gone, gone] = 1.0
