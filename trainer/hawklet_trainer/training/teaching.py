"""Another run's network as a teacher: it sees the student's pictures as it was itself trained to see pictures."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True)
class Sight:
    """How a network takes pictures, and in which order it answers."""

    height: int
    """Input height, pixels."""
    width: int
    """Input width, pixels."""
    zero_point: int
    """Pixel value that becomes 0."""
    scale: float
    """``x = (pixel - zero_point) * scale``."""
    labels: tuple[str, ...]
    """Class names in the order of the outputs."""


@contextlib.contextmanager
def seeing(teacher: nn.Module, own: Sight, student: Sight) -> Iterator[None]:
    """Let a teacher take the student's input and answer in the student's order while the block runs.

    Pictures of another size are resized bilinearly.

    Args:
        teacher: Takes ``float [N, C, H, W]``, answers logits ``[N, classes]``.
        own: How it was trained.
        student: How the student takes pictures; the same labels, in any order.
    """
    order = [own.labels.index(label) for label in student.labels]

    def take(_module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor]:
        return (_as_seen(inputs[0], own, student),)

    def answer(_module: nn.Module, _inputs: object, answers: torch.Tensor) -> torch.Tensor:
        return answers if order == sorted(order) else answers[:, order]

    hooks = (teacher.register_forward_pre_hook(take), teacher.register_forward_hook(answer))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _as_seen(x: torch.Tensor, own: Sight, student: Sight) -> torch.Tensor:
    if (x.shape[2], x.shape[3]) != (own.height, own.width):
        x = functional.interpolate(x, (own.height, own.width), mode="bilinear")
    if (own.zero_point, own.scale) == (student.zero_point, student.scale):
        return x
    pixels = x / student.scale + student.zero_point
    return (pixels - own.zero_point) * own.scale
