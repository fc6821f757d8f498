"""What a tracker is, and the names that it gives to an epoch's figures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

from hawklet_trainer.finish import TrainResult
from hawklet_trainer.training.terms import EpochRecord

Settings = Mapping[str, Any]
"""What a training was asked for, by name; plain values."""


class Tracker(Protocol):
    """Takes down what a training comes to, somewhere besides the run folder.

    An implementer must provide all three methods, which are called in this order, from one thread. Nothing that is
    learned depends on a tracker: what it raises must be OutputError or OSError, is said once, and the training goes on.
    """

    name: str
    """For people, such as ``MLflow at http://localhost:5000``; no part of it is a secret."""

    def begin(self, settings: Settings) -> None:
        """A training begins, or goes on where it was broken off."""

    def epoch(self, record: EpochRecord) -> None:
        """An epoch is done. After going on, one that was told before may be told again."""

    def end(self, result: TrainResult | None) -> None:
        """The run folder is complete; None: the training was broken off, or failed."""


def figures_of(record: EpochRecord) -> dict[str, float]:
    """An epoch's figures by the names that trackers give them; what was not measured is left out."""
    figures = {
        "loss/train": record.train_loss,
        "loss/val": record.val_loss,
        "loss/judged": record.val_judged,
        "top1/train": record.train_top1,
        "top1/val": record.val_top1,
        "lr": record.lr,
        "images_per_second": record.images_per_second,
        "seconds": record.seconds,
    }
    return {name: value for name, value in figures.items() if math.isfinite(value)}


def results_of(result: TrainResult) -> dict[str, float]:
    """What the best weights came to, by the names that trackers give it, in percent."""
    judged = {"val": result.val, "test": result.test}
    found = {split: metrics for split, metrics in judged.items() if metrics is not None}
    top1 = {f"best/top1/{split}": metrics.top1 for split, metrics in found.items()}
    return top1 | {f"best/macro_f1/{split}": metrics.macro_f1 for split, metrics in found.items()}
