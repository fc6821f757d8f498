"""TensorBoard: event files in the run folder, for ``tensorboard --logdir runs``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from hawklet_trainer.finish import TrainResult
from hawklet_trainer.trackers.tracker import Settings, Tracker, figures_of, results_of
from hawklet_trainer.training.terms import EpochRecord

_SHOWN = {"best/top1/val": 0.0, "best/top1/test": 0.0}
"""Figures that its table of hyperparameters has columns of."""


class TensorBoardTracker(Tracker):
    """Curves, and a table of hyperparameters against results.

    Args:
        folder: The run's. The event file is made with the first epoch, so that what fails before leaves none.
    """

    def __init__(self, folder: Path):
        self.name = f"TensorBoard's events in {folder}"
        self._folder = folder
        self._settings: Settings = {}
        self._writer: SummaryWriter | None = None

    def begin(self, settings: Settings) -> None:
        self._settings = settings

    def epoch(self, record: EpochRecord) -> None:
        writer = self._opened(record.epoch)
        for name, value in figures_of(record).items():
            writer.add_scalar(name, value, record.epoch)
        writer.flush()

    def end(self, result: TrainResult | None) -> None:
        if self._writer is None:
            return
        for name, value in results_of(result).items() if result else ():
            self._writer.add_scalar(name, value, result.history.best_epoch if result else 0)
        self._writer.close()

    def _opened(self, epoch: int) -> SummaryWriter:
        if self._writer is None:
            # What was written of this epoch and later, before the training was broken off, is hidden.
            self._writer = SummaryWriter(str(self._folder), purge_step=epoch or None)
            file_writer: Any = self._writer.file_writer
            for summary in _hyperparameters(self._settings):
                file_writer.add_summary(summary)
        return self._writer


def _hyperparameters(settings: Settings) -> tuple[object, ...]:
    """What ``SummaryWriter.add_hparams`` writes, which would put it into a folder of its own."""
    plain = {key: _plain(value) for key, value in settings.items()}
    return tuple(hparams(plain, _SHOWN))  # type: ignore[no-untyped-call]  # torch leaves it untyped


def _plain(value: object) -> object:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)  # which would be shown as 1
    return value if number else str(value)
