"""Wilson's interval, against its tables; the bootstrap, against resamples drawn picture by picture."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from hawklet_trainer.evaluation.intervals import measure_intervals, wilson
from hawklet_trainer.evaluation.metrics import measure

RANDOM = np.random.default_rng(3)
TRUTH = RANDOM.integers(0, 3, 120)
NAMED = np.where(RANDOM.random(120) < 0.8, TRUTH, RANDOM.integers(0, 3, 120))


def _one_by_one(figure: str, resamples: int = 2000) -> tuple[float, float]:
    values = []
    for _ in range(resamples):
        chosen = RANDOM.integers(0, len(TRUTH), len(TRUTH))
        values.append(getattr(measure(TRUTH[chosen], np.eye(3)[NAMED[chosen]], ("a", "b", "c")), figure))
    return tuple(np.percentile(values, (2.5, 97.5)))


def test_wilsons_interval_is_that_of_the_tables() -> None:
    interval = wilson(8, 10)
    assert (interval.low, interval.high) == (pytest.approx(49.02, abs=0.01), pytest.approx(94.33, abs=0.01))


def test_all_right_is_no_proof_of_perfection_and_none_right_none_of_failure() -> None:
    assert wilson(10, 10).high == pytest.approx(100)
    assert 60 < wilson(10, 10).low < 100
    assert wilson(0, 10).low == pytest.approx(0)


@pytest.mark.parametrize("figure", ["top1", "macro_f1"])
def test_drawing_counts_is_drawing_pictures(figure: str) -> None:
    interval = getattr(measure_intervals(TRUTH, NAMED, 3, groups=range(len(TRUTH))), figure)
    assert (interval.low, interval.high) == pytest.approx(_one_by_one(figure), abs=1.5)


def test_the_recall_of_each_class_lies_within_its_interval() -> None:
    found = measure_intervals(TRUTH, NAMED, 3)
    for index, interval in enumerate(found.recall):
        recall = 100 * (NAMED[index == TRUTH] == index).mean()
        assert interval is not None and interval.low < recall < interval.high


def test_one_seed_gives_one_interval() -> None:
    assert measure_intervals(TRUTH, NAMED, 3) == measure_intervals(TRUTH, NAMED, 3)
    assert measure_intervals(TRUTH, NAMED, 3, seed=1) != measure_intervals(TRUTH, NAMED, 3)


def test_shares_of_pictures_that_stand_alone_have_wilsons_interval() -> None:
    found = measure_intervals(TRUTH, NAMED, 3)
    right = TRUTH == NAMED
    assert found.top1 == wilson(int(right.sum()), 120)
    assert found.recall[1] == wilson(int(right[TRUTH == 1].sum()), int((TRUTH == 1).sum()))


def test_what_was_right_every_time_is_not_certain_and_a_class_without_pictures_has_no_interval() -> None:
    found = measure_intervals(np.zeros(9, dtype=np.int64), np.zeros(9, dtype=np.int64), 2)
    assert found.top1 == found.recall[0] == wilson(9, 9) and found.top1.low < 71 and found.recall[1] is None


def test_pictures_of_a_group_that_fail_together_say_less() -> None:
    truth = np.zeros(200, dtype=np.int64)
    named = np.repeat(np.arange(10) % 2, 20)  # every other group of twenty is named wrongly as a whole
    alone = measure_intervals(truth, named, 2).top1
    together = measure_intervals(truth, named, 2, groups=[f"plant {n // 20}" for n in range(200)])
    assert together.grouped and together.resampled == 10
    assert together.top1.high - together.top1.low > 3 * (alone.high - alone.low)


def test_a_single_group_is_no_group() -> None:
    assert measure_intervals(TRUTH, NAMED, 3, groups=["all"] * len(TRUTH)) == measure_intervals(TRUTH, NAMED, 3)


def test_groups_of_one_picture_each_are_pictures_that_stand_alone() -> None:
    found, alone = measure_intervals(TRUTH, NAMED, 3, groups=range(len(TRUTH))), measure_intervals(TRUTH, NAMED, 3)
    assert found.grouped and found.resampled == alone.resampled == len(TRUTH)
    assert found.macro_f1 == alone.macro_f1


def test_lone_pictures_and_groups_are_drawn_together_as_if_one_by_one() -> None:
    groups = [n // 10 if n < 60 else 1000 + n for n in range(len(TRUTH))]
    members = [np.flatnonzero(np.array(groups) == group) for group in dict.fromkeys(groups)]
    accuracies = []
    for _ in range(2000):
        chosen = np.concatenate([members[n] for n in RANDOM.integers(0, len(members), len(members))])
        accuracies.append(100 * (TRUTH[chosen] == NAMED[chosen]).mean())
    found = measure_intervals(TRUTH, NAMED, 3, groups=groups)
    assert found.resampled == len(members) == 66
    assert (found.top1.low, found.top1.high) == pytest.approx(np.percentile(accuracies, (2.5, 97.5)), abs=1.5)


def test_memory_is_of_the_pictures_and_not_of_groups_times_cells() -> None:
    truth = RANDOM.integers(0, 200, 6000)
    named = np.where(RANDOM.random(6000) < 0.3, truth, RANDOM.integers(0, 200, 6000))
    tracemalloc.start()
    measure_intervals(truth, named, 200, groups=[n // 2 for n in range(6000)])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 200e6  # counts of 3,000 groups by some 5,500 cells alone would be 130 MB, twice over as floats


def test_many_classes_and_pictures_are_drawn_in_blocks() -> None:
    truth = RANDOM.integers(0, 400, 9000)
    named = np.where(RANDOM.random(9000) < 0.5, truth, RANDOM.integers(0, 400, 9000))
    interval = measure_intervals(truth, named, 400).top1
    assert interval.low < 100 * (truth == named).mean() < interval.high and interval.high - interval.low < 2.5
