"""A training that is written down while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
from torch import nn

from hawklet_trainer.data import PhotoSet, read_photos
from hawklet_trainer.finish import RESULTS, TrainResult, read_results
from hawklet_trainer.means import Means
from hawklet_trainer.recording import Recorder
from hawklet_trainer.run import BEST, LAST
from hawklet_trainer.trackers.tracker import Settings, Tracker
from hawklet_trainer.training.terms import EpochRecord, History, Progress, Step, TrainConfig

NET = nn.Linear(2, 2)
RISING = [0.9, 0.5, 0.40, 0.50, 0.60, 0.70, 0.80]


class _Told(Tracker):
    name = "told"

    def __init__(self) -> None:
        self.calls: list[object] = []

    def begin(self, settings: Settings) -> None:
        self.calls.append(dict(settings))

    def epoch(self, record: EpochRecord) -> None:
        self.calls.append((record.phase, record.epoch))

    def end(self, result: TrainResult | None) -> None:
        self.calls.append(result)


class _Watcher(Progress):
    def __init__(self) -> None:
        self.calls: list[str] = []

    def begun(self, config: TrainConfig) -> None:
        self.calls.append("begun")

    def resumed(self, records: list[EpochRecord]) -> None:
        self.calls.append(f"resumed {len(records)}")

    def phase(self, title: str, steps: int) -> None:
        self.calls.append(f"{title} {steps}")

    def step(self, step: Step) -> None:
        self.calls.append("step")

    def epoch(self, record: EpochRecord, net: nn.Module, kept: bool) -> None:
        self.calls.append(f"epoch {record.epoch} {kept}")

    def should_stop(self) -> bool:
        return True


@dataclass
class _Training:
    """As much of a training as is written down."""

    photos: PhotoSet
    zero_point: int = 114
    scale: float = 0.02
    config: TrainConfig = field(default_factory=TrainConfig)
    means: Means = field(default_factory=Means)

    def arguments(self) -> dict[str, Any]:
        return {"lr": 1e-4, "started_with": {"labels": []}}


@dataclass
class _Scene:
    recorder: Recorder
    folder: Path
    watcher: _Watcher
    tracker: _Told
    said: list[str]


@pytest.fixture
def scene(draw_photos: Callable[..., Path], tmp_path: Path) -> Callable[[], _Scene]:
    """Makes a recorder of a training on 120 pictures, 18 of them val, in ``tmp_path / "run"``."""
    photos = read_photos(draw_photos(40))

    def make() -> _Scene:
        said: list[str] = []
        watcher, tracker = _Watcher(), _Told()
        training = cast("Any", _Training(photos))
        return _Scene(
            Recorder(tmp_path / "run", training, watcher, [tracker], said.append),
            tmp_path / "run",
            watcher,
            tracker,
            said,
        )

    return make


def _record(epoch: int, val_loss: float = 0.5, phase: str = "fine-tune") -> EpochRecord:
    return EpochRecord(epoch, phase, 1e-4, 1.0 / (epoch + 1), val_loss, 90.0, 9.0, 88.0, 40.0)


def _overfit(recorder: Recorder, losses: list[float]) -> None:
    for epoch, loss in enumerate(losses):
        recorder.epoch(_record(epoch, loss), NET, loss == min(losses[: epoch + 1]))


def test_every_epoch_is_in_the_folder_at_once_with_all_its_columns(scene: Callable[[], _Scene]) -> None:
    made = scene()
    made.recorder.epoch(_record(0, phase="head"), NET, True)
    made.recorder.epoch(replace(_record(0), val_judged=0.3), NET, True)  # the same state again
    made.recorder.epoch(_record(1), NET, False)
    written = read_results((made.folder / RESULTS).read_text())
    assert [(record.phase, record.epoch) for record in written] == [("head", 0), ("fine-tune", 1)]
    assert written[0].val_judged == 0.3 and written[1].train_top1 == 88.0 and written[1].images_per_second == 40.0
    assert (made.folder / LAST).is_file() and (made.folder / BEST).is_file()
    assert made.tracker.calls == [{"lr": 1e-4}, ("head", 0), ("fine-tune", 1)]


def test_who_watches_hears_of_everything(scene: Callable[[], _Scene]) -> None:
    made = scene()
    made.recorder.phase("features", 3)
    made.recorder.step(Step())
    made.recorder.epoch(_record(0), NET, True)
    assert made.recorder.should_stop()
    made.recorder.conclude(History())
    assert made.watcher.calls == ["begun", "features 3", "step", "epoch 0 True", "judging and report 0"]


def test_going_on_keeps_the_heads_line_and_drops_what_is_done_again(scene: Callable[[], _Scene]) -> None:
    first = scene()
    first.recorder.epoch(_record(0, phase="head"), NET, True)
    for epoch in (1, 2, 3):
        first.recorder.epoch(_record(epoch), NET, False)
    again = scene()
    again.recorder.resumed([_record(0), _record(1), _record(2)])
    written = read_results((again.folder / RESULTS).read_text())
    assert [(record.phase, record.epoch) for record in written] == [("head", 0), ("fine-tune", 1), ("fine-tune", 2)]


def test_overfitting_is_said_once_and_noted_in_the_end(scene: Callable[[], _Scene]) -> None:
    made = scene()
    _overfit(made.recorder, RISING)
    assert len(made.said) == 1 and made.said[0].startswith("note: train and val part ways since epoch 2")
    history = History(stopped_by="patience")
    made.recorder.conclude(history)
    assert history.notes[0].startswith("train and val part ways since epoch 2")
    assert len(made.said) == len(history.notes)


def test_what_was_said_before_it_was_broken_off_is_not_said_again(scene: Callable[[], _Scene]) -> None:
    made = scene()
    made.recorder.resumed([_record(epoch, loss) for epoch, loss in enumerate(RISING)])
    made.recorder.epoch(_record(len(RISING), 0.9), NET, False)
    assert made.said == []


@pytest.mark.parametrize("finished", [True, False])
def test_trackers_are_told_of_the_end_however_it_comes(scene: Callable[[], _Scene], finished: bool) -> None:
    made = scene()
    result = cast("TrainResult", object()) if finished else None
    made.recorder.close(result)
    assert made.tracker.calls[-1] is result
