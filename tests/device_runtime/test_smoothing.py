"""Averaging scores over time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hawklet.smoothing import SMALLEST, Smoother


def test_an_old_answer_has_faded_to_1_over_e_after_so_many_frames() -> None:
    smoother = Smoother(5)
    old, new = np.array([0.8, 0.2], dtype=np.float32), np.array([0.5, 0.5], dtype=np.float32)
    smoother(old)
    for _ in range(5):
        averaged = smoother(new)
    assert averaged.dtype == np.float32
    assert averaged.sum() == pytest.approx(1)
    assert math.log(averaged[0] / averaged[1]) == pytest.approx(math.log(4) / math.e, rel=1e-5)


def test_the_first_frame_is_itself_and_a_rounded_zero_is_no_veto() -> None:
    smoother = Smoother(2)
    assert smoother(np.array([0.9, 0.1], dtype=np.float32)) == pytest.approx([0.9, 0.1])
    smoother(np.array([0.0, 1.0], dtype=np.float32))
    for _ in range(20):
        averaged = smoother(np.array([1.0, 0.0], dtype=np.float32))
    assert averaged[0] == pytest.approx(1 / (1 + SMALLEST), rel=1e-3)


def test_energies_fade_as_scores_do_so_that_one_odd_frame_rejects_nothing() -> None:
    smoother = Smoother(5)
    assert smoother.energy(-10.0) == -10.0
    odd = smoother.energy(-2.0)
    assert -9.0 < odd < -8.0
    for _ in range(5):
        settled = smoother.energy(-10.0)
    assert settled == pytest.approx(-10.0 + (odd + 10.0) / math.e)
