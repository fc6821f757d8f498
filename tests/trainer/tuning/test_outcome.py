"""Which trials are best, and what mattered."""

from __future__ import annotations

import optuna
import pytest

from hawklet_trainer.tuning.outcome import TrialRecord, best_of, importance_of, line_of, records_of
from hawklet_trainer.tuning.study import Objective


def _record(number: int, top1: float | None, ms: float | None = None, **more: object) -> TrialRecord:
    values = {"state": "complete", "params": {}, "val_loss": 0.5, "seconds": 1.0, "epochs": 3, "host": "here"}
    values |= {"reason": "", "defaults": False}
    return TrialRecord(number=number, top1=top1, latency_ms=ms, **{**values, **more})  # type: ignore[arg-type]


def test_the_best_is_the_most_accurate_complete_one() -> None:
    records = [_record(0, 90.0), _record(1, 95.0, state="pruned"), _record(2, 92.0), _record(3, None, state="failed")]
    assert [record.number for record in best_of(records, Objective.ACCURACY)] == [2]
    assert best_of([], Objective.ACCURACY) == []


def test_trials_of_one_accuracy_are_told_apart_by_loss_and_then_the_earlier_wins() -> None:
    records = [_record(0, 90.0, val_loss=0.4), _record(1, 90.0, val_loss=0.3), _record(2, 90.0, val_loss=0.3)]
    assert [record.number for record in best_of(records, Objective.ACCURACY)] == [1]


def test_with_latency_the_best_are_those_that_none_is_better_than_in_both() -> None:
    records = [_record(0, 90.0, 5.0), _record(1, 95.0, 9.0), _record(2, 89.0, 6.0), _record(3, 95.0, 12.0)]
    records += [_record(4, 80.0, 2.0), _record(5, 90.0, 5.0, val_loss=0.1)]
    assert [record.number for record in best_of(records, Objective.ACCURACY_LATENCY)] == [1, 5, 4]


def test_the_option_that_decides_is_the_most_important() -> None:
    def worth(trial: optuna.Trial) -> float:
        return 90 - 30 * abs(trial.suggest_float("lr", 0, 1) - 0.3) + trial.suggest_float("idle", 0, 1)

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(worth, n_trials=30)
    importance = importance_of(study)
    assert list(importance) == ["lr", "idle"] and importance["lr"] > 0.8
    assert sum(importance.values()) == pytest.approx(1.0)


def test_too_few_trials_or_trials_without_a_difference_have_no_importance() -> None:
    study = optuna.create_study(direction="maximize")
    study.optimize(lambda trial: trial.suggest_float("lr", 0, 1), n_trials=3)
    assert importance_of(study) == {}
    study = optuna.create_study(direction="maximize")
    study.optimize(lambda trial: 0.0 * trial.suggest_float("lr", 0, 1), n_trials=8)
    assert importance_of(study) == {}


def test_a_record_says_how_a_trial_ended() -> None:
    def train(trial: optuna.Trial) -> float:
        trial.suggest_float("lr", 0, 1)
        if trial.number == 1:
            trial.report(40.0, 2)
            raise optuna.TrialPruned
        if trial.number == 2:
            trial.set_user_attr("failed", "TrainingError: no number")
            raise RuntimeError
        if trial.number == 3:
            raise RuntimeError
        return 80.0

    study = optuna.create_study(direction="maximize")
    study.optimize(train, n_trials=4, catch=(RuntimeError,))
    records = records_of(study)
    assert [record.state for record in records] == ["complete", "pruned", "failed", "broken off"]
    assert [record.top1 for record in records] == [80.0, 40.0, None, None]
    assert line_of(records[1]) == "trial 1: given up at 40.0 % on val"
    assert line_of(records[2]) == "trial 2 failed: TrainingError: no number"
