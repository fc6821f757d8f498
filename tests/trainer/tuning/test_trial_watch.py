"""A trial while it trains: what is reported of it, and when it is given up."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState
from torch import nn

from hawklet_trainer.training.terms import EpochRecord, Progress
from hawklet_trainer.tuning.trial_watch import TrialWatch


def _train(trial: optuna.Trial, epochs: int, accuracies: list[float], prunes: bool = True) -> float:
    watch = TrialWatch(trial, epochs, prunes, Progress())
    for epoch, top1 in enumerate(accuracies):
        watch.epoch(EpochRecord(epoch, "fine-tune", 1e-3, 1.0, 1.0, top1, 1.0), nn.Identity(), False)
    return max(accuracies)


@pytest.fixture
def study() -> optuna.Study:
    """With five good trials of ten epochs."""
    pruner = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    study.optimize(lambda trial: _train(trial, 10, [50.0 + 4 * epoch for epoch in range(11)]), n_trials=5)
    return study


def test_the_best_so_far_is_reported_after_every_tenth_but_the_last(study: optuna.Study) -> None:
    study.optimize(lambda trial: _train(trial, 20, [60.0, 90.0, *([80.0] * 19)]), n_trials=1)
    assert study.trials[-1].intermediate_values == {0: 60.0, **dict.fromkeys(range(1, 10), 90.0)}


def test_a_trial_below_the_median_at_its_share_of_training_is_given_up_after_the_warm_up(study: optuna.Study) -> None:
    study.optimize(lambda trial: _train(trial, 10, [10.0] * 11), n_trials=1)
    assert study.trials[-1].state is TrialState.PRUNED
    assert list(study.trials[-1].intermediate_values) == [0, 1, 2]


def test_a_longer_training_is_compared_at_the_same_share_and_not_at_the_same_epoch(study: optuna.Study) -> None:
    slow = [50.0 + 1 * epoch for epoch in range(41)]  # as good at every share, a quarter as good at every epoch
    study.optimize(lambda trial: _train(trial, 40, slow), n_trials=1)
    assert study.trials[-1].state is TrialState.COMPLETE


def test_with_two_objectives_nothing_is_reported() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.optimize(lambda trial: (_train(trial, 2, [1.0, 2.0, 3.0], prunes=False), 1.0), n_trials=1)
    assert study.trials[0].intermediate_values == {}


def test_a_training_of_the_head_alone_is_reported_once(study: optuna.Study) -> None:
    study.optimize(lambda trial: _train(trial, 0, [70.0]), n_trials=1)
    assert study.trials[-1].intermediate_values == {0: 70.0}
