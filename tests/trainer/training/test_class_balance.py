"""Classes of unequal sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hawklet_trainer.training.class_balance import balanced_order, class_weights

LABELS = np.array([0] * 60 + [1] * 30 + [3] * 10, np.int64)


def test_weights_are_the_inverse_of_the_sizes_and_one_in_the_mean_over_all_pictures() -> None:
    weights = class_weights(LABELS, 4)
    assert weights[1] == pytest.approx(2 * float(weights[0])) and weights[3] == pytest.approx(6 * float(weights[0]))
    assert weights[2] == 0.0
    assert float(weights[torch.from_numpy(LABELS)].mean()) == pytest.approx(1.0)


def test_a_balanced_order_shows_every_class_as_often() -> None:
    torch.manual_seed(0)
    drawn = np.concatenate([LABELS[balanced_order(LABELS, 4).numpy()] for _ in range(30)])
    assert np.bincount(drawn, minlength=4) == pytest.approx([1000, 1000, 0, 1000], abs=100)
