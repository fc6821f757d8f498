"""Names of figures, the same wherever they are told."""

from __future__ import annotations

from hawklet_trainer.finish import TrainResult
from hawklet_trainer.trackers.tracker import figures_of, results_of
from hawklet_trainer.training.terms import EpochRecord


def test_what_was_not_measured_is_left_out(records: list[EpochRecord]) -> None:
    assert set(figures_of(records[0])) == {"loss/train", "loss/val", "top1/val", "lr", "seconds"}
    assert figures_of(records[1])["top1/train"] == 81.0 and figures_of(records[1])["images_per_second"] == 40.0


def test_a_split_without_pictures_has_no_results(result: TrainResult) -> None:
    assert set(results_of(result)) == {"best/top1/val", "best/macro_f1/val"}
    assert results_of(result)["best/top1/val"] == 50.0
