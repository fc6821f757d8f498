"""Where a training stands: what a terminal shows of it, without any drawing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from hawklet_trainer.training.terms import EpochRecord, Step, TrainConfig
from hawklet_trainer.watching.pace import Pace

_IN_EPOCHS = "fine-tune"


class Mean:
    """A running mean that leaves out what was not measured."""

    def __init__(self) -> None:
        self._sum = self._weight = 0.0

    def add(self, value: float, weight: float = 1.0) -> None:
        """Another value; NaN is none."""
        if not math.isnan(value):
            self._sum += value * weight
            self._weight += weight

    @property
    def value(self) -> float:
        """NaN of nothing."""
        return self._sum / self._weight if self._weight else math.nan


class Standing:
    """Follows a training by what :class:`~hawklet_trainer.training.terms.Progress` is told of it.

    Args:
        clock: Seconds that only ever grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self.pace = Pace(clock)
        self._forget()

    def _forget(self) -> None:
        self.title = ""
        """Of the phase."""
        self.steps = self.done = 0
        """Steps of the phase, and how many of them are done."""
        self.config: TrainConfig | None = None
        self.records: list[EpochRecord] = []
        """Of fine-tuning; the first is its start."""
        self._begin_epoch()

    def begun(self, config: TrainConfig) -> None:
        """A training begins; what was known of another is forgotten."""
        self._forget()
        self.config = config

    def resumed(self, records: list[EpochRecord]) -> None:
        """Fine-tuning goes on after these."""
        self.records = list(records)

    @property
    def best(self) -> EpochRecord | None:
        """The epoch that did best on val."""
        first_by = self.config is not None and self.config.accuracy_first
        return min(self.records, key=lambda r: (-r.val_top1 if first_by else 0.0, r.val_judged), default=None)

    def phase(self, title: str, steps: int) -> None:
        """A phase begins."""
        self.title, self.steps, self.done = title, steps, 0
        self.pace.restart()
        self._begin_epoch()

    def step(self, step: Step) -> None:
        """A step is done."""
        self.done += 1
        self.pace.step(step.pictures)
        self.loss.add(step.loss)
        self.top1.add(step.top1, step.pictures)
        self.lr = step.lr

    def epoch(self, record: EpochRecord) -> None:
        """An epoch is done."""
        if record.phase != _IN_EPOCHS:
            return
        if record.epoch:
            self.pace.judged()
            planned = self._first_step + self.steps_of_epoch
            if planned - self.done == 1:  # a last batch of one picture is left out
                self.done = planned
        else:
            self.pace.judging = record.seconds
        self.records.append(record)
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self.loss, self.top1, self.lr = Mean(), Mean(), math.nan
        self._first_step = self.done
        self._epoch_start = self._clock()

    @property
    def in_epochs(self) -> bool:
        """Whether the phase is one of epochs, each judged at its end."""
        return self.title.startswith(_IN_EPOCHS) and self.config is not None

    @property
    def is_over(self) -> bool:
        """Whether the last epoch that may come has been judged."""
        if self.config is None or not self.records:
            return False
        return self.records[-1].epoch >= self.config.epochs or self.patience_left == 0

    @property
    def number(self) -> int:
        """Of the epoch that is under way, from 1."""
        return self.records[-1].epoch + 1 if self.records else 1

    @property
    def epochs_left(self) -> int:
        """With the one that is under way, as far as no limit ends them before."""
        return 0 if self.config is None else max(1, self.config.epochs - self.number + 1)

    @property
    def steps_of_epoch(self) -> int:
        """Steps of the epoch that is under way, or of what is left of it where it goes on in its middle."""
        if not self.in_epochs:
            return self.steps
        return math.ceil((self.steps - self._first_step) / self.epochs_left)

    @property
    def done_of_epoch(self) -> int:
        """How many of :attr:`steps_of_epoch` are done."""
        return min(self.done - self._first_step, self.steps_of_epoch)

    @property
    def epoch_seconds(self) -> float:
        """What the epoch has taken so far."""
        return self._clock() - self._epoch_start

    @property
    def left_of_epoch(self) -> float:
        """Seconds until the epoch's record, or the end of a phase without epochs; NaN before the first step."""
        steps = self.steps_of_epoch - self.done_of_epoch
        return steps * self.pace.seconds_per_step + (self.pace.judging if self.in_epochs else 0.0)

    @property
    def left_of_training(self) -> float:
        """Seconds until fine-tuning ends, if every epoch that may come comes; NaN before the first step."""
        if not self.in_epochs:
            return math.nan
        steps = self.steps - self.done
        left = steps * self.pace.seconds_per_step + self.epochs_left * self.pace.judging
        return min(left, self._time_limit())

    def _time_limit(self) -> float:
        if self.config is None or self.config.minutes is None:
            return math.inf
        spent = sum(record.seconds for record in self.records if record.epoch) + self.epoch_seconds
        return max(0.0, 60.0 * self.config.minutes - spent)

    @property
    def patience_left(self) -> int | None:
        """After how many epochs without a better one it ends before its time; None where that cannot be."""
        if self.config is None or self.best is None or not self.records:
            return None
        left = self.config.patience - (self.records[-1].epoch - self.best.epoch)
        return left if left < self.epochs_left else None
