"""TensorBoard's events, read back by TensorBoard."""

from __future__ import annotations

from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from hawklet_trainer.finish import TrainResult
from hawklet_trainer.trackers.tensorboard import TensorBoardTracker
from hawklet_trainer.training.terms import EpochRecord


def _read(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder)).Reload()


def _curve(events: EventAccumulator, name: str) -> list[tuple[int, float]]:
    return [(event.step, round(event.value, 3)) for event in events.Scalars(name)]


def test_every_figure_is_a_curve_over_epochs(run_folder: Path, records: list[EpochRecord], result: TrainResult) -> None:
    tracker = TensorBoardTracker(run_folder)
    tracker.begin({"lr": 1e-4, "model": "resnet18", "flip": True, "mix": None})
    for record in records:
        tracker.epoch(record)
    tracker.end(result)
    events = _read(run_folder)
    assert _curve(events, "top1/val") == [(0, 88.0), (1, 91.0), (2, 92.0)]
    assert _curve(events, "top1/train") == [(1, 81.0), (2, 82.0)]
    assert _curve(events, "images_per_second") == [(1, 40.0), (2, 40.0)]
    assert _curve(events, "best/top1/val") == [(2, 50.0)]
    assert {"loss/train", "loss/val", "lr"} <= set(events.Tags()["scalars"])
    assert len([path for path in run_folder.iterdir() if "tfevents" in path.name]) == 1


def test_its_table_of_hyperparameters_is_there_from_the_first_epoch(
    run_folder: Path, records: list[EpochRecord]
) -> None:
    tracker = TensorBoardTracker(run_folder)
    tracker.begin({"lr": 1e-4, "model": "resnet18", "flip": True, "mix": None})
    tracker.epoch(records[0])
    tracker.end(None)
    metadata = _read(run_folder).SummaryMetadata("_hparams_/session_start_info")
    told = HParamsPluginData.FromString(metadata.plugin_data.content).session_start_info.hparams
    assert told["lr"].number_value == 1e-4
    assert told["flip"].string_value == "True" and told["mix"].string_value == "None"


def test_a_training_that_fails_before_an_epoch_leaves_no_events(run_folder: Path) -> None:
    tracker = TensorBoardTracker(run_folder)
    tracker.begin({})
    tracker.end(None)
    assert not [path for path in run_folder.iterdir() if "tfevents" in path.name]


def test_epochs_that_are_done_again_after_going_on_replace_those_before(
    run_folder: Path, records: list[EpochRecord]
) -> None:
    for _ in range(2):
        tracker = TensorBoardTracker(run_folder)
        tracker.begin({})
        for record in records[1:]:
            tracker.epoch(record)
        tracker.end(None)
    assert _curve(_read(run_folder), "top1/val") == [(1, 91.0), (2, 92.0)]
