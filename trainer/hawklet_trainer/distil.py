"""What a network learns from a teacher besides the labels: its answers, and which pictures it finds alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from hawklet.errors import UsageError
from hawklet_trainer.terms import TrainConfig


@dataclass
class CaughtFeatures:
    """What reached the last linear layers in the latest forward passes, ``float [N, F]``, F of each network's own."""

    student: torch.Tensor | None = None
    teacher: torch.Tensor | None = None


@contextmanager
def catching_features(net: nn.Module, teacher: nn.Module | None, weight: float) -> Iterator[CaughtFeatures | None]:
    """Catch both networks' features while the block runs; None, and no hooks, without a teacher or a weight.

    Raises:
        UsageError: one of them has no linear layer.
    """
    if teacher is None or weight == 0.0:
        yield None
        return
    caught = CaughtFeatures()

    def catch_student(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        caught.student = inputs[0]

    def catch_teacher(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        caught.teacher = inputs[0]

    hooks = [_last_linear(net).register_forward_pre_hook(catch_student)]
    hooks.append(_last_linear(teacher).register_forward_pre_hook(catch_teacher))
    try:
        yield caught
    finally:
        for hook in hooks:
            hook.remove()


def _last_linear(net: nn.Module) -> nn.Linear:
    linears = [module for module in net.modules() if isinstance(module, nn.Linear)]
    if not linears:
        raise UsageError(f"features can be matched of networks that end in an nn.Linear, got {type(net).__name__}")
    return linears[-1]


def answers_of(teacher: nn.Module | None, x: torch.Tensor) -> torch.Tensor | None:
    """The teacher's logits ``float32 [N, C]``, without gradients; None without a teacher."""
    if teacher is None:
        return None
    with torch.no_grad():
        answers: torch.Tensor = teacher(x)
    return answers.float()


def training_loss(
    answers: torch.Tensor,
    y: torch.Tensor,
    taught: torch.Tensor | None,
    features: CaughtFeatures | None,
    config: TrainConfig,
) -> torch.Tensor:
    """One number to make smaller.

    Args:
        answers: The network's logits, ``float32 [N, C]``.
        y: True label indices, ``int64 [N]``.
        taught: The teacher's logits, likewise.
        features: Of both networks, of the same pictures.
        config: How much each part counts.
    """
    loss = functional.cross_entropy(answers, y, label_smoothing=config.label_smoothing)
    if taught is not None:
        t = config.temperature
        distance = functional.kl_div(
            torch.log_softmax(answers / t, 1), torch.log_softmax(taught / t, 1), log_target=True, reduction="batchmean"
        )
        loss = (1.0 - config.distil) * loss + config.distil * t * t * distance
    if features is not None and features.student is not None and features.teacher is not None:
        loss = loss + config.match_features * similarity_distance(features.student, features.teacher)
    return loss


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
