"""Who else is told of a training: TensorBoard always, MLflow where it is asked for.

* :mod:`~hawklet_trainer.trackers.tracker`: what a tracker is; a new one is written from that page.
* :mod:`~hawklet_trainer.trackers.tensorboard`, :mod:`~hawklet_trainer.trackers.mlflow`
  (:mod:`~hawklet_trainer.trackers.mlflow_address`: where that is): the two there are.
* :mod:`~hawklet_trainer.trackers.unfailing`: what keeps them from stopping a training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hawklet_trainer.trackers.mlflow_address import MlflowAddress
from hawklet_trainer.trackers.tracker import Tracker


@dataclass(frozen=True)
class Tracking:
    """Who is told of a training besides its run folder; nothing that is learned depends on it."""

    mlflow: MlflowAddress | None = None
    """Of a server; None: there is none."""


def open_trackers(tracking: Tracking, folder: Path, say: Callable[[str], None]) -> list[Tracker]:
    """The trackers of the training in a run folder; none of them can stop it.

    Raises:
        MissingDependencyError: a package is not installed that was asked for.
    """
    from hawklet_trainer.trackers.tensorboard import TensorBoardTracker
    from hawklet_trainer.trackers.unfailing import Unfailing

    trackers: list[Tracker] = [TensorBoardTracker(folder)]
    if tracking.mlflow is not None:
        from hawklet_trainer.trackers.mlflow import MlflowTracker

        trackers.append(MlflowTracker(tracking.mlflow, folder))
    return [Unfailing(tracker, say) for tracker in trackers]
