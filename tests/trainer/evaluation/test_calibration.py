"""Confidence against accuracy, by hand and against scikit-learn."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from sklearn.metrics import log_loss

from hawklet_trainer.evaluation.calibration import calibration, equally_full, equally_wide, expected_error
from hawklet_trainer.evaluation.temperature import log_softmax


def test_eight_of_ten_right_at_a_confidence_of_ninety_is_ten_points_off() -> None:
    logs = np.log(np.tile([0.9, 0.1], (10, 1)))
    truth = np.array([0] * 8 + [1] * 2)
    found = calibration(logs, truth)
    assert found.ece == pytest.approx(10)
    assert found.brier == pytest.approx(0.8 * 2 * 0.1**2 + 0.2 * 2 * 0.9**2)
    assert found.nll == pytest.approx(-0.8 * np.log(0.9) - 0.2 * np.log(0.1))
    (full,) = [one for one in found.bins if one.count]
    assert (full.count, full.confidence, full.accuracy) == pytest.approx((10, 0.9, 0.8))


def test_honest_probabilities_have_a_small_error_and_sure_ones_a_large_one() -> None:
    random = np.random.default_rng(0)
    logits = 2 * random.normal(size=(20_000, 4))
    odds = np.exp(log_softmax(logits))
    truth = (odds.cumsum(axis=1) > random.random((20_000, 1))).argmax(axis=1)
    honest, sure = calibration(log_softmax(logits), truth), calibration(log_softmax(3 * logits), truth)
    assert honest.ece < 1.5 and honest.ece_equal_mass < 1.5 and sure.ece > 10 and sure.brier > honest.brier
    assert honest.nll == pytest.approx(log_loss(truth, odds))


def test_bins_of_equal_mass_hold_as_many_pictures_each() -> None:
    scores = np.random.default_rng(0).random(100)
    bins = equally_full(scores, scores > 0.5, 15)
    assert {one.count for one in bins} == {6, 7} and sum(one.count for one in bins) == 100
    assert all(one.high <= other.low for one, other in pairwise(bins))


def test_fewer_pictures_than_bins_make_a_bin_each() -> None:
    assert [one.count for one in equally_full(np.array([0.4, 0.9]), np.array([True, False]))] == [1, 1]


def test_a_confidence_of_one_is_in_the_last_bin() -> None:
    bins = equally_wide(np.array([1.0]), np.array([True]))
    assert bins[-1].count == 1 and expected_error(bins) == 0


def test_an_honest_model_is_off_by_chance_alone_and_less_so_with_more_pictures() -> None:
    random = np.random.default_rng(0)
    by_chance = []
    for pictures in (100, 10_000):
        logits = 2 * random.normal(size=(pictures, 4))
        odds = np.exp(log_softmax(logits))
        found = calibration(log_softmax(logits), (odds.cumsum(axis=1) > random.random((pictures, 1))).argmax(axis=1))
        assert found.ece == pytest.approx(found.ece_by_chance, rel=0.5)
        by_chance.append(found.ece_by_chance)
    assert by_chance[0] > 5 > 2 > by_chance[1]
