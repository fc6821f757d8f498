"""The spread over folds, against numbers worked out by hand and tables of Student's t."""

from __future__ import annotations

import math

import pytest

from hawklet_trainer.crossval.spread import spread_of


def test_the_interval_is_students_and_the_wide_one_has_the_corrected_variance() -> None:
    spread = spread_of([90.0, 92.0, 94.0, 91.0, 93.0])
    assert spread.mean == 92.0 and spread.deviation == pytest.approx(math.sqrt(2.5))
    half = 2.776445 * math.sqrt(2.5 / 5)  # the 97.5 % quantile of t with 4 degrees of freedom
    assert (spread.low, spread.high) == pytest.approx((92 - half, 92 + half))
    wide = 2.776445 * math.sqrt(2.5 * (1 / 5 + 1 / 4))
    assert (spread.wide_low, spread.wide_high) == pytest.approx((92 - wide, 92 + wide))


def test_an_interval_ends_where_no_accuracy_can_be() -> None:
    high, low = spread_of([97.0, 100.0, 98.0]), spread_of([0.0, 3.0, 1.0])
    assert high.high == high.wide_high == 100.0 and 90 < high.wide_low < high.low < high.mean
    assert low.low == low.wide_low == 0.0


def test_two_folds_have_an_interval_and_equal_folds_have_none_to_speak_of() -> None:
    assert spread_of([80.0, 82.0]).high == pytest.approx(81 + 12.7062 * math.sqrt(2) / math.sqrt(2), abs=1e-3)
    assert spread_of([95.0, 95.0, 95.0]).to_dict() == {
        "mean": 95.0,
        "deviation": 0.0,
        "t_interval": [95.0, 95.0],
        "corrected_t_interval": [95.0, 95.0],
    }
