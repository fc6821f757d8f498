"""The figures, against a case counted by hand and against scikit-learn's definitions."""

from __future__ import annotations

import numpy as np
import pytest
from rich.console import Console

from hawklet_trainer.console import print_metrics
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


def test_a_class_that_is_never_named_has_zeros_and_no_division_by_zero() -> None:
    metrics = measure(np.array([0, 1, 2]), _scores([0, 0, 0]), LABELS)
    assert metrics.per_class[1].precision == metrics.per_class[1].f1 == 0.0


def test_a_class_without_pictures_does_not_lower_the_mean() -> None:
    metrics = measure(np.array([0, 1]), _scores([0, 1]), LABELS)
    assert metrics.macro_f1 == 100.0 and metrics.per_class[2].support == 0


def test_scores_of_another_number_of_classes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected scores \[2, 3\]"):
        measure(np.array([0, 1]), _scores([0, 1], 2), LABELS)


def test_a_class_without_pictures_has_dashes_and_no_figures(capsys: pytest.CaptureFixture[str]) -> None:
    print_metrics(Console(), measure(np.array([0, 1]), _scores([0, 2]), LABELS))
    rows = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    assert rows["c"] == ["-", "-", "-", "0"] and rows["b"] == ["0.0", "%", "0.0", "%", "0.0", "%", "1"]
