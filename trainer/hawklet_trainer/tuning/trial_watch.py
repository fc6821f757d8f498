"""A trial while it trains: shown, reported after every tenth of it, and given up where it is hopeless."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch import nn

from hawklet_trainer.training.terms import EpochRecord, Progress, Step

if TYPE_CHECKING:
    from optuna import Trial

_TENTHS = 10


class TrialWatch(Progress):
    """Watches one trial.

    Args:
        trial: Of the study.
        epochs: Most epochs of its fine-tuning.
        prunes: Whether it may be given up.
        watcher: Is shown its phases and steps.
    """

    def __init__(self, trial: Trial, epochs: int, prunes: bool, watcher: Progress):
        self._trial, self._epochs, self._prunes, self._watcher = trial, epochs, prunes, watcher
        self._best, self._reported = -math.inf, -1

    def phase(self, title: str, steps: int) -> None:
        self._watcher.phase(f"trial {self._trial.number}: {title}", steps)

    def step(self, step: Step) -> None:
        self._watcher.step(step)

    def epoch(self, record: EpochRecord, net: nn.Module, kept: bool) -> None:
        self._best = max(self._best, record.val_top1)
        tenth = _TENTHS * record.epoch // max(1, self._epochs)
        if not self._prunes or tenth <= self._reported or tenth >= _TENTHS:  # at its end it is as good as complete
            return
        self._reported = tenth
        self._trial.report(self._best, tenth)
        if self._trial.should_prune():
            from optuna import TrialPruned

            self._trial.set_user_attr("epochs", record.epoch)
            raise TrialPruned(f"in epoch {record.epoch} of {self._epochs}")
