"""How good a network is on the validation pictures, which decides when to stop and what to keep."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hawklet_trainer.data import PixelSource
from hawklet_trainer.training.inputs import as_input
from hawklet_trainer.training.modes import evaluation_mode
from hawklet_trainer.training.processes import Processes
from hawklet_trainer.training.terms import TrainConfig

_BATCH = 32


@dataclass(frozen=True)
class Verdict:
    """A network on val."""

    top1: float
    """Percent."""
    loss: float
    """Cross-entropy without smoothing."""
    worth: tuple[float, float]
    """Greater is better."""


class Judge:
    """Measures networks on val, in float32; every process a share of the pictures, and all of them come to the same.

    Args:
        val: The pictures.
        pixel: Pixel value that becomes 0, and the scale: ``x = (pixel - zero_point) * scale``.
        config: ``accuracy_first`` and ``distil`` are used.
        processes: Those that train together.
        teacher: A network whose answers are learned: then how far they are is part of a network's worth.
    """

    def __init__(
        self,
        val: PixelSource,
        pixel: tuple[int, float],
        config: TrainConfig,
        processes: Processes,
        teacher: nn.Module | None = None,
    ):
        self._val, self._pixel, self._config, self._processes = val, pixel, config, processes
        self._truth = torch.from_numpy(val.label_indices)
        self._taught = None if teacher is None else self.answers(teacher)

    def answers(self, net: nn.Module) -> torch.Tensor:
        """Logits on val, ``float32 [N, C]``, on the CPU."""
        mine = np.arange(len(self._val))[self._processes.rank :: self._processes.world]
        batches = np.array_split(mine, math.ceil(len(mine) / _BATCH)) if len(mine) else [mine]
        with evaluation_mode(net), torch.inference_mode():
            rows = [
                net(as_input(pixels, *self._pixel, self._processes.device)).float()
                for _, pixels in self._val.batches(batches)
            ]
            return self._processes.gather_rows(torch.cat(rows), len(self._val)).cpu()

    def __call__(self, net: nn.Module) -> Verdict:
        """Judge one network."""
        self._processes.share_buffers(net)
        answers = self.answers(net)
        top1 = 100.0 * float((answers.argmax(1) == self._truth).double().mean())
        loss = float(functional.cross_entropy(answers, self._truth))
        lacking = loss
        if self._taught is not None:
            distance = functional.kl_div(
                answers.log_softmax(1), self._taught.log_softmax(1), log_target=True, reduction="batchmean"
            )
            lacking = (1.0 - self._config.distil) * loss + self._config.distil * float(distance)
        worth = -lacking if math.isfinite(lacking) else -math.inf  # nothing compares with nan
        return Verdict(top1, loss, (top1 if self._config.accuracy_first else 0.0, worth))
