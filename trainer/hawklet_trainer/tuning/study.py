"""A study: the trials of one search, in a storage that several machines may share."""

from __future__ import annotations

import os
import platform
import uuid
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

from hawklet.errors import StudyError
from hawklet_trainer.conditions import require_same

if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import TPESampler
    from optuna.storages import RDBStorage

_ATTRIBUTE = "hawklet"
"""User attribute of a study that holds what it began with."""
_SCHEMA = "hawklet-study/1"
_RANDOM_TRIALS = 10
"""So many are drawn without regard to the earlier ones; a third of the trials, where those are few."""
_SPARED_TRIALS, _SPARED_TENTHS = 5, 2
"""The first trials, and the first tenths of every trial's training, in which none is given up."""
DEFAULTS, FAILED = "defaults", "failed"
"""User attributes of trials."""


class Objective(str, Enum):
    """What a search is after."""

    ACCURACY = "accuracy"
    """Top-1 on val."""
    ACCURACY_LATENCY = "accuracy,latency"
    """Top-1 on val and the network's time for a picture: what no other trial is better than in both."""

    @property
    def directions(self) -> list[Literal["maximize", "minimize"]]:
        """Of its values."""
        return ["maximize"] if self is Objective.ACCURACY else ["maximize", "minimize"]


@dataclass(frozen=True)
class Beginning:
    """What a study began with, and what everyone who joins it takes from it."""

    key: str
    """Random, to know the study again by."""
    conditions: dict[str, str]
    """See :mod:`hawklet_trainer.conditions`."""
    latencies: dict[str, float]
    """Milliseconds by network, see :mod:`hawklet_trainer.tuning.latency`; empty where they do not count."""
    measured_on: str
    """The machine of these."""


def open_study(storage: RDBStorage, name: str, objective: Objective) -> Study:
    """A study by its name, a new one where there is none.

    A trial is given up by the median of the others at the same share of its training.
    """
    import optuna

    # A tenth of the training is a step, since trials may have different numbers of epochs.
    pruner = optuna.pruners.MedianPruner(n_startup_trials=_SPARED_TRIALS, n_warmup_steps=_SPARED_TENTHS)
    return optuna.create_study(
        storage=storage, study_name=name, directions=objective.directions, pruner=pruner, load_if_exists=True
    )


def make_sampler(study: Study, seed: int, trials: int, alone: bool) -> TPESampler:
    """What chooses a trial's values by what the earlier ones came to: TPE (J. Bergstra et al., "Algorithms for
    hyper-parameter optimization", 2011; S. Watanabe, "Tree-structured Parzen estimator", 2023).

    Trials that run elsewhere count as bad ones (constant liar), so that machines do not try the same.

    Args:
        study: Whose trials it is for.
        seed: For whoever is alone with the study; others draw their own way.
        trials: How many there are to be.
        alone: Whether no other machine can know the storage.
    """
    from optuna.samplers import TPESampler
    from optuna.trial import TrialState

    there = study.get_trials(deepcopy=False)
    alone = alone and all(trial.state is not TrialState.RUNNING for trial in there)
    mine = 0 if alone else zlib.crc32(f"{host()}/{os.getpid()}".encode())
    # What goes on, or joins, must not draw what was drawn before.
    own = (seed + len(there) + mine) % 2**32
    return TPESampler(n_startup_trials=min(_RANDOM_TRIALS, max(3, trials // 3)), constant_liar=True, seed=own)


def host() -> str:
    """This machine's name."""
    return platform.node() or "unnamed"


def beginning_of(study: Study) -> Beginning | None:
    """What a study began with; None for a new one.

    Raises:
        StudyError: it is somebody else's.
    """
    kept = study.user_attrs.get(_ATTRIBUTE)
    if kept is None:
        if study.get_trials(deepcopy=False):
            raise StudyError(
                f"the study {study.study_name} in that storage was not begun by hawklet tune; give --name another"
            )
        return None
    if kept.get("schema") != _SCHEMA:
        raise StudyError(
            f"a study must be {_SCHEMA}, got {kept.get('schema')!r} for {study.study_name}; give --name another"
        )
    return Beginning(kept["key"], kept["conditions"], kept["latencies"], kept["measured_on"])


def begin(study: Study, conditions: dict[str, str], latencies: Mapping[str, float], measured_on: str) -> Beginning:
    """Write down what a new study begins with."""
    beginning = Beginning(uuid.uuid4().hex, conditions, dict(latencies), measured_on)
    study.set_user_attr(_ATTRIBUTE, {"schema": _SCHEMA, **vars(beginning)})
    return beginning


def require_same_beginning(study: Study, beginning: Beginning, conditions: dict[str, str]) -> None:
    """Refuse to join or to go on with other pictures, options or another space.

    Raises:
        RunError: they differ; names in what.
    """
    require_same(beginning.conditions, conditions, f"the study {study.study_name}", "give --name another")


def counted(study: Study) -> int:
    """Trials that are done: complete, given up, or failed; not those that were broken off, which are tried again."""
    return sum(_counts(trial) for trial in study.get_trials(deepcopy=False))


def _counts(trial: Any) -> bool:
    from optuna.trial import TrialState

    return trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or FAILED in trial.user_attrs
