"""A search for options from start to end: photos and a space in, the best run and a report out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hawklet.errors import RunError
from hawklet_trainer.conditions import conditions_of, digest_of
from hawklet_trainer.data import SPLITS, PhotoSet
from hawklet_trainer.models.latency import conditions as machine
from hawklet_trainer.run import run_name
from hawklet_trainer.source_photos import read_source
from hawklet_trainer.train import TrainOptions
from hawklet_trainer.train_options import changed
from hawklet_trainer.training.terms import SILENT, Progress
from hawklet_trainer.tuning.dimension import flag, values_text
from hawklet_trainer.tuning.final_test import measure_on_test
from hawklet_trainer.tuning.latency import measure_networks, require_measurable
from hawklet_trainer.tuning.networks import require_networks, usual_values, with_weights
from hawklet_trainer.tuning.outcome import RECORD, Outcome, best_of, importance_of, records_of, write_outcome
from hawklet_trainer.tuning.report import write_report
from hawklet_trainer.tuning.search import Plan, search
from hawklet_trainer.tuning.space import Space
from hawklet_trainer.tuning.storage import (
    DATABASE,
    described,
    naming_failures,
    open_storage,
    require_optuna,
    storage_url,
)
from hawklet_trainer.tuning.study import (
    DEFAULTS,
    Beginning,
    Objective,
    begin,
    beginning_of,
    make_sampler,
    open_study,
    require_same_beginning,
)
from hawklet_trainer.tuning.trial_runs import is_here, run_of

if TYPE_CHECKING:
    from optuna import Study

_Say = Callable[[str], None]
_SETTLING_S = 1.0
"""Of machines that begin one study within this time, it is the last one's beginning that counts for all."""


@dataclass(frozen=True)
class TuneOptions:
    """What ``hawklet tune`` is asked for."""

    training: TrainOptions
    """Of every trial, but for what is searched; ``out`` and ``name`` are the study's."""
    space: Space
    trials: int = 30
    """In the study, of all machines that share it."""
    seconds: float | None = None
    """No trial begins after these; None: as long as it takes."""
    objective: Objective = Objective.ACCURACY
    storage: str | None = None
    """URL of a database that machines share; None: a file in the study's folder."""
    keep_runs: bool = False
    """Keep the weights of every complete trial, not of the best alone."""


def tune(options: TuneOptions, progress: Progress = SILENT, say: _Say = lambda line: None) -> Outcome:
    """Search for the options that train best, and measure what they gave on the test pictures.

    A study of the same name in the same storage goes on, here or on another machine beside this one. The test pictures
    are not looked at before the search is over.

    Args:
        options: What to do.
        progress: Watches every trial; where it asks to stop, no further one begins.
        say: Called with one line for each thing worth knowing.

    Raises:
        DataError: the photos cannot be trained on.
        MissingDependencyError: Optuna or the database's driver is not installed.
        RunError: the study, or what is in its folder, began otherwise.
        StudyError: the storage cannot be reached, or all trials fail.
        UsageError: an option or the space cannot be meant.
        WeightsError: pretrained weights cannot be had.
    """
    require_optuna()
    name = _name(options.training)
    folder = options.training.out.expanduser() / name
    _require_free(folder)
    url = storage_url(options.storage, folder)
    options = _settled(options, say)
    training = options.training
    _, photos = read_source(training.photos, training.out, training.config.seed, say)
    folder.mkdir(parents=True, exist_ok=True)
    with naming_failures(url):
        study = open_study(open_storage(url), name, options.objective)
        study.sampler = make_sampler(study, training.config.seed, options.trials, alone=options.storage is None)
        beginning = _begin_or_join(study, options, photos, say)
        _require_own_folder(folder, beginning)
        outcome = Outcome(name, folder, beginning, options.objective, options.space, photos, tuple(records_of(study)))
        write_outcome(outcome)
        for line in (f"study {name}: {described(url)}", *_lines(outcome)):
            say(line)
        ended = search(study, _plan(outcome, options), progress, say)
        return _concluded(study, replace(outcome, ended=ended), say)


def _name(training: TrainOptions) -> str:
    # Not after the model, which is searched.
    return run_name(training.name, training.photos, "tune")


def _require_free(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()) and not any((folder / name).is_file() for name in (RECORD, DATABASE)):
        raise RunError(f"{folder} is there already and is no study of hawklet tune; give --name another")


def _settled(options: TuneOptions, say: _Say) -> TuneOptions:
    """With what the space fixes, and with weights for every network."""
    training = changed(options.training, options.space.fixed)
    require_networks(options.space, training)
    space = with_weights(options.space, training, say)
    if options.objective is Objective.ACCURACY_LATENCY:
        require_measurable(space, training)
    return replace(options, training=training, space=space)


def _begin_or_join(study: Study, options: TuneOptions, photos: PhotoSet, say: _Say) -> Beginning:
    conditions = _conditions(options, photos)
    beginning = beginning_of(study)
    if beginning is not None:
        require_same_beginning(study, beginning, conditions)
        return beginning
    latencies: Mapping[str, float] = {}
    if options.objective is Objective.ACCURACY_LATENCY:
        latencies = measure_networks(options.space, options.training, len(photos.labels), say)
    mine = begin(study, conditions, latencies, machine())
    if options.storage is not None:
        time.sleep(_SETTLING_S)
    beginning = beginning_of(study) or mine
    require_same_beginning(study, beginning, conditions)
    if beginning == mine:
        _enqueue_usual(study, options)
    return beginning


def _conditions(options: TuneOptions, photos: PhotoSet) -> dict[str, str]:
    return conditions_of(
        options.training,
        pictures=photos.digest[:16],
        division=digest_of([[photo.sha256 for photo in photos.items(split)] for split in SPLITS]),
        space=json.dumps(options.space.plain(), sort_keys=True),
        objective=options.objective.value,
    )


def _enqueue_usual(study: Study, options: TuneOptions) -> None:
    """What ``hawklet train`` does unless told otherwise is tried first: what a search gains is measured against it."""
    usual = usual_values(options.space, options.training)
    whole = usual.keys() == options.space.dimensions.keys()
    study.enqueue_trial(usual, user_attrs={DEFAULTS: True} if whole else None)


def _require_own_folder(folder: Path, beginning: Beginning) -> None:
    """Refuse the folder of another study of the same name, whose runs would be taken for this one's."""
    path = folder / RECORD
    try:
        key = json.loads(path.read_text(encoding="utf-8"))["key"] if path.is_file() else beginning.key
    except (KeyError, TypeError, ValueError):
        key = None
    if key != beginning.key:
        raise RunError(f"{folder} holds another study than the storage does; give --out or --name another")


def _lines(outcome: Outcome) -> list[str]:
    counts = outcome.photos.counts()
    dimensions = outcome.space.dimensions
    searched = [f"searched: {flag(name)}, {values_text(dimension)}" for name, dimension in dimensions.items()]
    test = (
        f"the {counts['test']} test pictures are not looked at before the search is over"
        if counts["test"]
        else "there are no test pictures, so the best one's accuracy will be flattered"
    )
    return [*searched, f"chosen by val ({counts['val']} pictures, one is {100 / counts['val']:.1f} points); {test}"]


def _plan(outcome: Outcome, options: TuneOptions) -> Plan:
    photos = outcome.photos
    return Plan(
        folder=outcome.folder,
        photos=replace(photos, splits={split: photos.splits[split] for split in ("train", "val")}),
        training=options.training,
        space=options.space,
        objective=options.objective,
        latencies=outcome.beginning.latencies,
        trials=options.trials,
        seconds=options.seconds,
        keep_runs=options.keep_runs,
    )


def _concluded(study: Study, outcome: Outcome, say: _Say) -> Outcome:
    records = tuple(records_of(study))
    best = tuple(best_of(records, outcome.objective))
    here = frozenset(record.number for record in best if is_here(outcome.folder, record.number))
    for record in best:
        if record.number not in here:
            say(f"the run of trial {record.number} is in the study's folder on {record.host}")
    outcome = replace(outcome, records=records, best=best, here=here, importance=importance_of(study))
    _write(outcome)  # what was found is kept, whatever becomes of the test pictures
    if outcome.photos.items("test"):
        outcome = replace(outcome, tests={number: _tested(outcome, number, say) for number in sorted(here)})
        _write(outcome)
    return outcome


def _write(outcome: Outcome) -> None:
    write_outcome(outcome)
    write_report(outcome)


def _tested(outcome: Outcome, number: int, say: _Say) -> dict[str, float]:
    """Figures on test of a trial whose run is on this machine."""
    run = measure_on_test(outcome.folder / run_of(number), outcome.model_of(number), outcome.photos, say)
    test = run.manifest["metrics"]["test"]
    return {"top1": test["top1"], "macro_f1": test["macro_f1"]}
