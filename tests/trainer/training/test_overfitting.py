"""What curves say: drawn ones, of which it is known what they should say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from hawklet_trainer.augment import Augment
from hawklet_trainer.evaluation.intervals import wilson
from hawklet_trainer.training.overfitting import Finding, Val, read_curves
from hawklet_trainer.training.terms import EpochRecord, History, TrainConfig

VAL = Val(105, 20.0)
CONFIG = TrainConfig()


def _curve(
    val_loss: Sequence[float], train_loss: Sequence[float], val_top1: Sequence[float], train_top1: Sequence[float] = ()
) -> list[EpochRecord]:
    """From epoch 0, of which nothing is known on train."""
    trains = [math.nan, *train_loss]
    known = [math.nan, *train_top1] if train_top1 else [math.nan] * len(val_loss)
    return [
        EpochRecord(epoch, "fine-tune", 1e-4, *figures, 1.0, train_top1=top1)
        for epoch, (*figures, top1) in enumerate(zip(trains, val_loss, val_top1, known, strict=True))
    ]


def _ended(by: str, best_epoch: int = 1, best_val_top1: float = 90.0) -> History:
    return History(best_epoch=best_epoch, best_val_top1=best_val_top1, stopped_by=by)


def _kinds(findings: list[Finding]) -> list[str]:
    return [finding.kind for finding in findings]


def _falling(start: float, end: float, count: int) -> list[float]:
    return [float(value) for value in np.geomspace(start, end, count)]


def _learning(epochs: int = 10) -> list[EpochRecord]:
    """Both errors fall and come to rest, val a little later."""
    val = [*_falling(1.6, 0.35, epochs - 3), 0.345, 0.344, 0.343, 0.343]
    top1 = [20.0, *np.linspace(50, 92, epochs)]
    return _curve(val, _falling(1.5, 0.6, epochs), top1, [*np.linspace(40, 90, epochs)])


def test_a_training_that_goes_well_says_nothing_at_any_time() -> None:
    curve = _learning()
    for count in range(1, len(curve) + 1):
        assert read_curves(curve[:count], VAL, CONFIG) == []
    assert read_curves(curve, VAL, CONFIG, _ended("epochs")) == []


def test_val_that_rises_while_train_falls_is_overfitting_since_the_lowest() -> None:
    val = [1.6, 0.8, 0.5, 0.40, 0.42, 0.45, 0.48, 0.52]
    curve = _curve(val, _falling(1.5, 0.2, 7), [20, 70, 85, 90, 90, 89, 90, 89])
    said = [read_curves(curve[:count], VAL, CONFIG) for count in range(1, 9)]
    assert [_kinds(findings) for findings in said] == [[]] * 7 + [["overfitting"]]
    text = said[-1][0].text
    assert text.startswith("train and val part ways since epoch 3: by epoch 7 the loss that val is judged by rose from")
    assert "0.400 to 0.520" in text and "--augment strong" in text and "--epochs 3" in text


def test_a_network_that_only_becomes_too_sure_learns_nothing_by_heart() -> None:
    val = [1.6, 0.8, 0.5, 0.40, 0.42, 0.45, 0.48, 0.52]
    judged = [1.6, 0.8, 0.5, 0.40, 0.39, 0.39, 0.38, 0.38]  # at the temperature that suits it
    curve = _curve(val, _falling(1.5, 0.2, 7), [20, 70, 85, 90, 90, 89, 90, 89])
    curve = [replace(record, val_judged=loss) for record, loss in zip(curve, judged, strict=True)]
    assert read_curves(curve, VAL, CONFIG) == []


def test_val_that_rises_while_train_does_not_fall_is_not_overfitting() -> None:
    val = [1.6, 0.8, 0.5, 0.40, 0.45, 0.52, 0.60, 0.70]
    assert read_curves(_curve(val, [1.5, 1.0, 0.8, 0.9, 1.0, 1.1, 1.2], [20] + [80] * 7), VAL, CONFIG) == []


def test_a_rise_within_what_one_picture_costs_is_not_named() -> None:
    val = [1.6, 0.8, 0.5, 0.40, 0.42, 0.45, 0.48, 0.52]
    curve = _curve(val, _falling(1.5, 0.2, 7), [20, 70, 85, 90, 90, 89, 90, 89])
    assert read_curves(curve, Val(12, 20.0), CONFIG) == []


def test_a_rise_within_the_noise_of_the_curve_is_not_named() -> None:
    random = np.random.default_rng(3)
    named = 0
    for _ in range(200):
        val = [1.6, *(0.4 + random.normal(0, 0.02, 12))]
        curve = _curve(val, _falling(1.5, 0.2, 12), [20, *[88] * 12])
        named += "overfitting" in _kinds(read_curves(curve, VAL, CONFIG))
    assert named <= 10  # one in twenty


def test_known_by_heart_is_overfitting_by_accuracy_where_the_loss_on_val_only_stands_still() -> None:
    val = [1.6, 0.9, 0.70, 0.70, 0.71, 0.70, 0.71]
    curve = _curve(val, _falling(1.5, 0.3, 6), [20, 60, 70, 72, 72, 71, 72], [60, 72, 85, 92, 97, 99])
    (finding,) = read_curves(curve, VAL, CONFIG)
    assert finding.kind == "overfitting" and "since epoch 3" in finding.text
    assert "99.0 % of train" in finding.text and "72.0 % of val" in finding.text


def test_a_gap_while_val_still_gets_better_is_said_at_the_end_only() -> None:
    curve = _curve(_falling(1.6, 0.6, 7), _falling(1.5, 0.2, 6), [20, 50, 58, 64, 69, 73, 76], [70, 80, 88, 93, 96, 98])
    assert read_curves(curve, VAL, CONFIG) == []
    assert "overfitting" in _kinds(read_curves(curve, VAL, CONFIG, _ended("epochs")))


def test_mixed_pictures_whose_accuracy_was_not_measured_are_judged_by_losses() -> None:
    val = [1.6, 0.8, 0.5, 0.40, 0.42, 0.45, 0.48, 0.52]
    curve = _curve(val, _falling(1.9, 1.6, 7), [20, 70, 85, 90, 90, 89, 90, 89])
    assert _kinds(read_curves(curve, VAL, CONFIG)) == ["overfitting"]


def test_only_what_is_not_done_yet_is_advised() -> None:
    val = [1.6, 0.40, 0.42, 0.45, 0.48, 0.52]
    curve = _curve(val, _falling(1.5, 0.2, 5), [20, 90, 90, 89, 90, 89])
    (finding,) = read_curves(curve, VAL, replace(CONFIG, augment=Augment.STRONG, dropout=0.5, epochs=1))
    assert finding.text.endswith("; try more pictures or a lower --lr")


def test_fine_tuning_that_never_beats_the_head_parts_ways_since_epoch_0() -> None:
    curve = _curve([0.40, 0.46, 0.48, 0.52, 0.55], _falling(0.9, 0.4, 4), [90, 89, 88, 88, 87])
    (finding,) = read_curves(curve, VAL, CONFIG)
    assert "since epoch 0" in finding.text and "from 0.400 to 0.550" in finding.text


def test_fine_tuning_whose_start_is_kept_is_said_to_have_made_nothing_better() -> None:
    curve = _curve([0.40, 0.41, 0.41, 0.42, 0.41], [0.9, 0.9, 0.9, 0.9], [90, 89, 91, 88, 89])
    kept = _ended("epochs", best_epoch=0)
    (finding,) = read_curves(curve, VAL, CONFIG, kept)
    assert finding.kind == "no-better" and "loss 0.400, 90.0 %" in finding.text and "--epochs 0" in finding.text
    assert read_curves(curve, VAL, CONFIG) == read_curves(curve, VAL, CONFIG, _ended("epochs")) == []
    assert read_curves(curve[:1], VAL, CONFIG, kept) == []  # there was no fine-tuning


def test_a_training_that_learns_nothing_is_underfitting_in_plain_words() -> None:
    curve = _curve([1.61] * 5, [1.62, 1.61, 1.61, 1.61], [20, 19, 21, 20, 22], [19, 21, 20, 22])
    assert read_curves(curve, VAL, CONFIG) == []  # it may yet
    (finding,) = read_curves(curve, VAL, CONFIG, _ended("epochs"))
    assert finding.kind == "underfitting" and finding.text.startswith("nothing is learned: 22.0 % of val at best")
    longer = _curve([1.61] * 7, [1.61] * 6, [20.0] * 7, [20.0] * 6)
    assert _kinds(read_curves(longer, VAL, CONFIG)) == ["underfitting"]


def test_naming_the_commonest_class_alone_is_not_learning() -> None:
    curve = _curve([0.5] * 7, [0.5] * 6, [90.0] * 7, [90.0] * 6)
    assert _kinds(read_curves(curve, Val(100, 90.0), CONFIG)) == ["underfitting"]
    assert read_curves(curve, Val(100, 60.0), CONFIG) == []


@pytest.mark.parametrize("ended", ["epochs", "minutes"])
def test_a_limit_that_came_too_early_is_named(ended: str) -> None:
    curve = _curve(_falling(1.6, 0.7, 7), _falling(1.5, 0.8, 6), [20, 40, 50, 60, 68, 75, 81], [30, 42, 52, 60, 66, 72])
    (finding,) = read_curves(curve, VAL, CONFIG, _ended(ended))
    assert finding.kind == "underfitting" and finding.text.endswith(f"try more --{ended}")
    assert read_curves([replace(record, val_top1=100.0) for record in curve], VAL, CONFIG, _ended(ended)) == []
    for other in ("patience", "request"):
        assert read_curves(curve, VAL, CONFIG, _ended(other)) == []


def test_a_val_that_is_too_small_to_tell_is_named_with_what_it_leaves_open() -> None:
    kept = _ended("epochs", best_epoch=4, best_val_top1=75.0)  # another epoch was more accurate, and is not kept
    (finding,) = read_curves(_learning(), Val(12, 34.0), CONFIG, kept)
    assert finding.kind == "small-val"
    likely = wilson(9, 12)
    assert f"75 % there may as well be {likely.low:.0f} % or {likely.high:.0f} %" in finding.text
    assert "of 12 pictures each is 8.3 points" in finding.text and "hawklet crossval" in finding.text


def test_a_fold_of_a_cross_validation_is_not_told_to_cross_validate() -> None:
    val = Val.of([0] * 4 + [1] * 8, of_fold=True)
    (finding,) = read_curves(_learning(), val, CONFIG, _ended("epochs"))
    assert finding.kind == "small-val" and finding.text.endswith("add pictures")


def test_all_right_of_few_is_not_taken_for_certain() -> None:
    assert Val(5, 50.0).interval(100.0).low < 60
    thousand = Val(1000, 50.0).interval(90.0)
    assert (thousand.low, thousand.high) == pytest.approx((88.0, 91.7), abs=0.1)


def test_the_commonest_class_is_counted() -> None:
    assert Val.of([0, 1, 1, 2]) == Val(4, 50.0)


def test_of_no_judged_epochs_nothing_is_said() -> None:
    assert read_curves([], VAL, CONFIG, _ended("request")) == []
