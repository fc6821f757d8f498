"""One step of learning: pictures in, weights moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from hawklet.spec import Pixels
from hawklet_trainer.augment import Mixing
from hawklet_trainer.training.distil import answers_of
from hawklet_trainer.training.inputs import as_input
from hawklet_trainer.training.loss import TrainingLoss
from hawklet_trainer.training.parameter_groups import ParameterGroups
from hawklet_trainer.training.processes import Processes
from hawklet_trainer.training.speed import Speed


@dataclass(frozen=True)
class Batch:
    """Pictures that pass through the network together, in this process."""

    pixels: Pixels
    """``uint8 [N, H, W, C]``, augmented."""
    label_indices: torch.Tensor
    """``int64 [N]``."""
    share: float
    """What the batch counts in the step's gradient: with all batches of all processes the shares' sum is the number of
    processes, by which torch divides."""


@dataclass
class Learned:
    """Sums over pictures of what one step came to, in this process."""

    loss: float = 0.0
    right: float = 0.0
    """Pictures named rightly; NaN where pictures were mixed."""
    pictures: int = 0


class Learner:
    """Steps a network.

    Args:
        net: In training mode, on the device of ``processes``, laid out for ``speed``.
        groups: Its parameters and their optimizer.
        loss: What to make smaller.
        mix: Mixes the pictures of a batch.
        pixel: Pixel value that becomes 0, and the scale: ``x = (pixel - zero_point) * scale``.
        speed: How it is computed.
        processes: Those that learn together.
        teacher: A network whose answers are learned too.
        clip: Longest gradient; 0 = any.
    """

    def __init__(
        self,
        net: nn.Module,
        groups: ParameterGroups,
        loss: TrainingLoss,
        mix: Mixing,
        pixel: tuple[int, float],
        speed: Speed,
        processes: Processes,
        teacher: nn.Module | None = None,
        clip: float = 0.0,
    ):
        self._net, self._groups, self._loss, self._mix = net, groups, loss, mix
        self._pixel, self._speed, self._processes = pixel, speed, processes
        self._teacher, self._clip = teacher, clip
        self._wrapped: nn.Module | None = None

    def rewrap(self) -> None:
        """To be called whenever other parameters learn than before."""
        self._wrapped = None

    def gradients(self, batches: Sequence[Batch]) -> Learned:
        """Compute the gradients of one step."""
        self._groups.optimizer.zero_grad(set_to_none=True)
        if self._wrapped is None:
            self._wrapped = self._processes.wrap(self._speed.compile(self._net))
        learned = Learned()
        for batch in batches[:-1]:
            with self._processes.keeping_gradients(self._wrapped):
                self._add(self._wrapped, batch, learned)
        self._add(self._wrapped, batches[-1], learned)
        return learned

    def step(self, lr: float) -> None:
        """Move the weights along the gradients, at this rate."""
        self._groups.set_lr(lr)
        if self._clip:
            nn.utils.clip_grad_norm_(self._groups.learning, self._clip)
        self._groups.optimizer.step()

    def _add(self, net: nn.Module, batch: Batch, learned: Learned) -> None:
        device = self._processes.device
        labels = batch.label_indices.to(device)
        x, y = self._mix(as_input(batch.pixels, *self._pixel, device), labels)
        x = x.contiguous(memory_format=self._speed.memory_format)
        with self._speed.autocast(device):
            answers = net(x)
            taught = answers_of(self._teacher, x)
        loss = self._loss(answers.float(), y, taught)
        (loss * batch.share).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        learned.loss += float(loss.detach()) * len(x)
        mixed = y.is_floating_point()
        learned.right += float("nan") if mixed else float((answers.detach().argmax(1) == labels).sum())
        learned.pictures += len(x)
