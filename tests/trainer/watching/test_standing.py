"""Where a training stands, on a clock that the test moves."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from hawklet_trainer.training.terms import EpochRecord, Step, TrainConfig
from hawklet_trainer.watching.standing import Standing

CONFIG = TrainConfig(epochs=4, patience=9)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _record(epoch: int, val_loss: float = 0.5, seconds: float = 12.0) -> EpochRecord:
    return EpochRecord(epoch, "fine-tune", 1e-4, 0.7, val_loss, 80.0, seconds, val_judged=val_loss)


def _begun(clock: Clock, config: TrainConfig = CONFIG, steps: int = 40) -> Standing:
    standing = Standing(clock)
    standing.begun(config)
    standing.epoch(_record(0, seconds=2.0))
    standing.phase("fine-tune", steps)
    return standing


def _steps(standing: Standing, clock: Clock, count: int, loss: float = 1.0) -> None:
    for _ in range(count):
        clock.now += 1.0
        standing.step(Step(loss, 50.0, 1e-4, 32))


def _epoch(standing: Standing, clock: Clock, epoch: int, steps: int = 10, val_loss: float = 0.5) -> None:
    _steps(standing, clock, steps)
    clock.now += 2.0
    standing.epoch(_record(epoch, val_loss))


def test_an_epoch_and_the_whole_training_are_foreseen_by_steps_and_judging(clock: Clock) -> None:
    standing = _begun(clock)
    assert math.isnan(standing.left_of_epoch)
    _steps(standing, clock, 4)
    assert (standing.number, standing.steps_of_epoch, standing.done_of_epoch) == (1, 10, 4)
    assert standing.left_of_epoch == 6 + 2 and standing.left_of_training == 36 + 4 * 2
    _steps(standing, clock, 6)
    clock.now += 2.0
    standing.epoch(_record(1))
    assert (standing.number, standing.done_of_epoch) == (2, 0)
    assert standing.left_of_training == 30 + 3 * 2


def test_an_epoch_whose_last_step_was_left_out_does_not_shift_those_after_it(clock: Clock) -> None:
    standing = _begun(clock)
    _epoch(standing, clock, 1, steps=9)
    _epoch(standing, clock, 2, steps=9)
    assert (standing.steps_of_epoch, standing.left_of_training) == (10, 20 + 2 * 2)


def test_the_loss_and_accuracy_of_an_epoch_are_means_of_its_steps_alone(clock: Clock) -> None:
    standing = _begun(clock)
    _steps(standing, clock, 5, loss=1.0)
    _steps(standing, clock, 5, loss=2.0)
    standing.step(Step(pictures=1))  # measured nothing
    assert standing.loss.value == 1.5 and standing.top1.value == 50.0
    standing.epoch(_record(1))
    assert math.isnan(standing.loss.value)


def test_a_limit_of_minutes_bounds_what_is_foreseen(clock: Clock) -> None:
    standing = _begun(clock, replace(CONFIG, minutes=0.5))
    _steps(standing, clock, 4)
    assert standing.left_of_training == 30 - 4
    _steps(standing, clock, 6)
    clock.now += 2.0
    standing.epoch(_record(1, seconds=12.0))
    assert standing.left_of_training == 30 - 12


def test_patience_is_told_only_where_it_can_end_the_training_first(clock: Clock) -> None:
    standing = _begun(clock, replace(CONFIG, patience=2))
    _epoch(standing, clock, 1, val_loss=0.4)
    assert standing.patience_left == 2
    _epoch(standing, clock, 2, val_loss=0.6)
    assert standing.patience_left == 1 and standing.best is not None and standing.best.epoch == 1
    _epoch(standing, clock, 3, val_loss=0.3)
    assert standing.patience_left is None


def test_going_on_in_the_middle_of_an_epoch_counts_what_is_left_of_it(clock: Clock) -> None:
    standing = Standing(clock)
    standing.begun(CONFIG)
    standing.resumed([_record(0, 0.9), _record(1, 0.4), _record(2, 0.6)])
    standing.phase("fine-tune", 15)  # 5 of epoch 3, 10 of epoch 4
    assert standing.number == 3 and standing.best is not None and standing.best.epoch == 1
    _epoch(standing, clock, 3, steps=5)
    assert (standing.number, standing.steps_of_epoch) == (4, 10)
    _steps(standing, clock, 10)
    assert standing.left_of_epoch == 2


def test_a_phase_without_epochs_is_foreseen_by_its_steps(clock: Clock) -> None:
    standing = Standing(clock)
    standing.begun(CONFIG)
    standing.phase("features", 10)
    _steps(standing, clock, 4)
    assert (standing.done_of_epoch, standing.steps_of_epoch, standing.left_of_epoch) == (4, 10, 6)
    assert math.isnan(standing.left_of_training)


def test_another_training_begins_anew(clock: Clock) -> None:
    standing = _begun(clock)
    _epoch(standing, clock, 1)
    standing.begun(CONFIG)
    assert standing.records == [] and standing.best is None and standing.title == ""
