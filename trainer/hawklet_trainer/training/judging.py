"""How good a network is on the validation pictures, which decides when to stop and what to keep."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hawklet_trainer.data import PixelSource
from hawklet_trainer.evaluation.temperature import fit_temperature
from hawklet_trainer.training.inputs import as_input
from hawklet_trainer.training.modes import evaluation_mode
from hawklet_trainer.training.processes import Processes
from hawklet_trainer.training.terms import TrainConfig

_BATCH = 32
_ENOUGH = 2000
"""Pictures that a temperature is fitted on."""
_FEWEST = 2
"""Pictures that have a standard deviation."""


@dataclass(frozen=True)
class Verdict:
    """A network on val."""

    top1: float
    """Percent."""
    loss: float
    """Cross-entropy without smoothing."""
    lacking: torch.Tensor
    """What each picture's answer lacks, ``float64 [N]``, nats; infinite where the network answers with no number."""
    accuracy_first: bool = False
    """Whether ``top1`` decides, and what is lacking only where that is equal."""

    def beats(self, other: Verdict) -> bool:
        """Whether this is the better one on these pictures, be it by chance."""
        if self.accuracy_first and self.top1 != other.top1:
            return self.top1 > other.top1
        return float(self.lacking.mean()) < float(other.lacking.mean())

    def is_no_worse_than(self, other: Verdict) -> bool:
        """Whether this beats the other, or what it lacks more is within a standard error, picture by picture."""
        if self.beats(other):
            return True
        if self.accuracy_first or len(self.lacking) < _FEWEST:
            return False
        more = self.lacking - other.lacking
        return float(more.mean()) <= float(more.std()) / math.sqrt(len(more))


UNJUDGED = Verdict(0.0, math.inf, torch.full((1,), math.inf, dtype=torch.float64))
"""Of no network; every other beats it that answers with numbers."""


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
        return Verdict(top1, loss, self._lacking(answers, loss), self._config.accuracy_first)

    def _lacking(self, answers: torch.Tensor, loss: float) -> torch.Tensor:
        """The loss of each picture: with a teacher also how far its answer is from the teacher's, without one at the
        temperature that suits the network best, since how sure it is of itself is set right after training."""
        if not math.isfinite(loss):
            return torch.full((len(answers),), math.inf, dtype=torch.float64)  # nothing compares with nan
        if self._taught is None:
            few = slice(None, None, math.ceil(len(answers) / _ENOUGH))
            warm = answers.double() / fit_temperature(answers[few].numpy(), self._truth[few].numpy())
            return functional.cross_entropy(warm, self._truth, reduction="none")
        mine, taught = answers.double().log_softmax(1), self._taught.double().log_softmax(1)
        distances = functional.kl_div(mine, taught, log_target=True, reduction="none").sum(1)
        losses = functional.nll_loss(mine, self._truth, reduction="none")
        return (1.0 - self._config.distil) * losses + self._config.distil * distances
