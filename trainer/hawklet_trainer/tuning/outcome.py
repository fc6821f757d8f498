"""Trials as plain records, which of them are best, and ``tune.json``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hawklet import __version__
from hawklet.safefiles import write_json
from hawklet_trainer.data import PhotoSet
from hawklet_trainer.models.latency import HOW
from hawklet_trainer.run import versions
from hawklet_trainer.tuning.dimension import Value
from hawklet_trainer.tuning.space import Space
from hawklet_trainer.tuning.study import DEFAULTS, FAILED, Beginning, Objective

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

SCHEMA = "hawklet-tune/1"
RECORD = "tune.json"
COMPLETE, PRUNED, GONE = "complete", "pruned", "broken off"
CAME_TO_NOTHING = (PRUNED, FAILED, GONE)
"""States of trials of which nothing is kept."""


@dataclass(frozen=True)
class TrialRecord:
    """One trial."""

    number: int
    state: str
    """``complete``, ``pruned`` (given up), ``failed``, ``broken off``, ``running`` or ``waiting``."""
    params: Mapping[str, Value]
    """Values of what is searched, by option name."""
    top1: float | None
    """On val, percent: of the epoch that was kept, or the best until it was given up."""
    val_loss: float | None
    """Of the epoch that was kept."""
    latency_ms: float | None
    seconds: float | None
    epochs: int | None
    """Of fine-tuning, as many as there were."""
    host: str
    reason: str
    """Why it failed."""
    defaults: bool
    """Whether it is what ``hawklet train`` does unless told otherwise."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


def records_of(study: Study) -> list[TrialRecord]:
    """Every trial, in the order of their numbers."""
    return [_record(trial) for trial in study.get_trials(deepcopy=False)]


def _record(trial: FrozenTrial) -> TrialRecord:
    attributes = trial.user_attrs
    seen = [value for value in trial.intermediate_values.values() if math.isfinite(value)]
    top1 = trial.values[0] if trial.values else max(seen, default=None)
    return TrialRecord(
        number=trial.number,
        state=_state(trial),
        params=dict(trial.params),
        top1=top1,
        val_loss=attributes.get("val_loss"),
        latency_ms=attributes.get("latency_ms"),
        seconds=trial.duration.total_seconds() if trial.duration else None,
        epochs=attributes.get("epochs"),
        host=attributes.get("host", ""),
        reason=attributes.get(FAILED, ""),
        defaults=bool(attributes.get(DEFAULTS, False)),
    )


def _state(trial: FrozenTrial) -> str:
    name = trial.state.name.lower()
    if name != "fail":
        return str(name)
    return FAILED if FAILED in trial.user_attrs else GONE


def best_of(records: Sequence[TrialRecord], objective: Objective) -> list[TrialRecord]:
    """The best complete trials, the most accurate first: one; or with latency all that none is better than in both.

    Trials of one accuracy are told apart by their loss on val, which sees more of a picture than right or wrong.
    """
    complete = sorted((record for record in records if record.state == COMPLETE), key=_worth, reverse=True)
    if objective is Objective.ACCURACY:
        return complete[:1]
    front: list[TrialRecord] = []
    for record in complete:
        if not front or (record.latency_ms or 0.0) < (front[-1].latency_ms or 0.0):
            front.append(record)
    return front


def _worth(record: TrialRecord) -> tuple[float, float, float, int]:
    loss = math.inf if record.val_loss is None else record.val_loss
    return record.top1 or 0.0, -(record.latency_ms or 0.0), -loss, -record.number


def importance_of(study: Study, seed: int = 0) -> dict[str, float]:
    """How much of the differences in accuracy each option accounts for, 0..1, the most important first.

    By functional ANOVA over a random forest (F. Hutter et al., "An efficient approach for assessing hyperparameter
    importance", 2014). Empty where there are too few complete trials, or they do not differ.
    """
    import optuna

    done = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]
    if len(done) < 4 or len({trial.values[0] for trial in done}) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    found = optuna.importance.get_param_importances(
        study, evaluator=evaluator, target=lambda trial: float(trial.values[0])
    )
    return {name: float(share) for name, share in found.items() if math.isfinite(share)}


def line_of(record: TrialRecord) -> str:
    """What a trial came to, for a person."""
    name = f"trial {record.number}"
    if record.state == FAILED:
        return f"{name} failed: {record.reason}"
    top1 = "" if record.top1 is None else f"{record.top1:.1f} % on val"
    if record.state == PRUNED:
        return f"{name}: given up at {top1}"
    latency = "" if record.latency_ms is None else f", {record.latency_ms:.3g} ms"
    return f"{name}: {top1}{latency}, {record.seconds or 0.0:.0f} s"


@dataclass(frozen=True)
class Outcome:
    """What a search came to, as far as it went."""

    name: str
    folder: Path
    """On this machine."""
    beginning: Beginning
    objective: Objective
    space: Space
    photos: PhotoSet
    records: tuple[TrialRecord, ...]
    best: tuple[TrialRecord, ...] = ()
    """See :func:`best_of`."""
    importance: Mapping[str, float] = field(default_factory=dict)
    """See :func:`importance_of`."""
    here: frozenset[int] = frozenset()
    """Numbers of the best trials whose runs are on this machine."""
    tests: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    """Their ``top1`` and ``macro_f1`` on the test pictures, percent; empty where there are no such pictures."""
    ended: str = ""
    """``trials``, ``time`` or ``request``; empty while it goes on."""

    @property
    def usual(self) -> TrialRecord | None:
        """The trial that is what ``hawklet train`` does unless told otherwise, where there is one."""
        return next((record for record in self.records if record.defaults and record.state == COMPLETE), None)

    @property
    def seconds(self) -> float:
        """What all trials took."""
        return sum(record.seconds or 0.0 for record in self.records)

    def model_of(self, number: int) -> str:
        """The network of a trial."""
        searched = self.records[number].params.get("model")
        return str(self.beginning.conditions["model"] if searched is None else searched)

    def counts(self) -> dict[str, int]:
        """Trials by state."""
        return dict(Counter(record.state for record in self.records))


def write_outcome(outcome: Outcome) -> None:
    """Write ``tune.json``, whole or not at all."""
    beginning, photos = outcome.beginning, outcome.photos
    write_json(
        outcome.folder / RECORD,
        {
            "schema": SCHEMA,
            "name": outcome.name,
            "key": beginning.key,
            "written": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "hawklet_version": __version__,
            "ended": outcome.ended,
            "objective": outcome.objective.value,
            "space": outcome.space.plain(),
            "conditions": beginning.conditions,
            "data": {"path": str(photos.folder), "digest": photos.digest, "counts": photos.counts()},
            "latency": _latency(beginning),
            "trials": [record.to_dict() for record in outcome.records],
            "best": [record.number for record in outcome.best],
            "importance": dict(outcome.importance),
            "test": {str(number): dict(figures) for number, figures in outcome.tests.items()},
            "versions": {**versions(), "optuna": version("optuna")},
        },
    )


def _latency(beginning: Beginning) -> dict[str, Any] | None:
    if not beginning.latencies:
        return None
    return {"how": HOW, "machine": beginning.measured_on, "ms": beginning.latencies}
