"""The figures, against a case counted by hand and against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from hawklet_trainer.evaluation.metrics import measure

LABELS = ("a", "b", "c")


def _scores(named: list[int], count: int = 3) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.eye(count)[named]


def test_the_figures_of_a_case_counted_by_hand() -> None:
    metrics = measure(np.array([0, 0, 0, 1, 1, 2]), _scores([0, 0, 1, 1, 2, 2]), LABELS)
    assert metrics.top1 == pytest.approx(100 * 4 / 6)
    assert metrics.confusion == ((2, 1, 0), (0, 1, 1), (0, 0, 1))
    a, b, c = metrics.per_class
    assert (a.precision, a.recall, a.f1, a.support) == pytest.approx((100, 200 / 3, 80, 3))
    assert (b.precision, b.recall, b.f1, b.support) == pytest.approx((50, 50, 50, 2))
    assert (c.precision, c.recall, c.f1, c.support) == pytest.approx((50, 100, 200 / 3, 1))
    assert metrics.macro_f1 == pytest.approx((80 + 50 + 200 / 3) / 3)
    assert metrics.pictures == 6 and metrics.top5 is None


def test_means_over_the_classes_are_scikit_learns() -> None:
    random = np.random.default_rng(0)
    truth, scores = random.integers(0, 8, 300), random.normal(size=(300, 8))
    scores[np.arange(300), truth] += 1
    metrics = measure(truth, scores, tuple("abcdefgh"))
    for average in ("macro", "weighted"):
        expected = reference.precision_recall_fscore_support(truth, scores.argmax(1), average=average)[:3]
        got = [getattr(metrics, f"{average}_{figure}") / 100 for figure in ("precision", "recall", "f1")]
        assert got == pytest.approx(expected)
    assert metrics.top5 == pytest.approx(100 * reference.top_k_accuracy_score(truth, scores, k=5))


def test_a_class_that_is_never_named_has_zeros_and_no_division_by_zero() -> None:
    metrics = measure(np.array([0, 1, 2]), _scores([0, 0, 0]), LABELS)
    assert metrics.per_class[1].precision == metrics.per_class[1].f1 == 0.0


def test_a_class_without_pictures_does_not_lower_the_means() -> None:
    metrics = measure(np.array([0, 1]), _scores([0, 1]), LABELS)
    assert metrics.macro_f1 == metrics.macro_recall == 100.0 and metrics.per_class[2].support == 0


def test_scores_of_another_number_of_classes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected scores \[2, 3\]"):
        measure(np.array([0, 1]), _scores([0, 1], 2), LABELS)
