"""``hawklet train`` as a contestant of the training suite.

Run: ``python training_ours.py TRAINING KEPT STARTED`` (see :func:`training_process.kept_result`) for a whole training,
``python training_ours.py EPOCHS`` for epochs whenever they are asked for (see :mod:`training_turns`).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from torch import nn

from hawklet.safefiles import write_json
from hawklet.spec import PreprocessSpec
from hawklet_benchmarks.conditions import read_moment
from hawklet_trainer.augment import Augment
from hawklet_trainer.data import read_photos
from hawklet_trainer.models.registry import MODELS
from hawklet_trainer.train import TrainOptions, train_on
from hawklet_trainer.training.loop import fine_tune
from hawklet_trainer.training.terms import EpochRecord, Progress, Step, TrainConfig
from training_clock import Clock
from training_outcome import Outcome, Point
from training_photos import TestPictures, at_most
from training_task import Epochs, Training
from training_turns import Baton

_EPOCHS = 20
"""Of the schedule when turns are taken; more than there are turns, and few enough for no trial of compiling."""


def main() -> None:
    """Do what the arguments say."""
    told = json.loads(sys.argv[1])
    if len(sys.argv) == 2:
        take_turns(Epochs(**told), Baton())
    else:
        kept = Path(sys.argv[2])
        outcome = train(Training(**told), Clock(float(sys.argv[3])), kept.parent / "runs")
        write_json(kept, outcome.to_plain())


class _Curve(Progress):
    """Measures the weights that would be kept, after the head and after every epoch, while the clock is stopped."""

    def __init__(self, clock: Clock, test: TestPictures, zero_point: int, scale: float) -> None:
        self._clock, self._test, self._zero_point, self._scale = clock, test, zero_point, scale
        self.points: list[Point] = []

    def epoch(self, record: EpochRecord, net: nn.Module, kept: bool) -> None:
        spent = self._clock.read()
        with self._clock.stopped():
            top1 = self._measure(net) if kept or not self.points else self.points[-1].top1
            self.points.append(Point(spent, top1))

    def _measure(self, net: nn.Module) -> float:
        return self._test.top1(net, lambda pictures: (pictures - self._zero_point) * self._scale)


def train(task: Training, clock: Clock, out: Path) -> Outcome:
    """Train as ``hawklet train`` does, into a run folder within ``out``."""
    load, entry = read_moment().load_1min, MODELS[task.model]
    photos = at_most(read_photos(Path(task.photos), task.seed), task.pictures)
    with clock.stopped():
        curve = _Curve(clock, TestPictures(photos.items("test"), entry), entry.zero_point, entry.scale)
    result = train_on(photos, _options(task, out), curve, lambda line: print(line, flush=True))
    assert result.test is not None, "there are test pictures"  # noqa: S101 -- narrows the type
    return Outcome(tuple(curve.points), result.test.top1, clock.read(), result.history.precision, load)


def _options(task: Training, out: Path) -> TrainOptions:
    config = TrainConfig(seed=task.seed)
    if task.epochs is not None:
        config = TrainConfig(seed=task.seed, epochs=task.epochs, head_epochs=task.epochs)
    weights = "pretrained" if task.pretrained else "none"
    return TrainOptions(Path(task.photos), task.model, weights=weights, out=out, name=task.name, config=config)


class _Turns(Progress):
    """Waits for its turn before every epoch."""

    def __init__(self, baton: Baton) -> None:
        self._baton = baton

    def phase(self, title: str, steps: int) -> None:
        if title == "fine-tune":
            self._baton.begin()

    def step(self, step: Step) -> None:
        self._baton.passed(step.pictures)

    def epoch(self, record: EpochRecord, net: nn.Module, kept: bool) -> None:
        if record.epoch:
            self._baton.give()
            self._baton.begin()


def take_turns(task: Epochs, baton: Baton) -> None:
    """Train until the baton comes no more."""
    entry, photos = MODELS[task.model], at_most(read_photos(Path(task.photos)), task.pictures)
    spec = PreprocessSpec(entry.side, entry.side, crop_fraction=entry.crop_fraction)
    torch.manual_seed(0)
    net = entry.build(len(photos.labels), entry.side, entry.side)
    config = TrainConfig(epochs=_EPOCHS, patience=_EPOCHS, augment=Augment(task.augment))
    fine_tune(net, photos, spec, entry.zero_point, entry.scale, config, progress=_Turns(baton))


if __name__ == "__main__":
    main()
