"""Precision-recall and ROC curves."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from hawklet_trainer.evaluation.ranking import mean_auc, mean_average_precision, rank_classes


def test_a_class_that_always_scores_highest_has_areas_of_a_hundred() -> None:
    truth = np.array([0, 0, 1, 1])
    a, b = rank_classes(np.log(np.eye(2)[truth] * 0.8 + 0.1), truth, ("a", "b"))
    assert (a.average_precision, a.auc, b.average_precision, b.auc) == (100, 100, 100, 100)
    assert a.roc[0] == (0, 0) and a.roc[-1] == (1, 1) and a.precision_recall[-1] == (1, 1)


def test_the_areas_of_a_case_counted_by_hand() -> None:
    logs = np.array([[0.0, 0], [-1, 0], [-2, 0], [-3, 0]])  # by class a: right, wrong, right, wrong
    (a, _) = rank_classes(logs, np.array([0, 1, 0, 1]), ("a", "b"))
    assert a.auc == pytest.approx(75)
    assert a.average_precision == pytest.approx(100 * (1 + 2 / 3) / 2)


def test_the_areas_are_scikit_learns_with_equal_scores_too() -> None:
    random = np.random.default_rng(1)
    truth = random.integers(0, 3, 400)
    logs = random.normal(size=(400, 3)).round(1)
    for index, found in enumerate(rank_classes(logs, truth, ("a", "b", "c"))):
        positive = truth == index
        assert found.average_precision == pytest.approx(100 * average_precision_score(positive, logs[:, index]))
        assert found.auc == pytest.approx(100 * roc_auc_score(positive, logs[:, index]))


def test_a_class_without_pictures_or_without_others_is_left_out() -> None:
    logs = np.zeros((3, 3))
    assert [one.label for one in rank_classes(logs, np.array([0, 0, 1]), ("a", "b", "c"))] == ["a", "b"]
    alone = rank_classes(logs, np.zeros(3, dtype=np.int64), ("a", "b", "c"))
    assert alone == () and mean_auc(alone) is None and mean_average_precision(alone) is None


def test_a_curve_of_many_pictures_is_thinned_and_keeps_its_ends() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, 5000)
    (a, _) = rank_classes(random.normal(size=(5000, 2)), truth, ("a", "b"))
    for curve in (a.roc, a.precision_recall):
        assert len(curve) <= 80 and curve[0][0] == 0 and curve[-1][0] == 1
        assert all(one[0] <= other[0] for one, other in pairwise(curve))
