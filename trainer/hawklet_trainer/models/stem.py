"""The stem: a network's first convolution, which is built for three channels and made here for one or four.

One channel: the weights of the three are summed. Grey pictures have three equal channels, so the answers to them stay
what they were, at the border of the picture too. Normalization must be folded in before, since it differs between the
colours: see :mod:`~hawklet_trainer.models.folding`.

Four channels: those of the colours stay, and the weights of the fourth begin as the mean of theirs, so that its edges
are seen from the start; where it is at the zero point the answers stay what they were (docs/decisions/0121).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

from hawklet.errors import UsageError, WeightsError
from hawklet.spec import CHANNELS
from hawklet_trainer.models.entry import ModelEntry

COLOURS = 3


def stem_path(net: nn.Module, entry: ModelEntry) -> str | None:
    """Module path of the first convolution; of a user's own network the first that can take pictures, if any does."""
    if entry.stem is not None:
        return entry.stem[0]
    return next((path for path, module in net.named_modules() if _takes_pictures(module)), None)


def _takes_pictures(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and module.groups == 1 and module.in_channels in CHANNELS


def _stem_of(net: nn.Module, entry: ModelEntry) -> nn.Conv2d | None:
    path = stem_path(net, entry)
    stem = None if path is None else net.get_submodule(path)
    return stem if isinstance(stem, nn.Conv2d) else None


def fit_stem(net: nn.Module, entry: ModelEntry, channels: int) -> None:
    """Make a network take pictures of so many channels, in place, with the weights that it has.

    Args:
        net: As built, for three channels; a user's own may be for as many as are wanted.
        entry: Names the stem.
        channels: 1, 3 or 4, as :data:`hawklet.spec.CHANNELS` names them.

    Raises:
        UsageError: the network takes another number, or has no convolution to change.
    """
    stem = _stem_of(net, entry)
    if stem is None and channels == COLOURS:
        return
    if stem is None or stem.in_channels not in (COLOURS, channels):
        taken = f"one that takes {stem.in_channels}" if stem else "none that takes pictures"
        way_out = f"say --channels {stem.in_channels}" if stem else f"say --channels {COLOURS}"
        raise UsageError(
            f"--channels {channels} needs a network whose first convolution takes {COLOURS} or {channels} channels, "
            f"--model {entry.name} has {taken}; {way_out}"
        )
    if stem.in_channels != channels:
        _give_weights(stem, _fitted(stem.weight.detach(), channels))


def _fitted(weight: torch.Tensor, channels: int) -> torch.Tensor:
    """``float [out, 3, height, width]`` for one channel or four."""
    if channels == 1:
        return weight.sum(dim=1, keepdim=True)
    return torch.cat([weight, weight.mean(dim=1, keepdim=True)], dim=1)


def _give_weights(stem: nn.Conv2d, weight: torch.Tensor) -> None:
    stem.in_channels = weight.shape[1]
    stem.weight = nn.Parameter(weight, requires_grad=stem.weight.requires_grad)


@contextmanager
def loading_stem(
    net: nn.Module, entry: ModelEntry, tensors: Mapping[str, torch.Tensor], folded: bool
) -> Iterator[None]:
    """Within the block ``net`` takes a checkpoint's channels, after it its own again, with the weights loaded since.

    Args:
        net: Takes 1, 3 or 4 channels.
        entry: Names the stem.
        tensors: The checkpoint, of three channels or as many as ``net`` takes.
        folded: Whether its normalization is folded in.

    Raises:
        WeightsError: the normalization that the checkpoint expects is known for three channels only.
    """
    stem = _stem_of(net, entry)
    weight = None if stem is None else tensors.get(f"{stem_path(net, entry)}.weight")
    if stem is None or weight is None or weight.ndim != 4 or weight.shape[1] == COLOURS == stem.in_channels:
        yield
        return
    if not folded and entry.stem is not None and weight.shape[1] != COLOURS:
        raise WeightsError(
            f"weights of a first convolution of {weight.shape[1]} channel(s) must be a run's own, since what pixels "
            "others expect is known for 3 channels only; give a run's weights/best.safetensors, or weights for 3"
        )
    wanted = stem.in_channels
    if weight.shape[1] == COLOURS:
        _give_weights(stem, stem.weight.new_empty(stem.out_channels, COLOURS, *stem.kernel_size))
    yield
    if stem.in_channels != wanted:
        fit_stem(net, entry, wanted)
