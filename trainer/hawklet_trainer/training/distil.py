"""What a network learns from a teacher besides the labels: its answers, and which pictures it finds alike."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from hawklet.errors import UsageError

_LEAST_VARIANCE = 1e-6
_MOST_POSITIONS = 28
"""Rows and columns of a map that are compared."""


@dataclass(frozen=True)
class MatchedLayer:
    """A layer that should see in the student what it sees in the teacher; pruning tells which channel is which."""

    layer: str
    """Module path, the same in both networks."""
    channels: tuple[int, ...]
    """Of the layer's inputs in the teacher, those that the student still has, in the student's order."""


@dataclass
class CaughtFeatures:
    """What layers saw in the latest forward passes of both networks, ``float [N, C, ...]`` by module path.

    Without layers to match, it is what reached each network's own last linear layer, under the path ``""``.
    """

    layers: tuple[MatchedLayer, ...]
    student: dict[str, torch.Tensor] = field(default_factory=dict)
    teacher: dict[str, torch.Tensor] = field(default_factory=dict)


@contextmanager
def catching_features(
    net: nn.Module, teacher: nn.Module | None, weight: float, layers: Sequence[MatchedLayer] = ()
) -> Iterator[CaughtFeatures | None]:
    """Catch both networks' features while the block runs; None, and no hooks, without a teacher or a weight.

    Raises:
        UsageError: one of them has no linear layer, or not the layers that are to match.
    """
    if teacher is None or weight == 0.0:
        yield None
        return
    caught = CaughtFeatures(tuple(layers))
    hooks: list[RemovableHandle] = []
    try:
        for network, seen in ((net, caught.student), (teacher, caught.teacher)):
            hooks.extend(_catching(network, seen, layers))
        yield caught
    finally:
        for hook in hooks:
            hook.remove()


def _catching(
    net: nn.Module, seen: dict[str, torch.Tensor], layers: Sequence[MatchedLayer]
) -> Iterator[RemovableHandle]:
    modules = dict(net.named_modules())
    missing = [matched.layer for matched in layers if matched.layer not in modules]
    if missing:
        raise UsageError(f"layers to match must be in both networks, {missing[0]} is not in {type(net).__name__}")
    watched = {matched.layer: modules[matched.layer] for matched in layers} or {"": last_linear(net)}
    for path, module in watched.items():
        yield module.register_forward_pre_hook(lambda _m, inputs, path=path: seen.__setitem__(path, inputs[0]))


def last_linear(net: nn.Module) -> nn.Linear:
    """The network's head.

    Raises:
        UsageError: it has no linear layer.
    """
    linears = [module for module in net.modules() if isinstance(module, nn.Linear)]
    if not linears:
        raise UsageError(f"a network must end in an nn.Linear to have a head, got {type(net).__name__}")
    return linears[-1]


def answers_of(teacher: nn.Module | None, x: torch.Tensor) -> torch.Tensor | None:
    """The teacher's logits ``float32 [N, C]``, without gradients; None without a teacher."""
    if teacher is None:
        return None
    with torch.no_grad():
        answers: torch.Tensor = teacher(x)
    return answers.float()


def feature_distance(features: CaughtFeatures) -> torch.Tensor:
    """How far the student's latest features are from its teacher's: the mean over the layers that are matched."""
    if not features.layers:
        return similarity_distance(features.student[""], features.teacher[""])
    distances = [
        channel_distance(features.student[matched.layer], features.teacher[matched.layer], matched.channels)
        for matched in features.layers
    ]
    return torch.stack(distances).mean()


def channel_distance(student: torch.Tensor, teacher: torch.Tensor, channels: Sequence[int]) -> torch.Tensor:
    """Mean squared error of a layer's inputs, by the variance of the teacher's: 1 where nothing of it is explained.

    Matching features as such was introduced by Romero et al., "FitNets: Hints for Thin Deep Nets" (2015); a pruned
    student needs no adapter between, since each of its channels is one of the teacher's.

    Args:
        student: ``float [N, C, ...]``.
        teacher: ``float [N, C', ...]`` with C' at least C, not learned; larger maps are averaged to the student's size.
        channels: C positions in the teacher.
    """
    student, teacher = _thinned(student).float(), _thinned(teacher.detach())
    if student.shape[2:] != teacher.shape[2:]:
        teacher = functional.adaptive_avg_pool2d(teacher, (student.shape[2], student.shape[3]))
    target = teacher[:, torch.as_tensor(channels, device=teacher.device)].float()
    return (student - target).square().mean() / (target.var() + _LEAST_VARIANCE)


def _thinned(features: torch.Tensor) -> torch.Tensor:
    """Every second, third... row and column of large maps: neighbours say much the same, and cost as much."""
    if features.ndim < 4:
        return features
    step = max(1, math.ceil(max(features.shape[2:]) / _MOST_POSITIONS))
    return features[:, :, ::step, ::step]


def similarity_distance(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """How differently two networks find the pictures of a batch alike: ``||G_student - G_teacher||^2 / N^2``.

    ``G`` is the products of all pairs of pictures' features, each row of length one; so the two may be of any widths.

    Args:
        student: Features, ``float [N, ...]``.
        teacher: Likewise; not learned.
    """
    difference = _similarities(student) - _similarities(teacher.detach())
    return difference.square().sum() / len(student) ** 2


def _similarities(features: torch.Tensor) -> torch.Tensor:
    # Outside of autocast and in float32: sums over hundreds of products.
    flat = features.flatten(1).float()
    return functional.normalize(flat @ flat.T, dim=1)
