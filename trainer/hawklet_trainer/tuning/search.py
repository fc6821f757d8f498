"""The search itself: one trial after another, until they are as many as wanted or the time is over."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from hawklet.errors import StudyError, TrainingError, UsageError
from hawklet_trainer.data import PhotoSet
from hawklet_trainer.finish import TrainResult
from hawklet_trainer.train import TrainOptions, train_on
from hawklet_trainer.train_options import changed
from hawklet_trainer.training.terms import Progress
from hawklet_trainer.tuning.dimension import Value, flag, value_text
from hawklet_trainer.tuning.latency import network_of
from hawklet_trainer.tuning.outcome import CAME_TO_NOTHING, COMPLETE, PRUNED, TrialRecord, best_of, line_of, records_of
from hawklet_trainer.tuning.space import Space
from hawklet_trainer.tuning.study import DEFAULTS, FAILED, Objective, counted, host
from hawklet_trainer.tuning.trial_runs import delete_runs, delete_weights, is_here, run_of
from hawklet_trainer.tuning.trial_watch import TrialWatch

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

FAILURES = (TrainingError, UsageError, MemoryError, RuntimeError)
"""What ends a trial and not the search, since its own options can have caused it: a loss that is no number, options
that exclude each other, too little memory (of which torch's is a RuntimeError). Pictures that are gone would end every
trial."""
_HOPELESS = 3
"""So many failures with nothing else end the search."""
_PROCESS = "process"
"""User attribute of a trial: whose it is."""


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
        DataError: a picture is gone; as whatever else no option of a trial can have caused, it leaves the trial to be
            tried again by whoever goes on.
        StudyError: the first trials fail, every one.
    """
    begin = time.monotonic()
    while not (ended := _ended(study, plan, watcher, time.monotonic() - begin)):
        _try_one(study, plan, watcher, say)
    return ended


def _try_one(study: Study, plan: Plan, watcher: Progress, say: Callable[[str], None]) -> None:
    objective = partial(_train, plan=plan, watcher=watcher, say=say)
    after = partial(_after, plan=plan, say=say)
    since = datetime.now()
    try:
        study.optimize(objective, n_trials=1, catch=FAILURES, callbacks=[after], gc_after_trial=True)
    except BaseException:  # of which a signal's may come before a trial is tried, or after
        _put_back_running(study, since)
        raise


def _ended(study: Study, plan: Plan, watcher: Progress, seconds: float) -> str:
    if counted(study) >= plan.trials:
        return "trials"
    if plan.seconds is not None and seconds >= plan.seconds:
        return "time"
    return "request" if watcher.should_stop() else ""


def _train(trial: Trial, plan: Plan, watcher: Progress, say: Callable[[str], None]) -> tuple[float, ...]:
    """One trial: what it is worth."""
    from optuna import TrialPruned

    trial.set_user_attr(_PROCESS, _process())
    trial.set_user_attr("host", host())
    try:
        params = {name: dimension.suggest(trial, name) for name, dimension in plan.space.dimensions.items()}
        say(f"trial {trial.number}: {_params_text(params)}")
        return _worth(trial, _trained(trial, params, plan, watcher), plan)
    except FAILURES as error:
        trial.set_user_attr(FAILED, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
        raise
    except TrialPruned:
        raise
    except (Exception, KeyboardInterrupt):  # pictures that are gone, a full disk, Ctrl-C: Optuna marks it as failed
        _put_back(trial.study, trial.number)
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
    best = next((record for record in history.records if record.epoch == history.best_epoch), None)
    if best is not None and math.isfinite(best.val_loss):
        trial.set_user_attr("val_loss", best.val_loss)
    trial.set_user_attr("epochs", history.records[-1].epoch if history.records else 0)  # none: the head alone
    if plan.objective is Objective.ACCURACY:
        return (result.val.top1,)
    options = changed(plan.training, trial.params)
    latency = plan.latencies[network_of(options)]
    trial.set_user_attr("latency_ms", latency)
    return result.val.top1, latency


def _put_back(study: Study, number: int) -> None:
    """Have the values of a trial that was broken off tried again by whoever goes on."""
    trial = study.get_trials(deepcopy=False)[number]
    # What it was to have, where it was broken off before it had all of it.
    params = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
    study.enqueue_trial(params, user_attrs={DEFAULTS: True} if DEFAULTS in trial.user_attrs else None)


def _put_back_running(study: Study, since: datetime) -> None:
    """Mark what this process leaves behind as failed, since nothing else would: its heartbeat may not have begun."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if _is_own(trial, since):
            study.tell(trial.number, state=TrialState.FAIL)
            if FAILED not in trial.user_attrs:
                _put_back(study, trial.number)


def _is_own(trial: FrozenTrial, since: datetime) -> bool:
    """Whether this process began a trial; by the time, where that was all it came to."""
    if _PROCESS in trial.user_attrs:
        return bool(trial.user_attrs[_PROCESS] == _process())
    return trial.datetime_start is not None and trial.datetime_start >= since


def _process() -> str:
    return f"{host()}/{os.getpid()}"


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
    return ", ".join(f"{flag(name)} {value_text(value)}" for name, value in params.items())
