"""The search itself: one trial after another, until they are as many as wanted or the time is over."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from hawklet.errors import HawkletError, StudyError
from hawklet_trainer.data import PhotoSet
from hawklet_trainer.finish import TrainResult
from hawklet_trainer.train import TrainOptions, train_on
from hawklet_trainer.train_options import changed
from hawklet_trainer.training.terms import Progress
from hawklet_trainer.tuning.dimension import Value, value_text
from hawklet_trainer.tuning.latency import network_of
from hawklet_trainer.tuning.outcome import CAME_TO_NOTHING, COMPLETE, PRUNED, TrialRecord, best_of, line_of, records_of
from hawklet_trainer.tuning.space import Space
from hawklet_trainer.tuning.study import BROKEN_OFF, FAILED, Objective, counted, host
from hawklet_trainer.tuning.trial_runs import delete_runs, delete_weights, is_here, run_of
from hawklet_trainer.tuning.trial_watch import TrialWatch

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

FAILURES = (HawkletError, MemoryError, RuntimeError)
"""What ends a trial and not the search: a loss that is no number, too little memory (of which torch's is a
RuntimeError)."""
_HOPELESS = 3
"""So many failures with nothing else end the search."""


@dataclass(frozen=True)
class Plan:
    """What every trial has in common, and how many there are to be."""

    folder: Path
    """Of the study, on this machine."""
    photos: PhotoSet
    """Without test pictures."""
    training: TrainOptions
    """Of every trial, but for what is searched."""
    space: Space
    objective: Objective
    latencies: Mapping[str, float]
    """Milliseconds by network; empty where they do not count."""
    trials: int
    """In the study, all machines together."""
    seconds: float | None
    """No trial begins after these; None: as long as it takes."""
    keep_runs: bool


def search(study: Study, plan: Plan, watcher: Progress, say: Callable[[str], None]) -> str:
    """Run trials.

    Args:
        study: Where they are written down.
        plan: What they are.
        watcher: Shown each trial; where it asks to stop, no further trial begins.
        say: Called with one line for each trial.

    Returns:
        What ended it: ``trials``, ``time`` or ``request``.

    Raises:
        StudyError: the first trials fail, every one.
    """
    begin = time.monotonic()
    while not (ended := _ended(study, plan, watcher, time.monotonic() - begin)):
        objective = partial(_train, plan=plan, watcher=watcher, say=say)
        after = partial(_after, plan=plan, say=say)
        study.optimize(objective, n_trials=1, catch=FAILURES, callbacks=[after], gc_after_trial=True)
    return ended


def _ended(study: Study, plan: Plan, watcher: Progress, seconds: float) -> str:
    if counted(study) >= plan.trials:
        return "trials"
    if plan.seconds is not None and seconds >= plan.seconds:
        return "time"
    return "request" if watcher.should_stop() else ""


def _train(trial: Trial, plan: Plan, watcher: Progress, say: Callable[[str], None]) -> tuple[float, ...]:
    """One trial: what it is worth."""
    from optuna import TrialPruned

    params = {name: dimension.suggest(trial, name) for name, dimension in plan.space.dimensions.items()}
    trial.set_user_attr("host", host())
    say(f"trial {trial.number}: {_params_text(params)}")
    try:
        return _worth(trial, _trained(trial, params, plan, watcher), plan)
    except FAILURES as error:
        trial.set_user_attr(FAILED, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
        raise
    except TrialPruned:
        raise
    except BaseException as error:  # Ctrl-C, a signal, a full disk
        _put_back(trial, told=isinstance(error, (Exception, KeyboardInterrupt)))
        raise


def _trained(trial: Trial, params: Mapping[str, Value], plan: Plan, watcher: Progress) -> TrainResult:
    asked = replace(changed(plan.training, params), out=plan.folder, name=run_of(trial.number))
    watch = TrialWatch(trial, asked.config.epochs, plan.objective is Objective.ACCURACY, watcher)
    try:
        return train_on(plan.photos, asked, watch)
    except BaseException:
        delete_runs(plan.folder, [trial.number])
        raise


def _worth(trial: Trial, result: TrainResult, plan: Plan) -> tuple[float, ...]:
    history = result.history
    best = next(record for record in history.records if record.epoch == history.best_epoch)
    if math.isfinite(best.val_loss):
        trial.set_user_attr("val_loss", best.val_loss)
    trial.set_user_attr("epochs", history.records[-1].epoch)
    if plan.objective is Objective.ACCURACY:
        return (result.val.top1,)
    options = changed(plan.training, trial.params)
    latency = plan.latencies[network_of(options)]
    trial.set_user_attr("latency_ms", latency)
    return result.val.top1, latency


def _put_back(trial: Trial, told: bool) -> None:
    """Have the values of a trial that was broken off tried again by whoever goes on.

    Args:
        trial: Which.
        told: Whether Optuna itself marks it as failed.
    """
    from optuna.trial import TrialState

    again = dict(trial.user_attrs)
    trial.set_user_attr(BROKEN_OFF, True)
    trial.study.enqueue_trial(trial.params, user_attrs=again)
    if not told:
        trial.study.tell(trial, state=TrialState.FAIL)


def _after(study: Study, trial: FrozenTrial, plan: Plan, say: Callable[[str], None]) -> None:
    records = records_of(study)
    say(line_of(records[trial.number]))
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    _tidy(records, plan)
    _require_hope(records)


def _tidy(records: Sequence[TrialRecord], plan: Plan) -> None:
    """Delete what came to nothing, such as of a killed process, and what is not to be kept."""
    delete_runs(plan.folder, (record.number for record in records if record.state in CAME_TO_NOTHING))
    if not plan.keep_runs:
        here = [record for record in records if record.state == COMPLETE and is_here(plan.folder, record.number)]
        keep = best_of(here, plan.objective)
        delete_weights(plan.folder, (record.number for record in here if record not in keep))


def _require_hope(records: Sequence[TrialRecord]) -> None:
    failed = [record for record in records if record.state == FAILED]
    done = [record for record in records if record.state in (COMPLETE, PRUNED)]
    if len(failed) >= _HOPELESS and not done:
        raise StudyError(
            f"of a search's first {_HOPELESS} trials one at least must come to something, but all failed, the last by "
            f"{failed[-1].reason}; mend that, or narrow the search with --space"
        )


def _params_text(params: Mapping[str, Value]) -> str:
    return ", ".join(f"{name} {value_text(value)}" for name, value in params.items())
