"""The arithmetic of a verification, held against numbers worked out elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from hawklet.spec import OutputKind
from hawklet_converter.verification.answer_pictures import Answers
from hawklet_converter.verification.moved_pictures import most_moved
from hawklet_converter.verification.statistics import (
    calibration,
    divergence,
    logit_error,
    mcnemar,
    movement,
)
from hawklet_trainer.evaluation.temperature import log_softmax


@pytest.mark.parametrize(
    ("lost", "gained", "p_value"), [(0, 0, 1.0), (1, 0, 1.0), (5, 0, 0.0625), (10, 2, 0.03857), (3, 3, 1.0)]
)
def test_mcnemar_is_the_exact_binomial_test_of_the_pictures_that_tell_two_models_apart(
    lost: int, gained: int, p_value: float
) -> None:
    assert mcnemar(lost, gained) == pytest.approx(p_value, abs=1e-5)
    assert mcnemar(lost, gained) == mcnemar(gained, lost)


def test_mcnemar_of_thousands_of_pictures_does_not_overflow() -> None:
    assert mcnemar(3000, 2900) == pytest.approx(0.197, abs=0.002)


def test_a_shift_of_all_logits_alike_is_no_error() -> None:
    logits = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    assert logit_error(logits, logits + 3).rms < 1e-6


def test_signal_to_noise_is_twenty_decibels_at_a_tenth_of_the_spread() -> None:
    random = np.random.default_rng(0)
    logits, noise = random.normal(size=(4000, 5)), random.normal(size=(4000, 5))
    error = logit_error(logits, logits + noise / 10)
    assert error.sqnr_db == pytest.approx(20, abs=0.2)
    assert error.relative_rms == pytest.approx(0.1, abs=0.005)
    assert error.worst > 3 * error.rms


def test_equal_logits_have_no_noise_to_put_into_decibels() -> None:
    logits = np.eye(3, dtype=np.float32)
    assert logit_error(logits, logits).sqnr_db is None


def test_divergence_and_movement_are_nothing_between_equals_and_known_between_others() -> None:
    one, other = np.log([[0.5, 0.5]]), np.log([[0.25, 0.75]])
    assert divergence(one, one) == 0
    assert divergence(one, other) == pytest.approx(0.5 * np.log(2) + 0.5 * np.log(2 / 3))
    assert movement(one, other) == pytest.approx([0.25])


def test_a_model_that_is_right_as_often_as_it_is_sure_is_calibrated() -> None:
    logs = np.log(np.tile([[0.8, 0.2]], (10, 1)))
    honest = calibration(logs, np.array([0] * 8 + [1] * 2))
    boasting = calibration(logs, np.array([0] * 5 + [1] * 5))
    assert honest.ece == pytest.approx(0, abs=1e-9)
    assert boasting.ece == pytest.approx(30)
    assert sum(one.count for one in honest.bins) == 10


def test_full_certainty_falls_into_the_last_bin() -> None:
    assert calibration(log_softmax(np.array([[200.0, 0.0]])), np.array([0])).bins[-1].count == 1


def test_the_picture_that_moved_furthest_comes_first_and_those_that_did_not_move_stay_out() -> None:
    reference = np.log([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1]])
    variant = np.log([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    found = most_moved(reference, {"int8": variant}, np.array([0, 0, 0]), ("cat", "dog"), ("a", "b", "c"))
    assert [moved.picture for moved in found] == ["c", "b"]
    assert (found[0].reference.label, found[0].variants["int8"].label) == ("cat", "dog")
    assert found[0].furthest == pytest.approx(0.6)


def test_rounding_probabilities_to_a_byte_is_no_great_divergence() -> None:
    random = np.random.default_rng(0)
    exact = np.exp(log_softmax(3 * random.normal(size=(50, 10)).astype(np.float32)))
    rounded = (np.round(exact * 256) / 256).astype(np.float32)
    one, other = (Answers("a", raw.astype(np.float32), OutputKind.PROBABILITIES).logs(1.0) for raw in (exact, rounded))
    np.testing.assert_allclose(np.exp(other).sum(axis=1), 1.0)
    moved = (np.exp(one) * (one - other)).sum(axis=1)
    assert moved.min() > 0
    assert moved.mean() < 0.005
