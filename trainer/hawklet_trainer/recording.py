"""A training is written down while it goes on: the run's files, trackers, and what its curves say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from hawklet.safefiles import write_text
from hawklet_trainer.finish import RESULTS, STARTED_WITH, TrainResult, read_results, results_csv
from hawklet_trainer.run import BEST, LAST, save_weights
from hawklet_trainer.trackers.tracker import Tracker
from hawklet_trainer.training.overfitting import Finding, Val, read_curves
from hawklet_trainer.training.terms import EpochRecord, History, Progress, Step

if TYPE_CHECKING:
    from hawklet_trainer.train import Training


class Recorder(Progress):
    """Writes the run's files after every epoch, tells trackers, and passes everything on to who watches.

    Args:
        folder: The run's.
        training: What is trained.
        watcher: Who watches.
        trackers: Who else is told; they begin at once.
        say: Called with one line for each thing that the curves say, once.
    """

    def __init__(
        self,
        folder: Path,
        training: Training,
        watcher: Progress,
        trackers: Sequence[Tracker],
        say: Callable[[str], None],
    ):
        self.records: list[EpochRecord] = []
        """Lines of results.csv."""
        self._folder = folder
        self._training = training
        self._watcher = watcher
        self._trackers = trackers
        self._say = say
        self._said: set[str] = set()
        labels = [photo.label_index for photo in training.photos.items("val")]
        self._val = Val.of(labels, training.means.of_fold) if labels else None
        watcher.begun(training.config)
        settings = {key: value for key, value in training.arguments().items() if key != STARTED_WITH}
        for tracker in trackers:
            tracker.begin(settings)

    def resumed(self, records: list[EpochRecord]) -> None:
        """Those of the head are in results.csv only, which is written anew without what goes on from here."""
        results = self._folder / RESULTS
        written = read_results(results.read_text(encoding="utf-8")) if results.is_file() else []
        head = [record for record in written if record.phase == "head"]
        self.records = head + (records[1:] if head else records)  # epoch 0 is already there as the head's
        write_text(results, results_csv(self.records))
        self._said = {finding.kind for finding in self._findings()}
        self._watcher.resumed(records)

    def phase(self, title: str, steps: int) -> None:
        self._watcher.phase(title, steps)

    def step(self, step: Step) -> None:
        self._watcher.step(step)

    def should_stop(self) -> bool:
        return self._watcher.should_stop()

    def epoch(self, record: EpochRecord, net: nn.Module, kept: bool) -> None:
        known = record.phase == "fine-tune" and record.epoch == 0 and self.records  # already there as the head's
        if known:
            self.records[-1] = replace(self.records[-1], val_judged=record.val_judged)
        else:
            self.records.append(record)
            for tracker in self._trackers:
                tracker.epoch(record)
        write_text(self._folder / RESULTS, results_csv(self.records))
        self._save(LAST, net)
        if kept:
            self._save(BEST, net)
        self._watcher.epoch(record, net, kept)
        self._name(self._findings())

    def conclude(self, history: History) -> None:
        """The loop has ended: what its curves say becomes the history's notes, and is said where it was not."""
        findings = self._findings(history)
        history.notes[:] = [finding.text for finding in findings]
        self._name(findings)
        self._watcher.phase("judging and report", 0)

    def close(self, result: TrainResult | None) -> None:
        """The run is complete; None: it is not, and will not be."""
        for tracker in self._trackers:
            tracker.end(result)

    def _save(self, name: str, net: nn.Module) -> None:
        save_weights(self._folder / name, net, self._training.zero_point, self._training.scale)

    def _findings(self, ended: History | None = None) -> list[Finding]:
        if self._val is None:
            return []
        return read_curves(self.records, self._val, self._training.config, ended)

    def _name(self, findings: Sequence[Finding]) -> None:
        for finding in findings:
            if finding.kind not in self._said:
                self._said.add(finding.kind)
                self._say(f"note: {finding.text}")
