"""Thresholds for a wanted precision: what speaks for them, and that luck does not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from hawklet_trainer.evaluation.rejecting import (
    ClassThreshold,
    Ground,
    fit_thresholds,
    is_shown,
    number_between,
    pictures_to_show,
)


def _fit(best: list[float], right: list[bool], wanted: float) -> ClassThreshold:
    """The threshold of a class that all pictures are named as."""
    scores = np.array([[score, 1 - score] for score in best])
    truth = np.where(right, 0, 1).astype(np.int64)
    return fit_thresholds(scores, truth, ("cat", "dog"), wanted)[0]


def test_enough_pictures_show_a_precision_and_one_fewer_do_not() -> None:
    assert pictures_to_show(0.95) == 59
    for count, ground in ((59, Ground.SHOWN), (58, Ground.MEASURED)):
        fitted = _fit([0.97] * count, [True] * count, 0.95)
        assert (fitted.ground, fitted.accepted, fitted.right) == (ground, count, count)


def test_the_lower_bound_is_that_of_clopper_and_pearson() -> None:
    from scipy.stats import beta

    for right, count in ((19, 20), (150, 150), (480, 500)):
        bound = beta.ppf(0.05, right, count - right + 1)
        for wanted, shown in ((bound - 1e-6, True), (bound + 1e-6, False)):
            assert is_shown(np.array([right]), np.array([count]), wanted)[0] == shown


def test_a_threshold_lies_between_the_lowest_accepted_score_and_the_next() -> None:
    fitted = _fit([0.99] * 200 + [0.7] * 50, [True] * 200 + [False] * 50, 0.98)
    assert 0.7 < fitted.least < 0.99
    assert (fitted.named, fitted.accepted, fitted.precision) == (250, 200, 100.0)


def test_equal_scores_are_accepted_together_or_not_at_all() -> None:
    """Integer files answer on a grid: a lucky order of equal scores must not decide."""
    fitted = _fit([0.99] * 10 + [0.95] * 10, [True] * 10 + [True, False] * 5, 0.9)
    assert fitted.accepted == 10


def test_few_pictures_that_happen_to_be_right_are_not_believed_against_their_own_scores() -> None:
    """Ten of ten right is no precision of 0.9 where calibrated scores promise 0.6."""
    fitted = _fit([0.6] * 10, [True] * 10, 0.9)
    assert (fitted.ground, fitted.least) == (Ground.SCORE, 0.9)
    assert _fit([0.93] * 10, [True] * 10, 0.9).ground is Ground.MEASURED


def test_scores_that_promise_it_are_not_believed_against_the_pictures() -> None:
    fitted = _fit([0.99, 0.98, 0.97], [False, True, True], 0.95)
    assert (fitted.ground, fitted.least) == (Ground.SCORE, 0.95)
    assert fitted.precision == pytest.approx(200 / 3)


def test_one_sure_mistake_does_not_silence_a_class_of_few_pictures_and_many_do_silence_it() -> None:
    """A wrong label among the pictures scores high, too; a network that is too sure of a class is so throughout."""
    scores = [0.999, 0.995, *np.linspace(0.99, 0.96, 14).tolist()]
    once = _fit(scores, [True, False] + [True] * 14, 0.95)
    assert (once.ground, once.least, once.accepted) == (Ground.SCORE, 0.95, 16)
    often = _fit(scores, [True, False] + [True, False] * 7, 0.95)
    assert (often.ground, often.accepted) == (Ground.MEASURED, 1)


def test_nothing_below_the_lowest_score_that_was_seen_is_accepted() -> None:
    assert 0.96 < _fit([0.97] * 80, [True] * 80, 0.95).least < 0.97


def test_a_class_that_nothing_was_named_as_is_accepted_by_its_score_alone() -> None:
    scores = np.array([[0.9, 0.1]] * 5)
    dog = fit_thresholds(scores, np.zeros(5, dtype=np.int64), ("cat", "dog"), 0.8)[1]
    assert (dog.ground, dog.least, dog.named, dog.precision) == (Ground.SCORE, 0.8, 0, None)


def test_the_wanted_precision_is_kept_on_new_pictures_more_often_than_by_the_plain_share() -> None:
    random = np.random.default_rng(0)
    wanted, missed = 0.9, {"fitted": 0, "plain": 0}
    for _ in range(40):
        scores, right = _drawn(random, 40)
        new_scores, new_right = _drawn(random, 4000)
        fitted = _fit(scores.tolist(), right.tolist(), wanted).least
        missed["fitted"] += _share(new_scores, new_right, fitted) < wanted
        missed["plain"] += _share(new_scores, new_right, _plain(scores, right, wanted)) < wanted
    assert missed["fitted"] <= 10 < missed["plain"]


def _drawn(random: np.random.Generator, count: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Calibrated scores, and whether each answer is right."""
    scores = random.uniform(0.55, 1.0, count)
    return scores, random.uniform(size=count) < scores


def _plain(scores: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], wanted: float) -> float:
    order = np.argsort(-scores)
    shares = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    reached = np.flatnonzero(shares >= wanted)
    return float(scores[order][reached[-1]]) if len(reached) else 1.0


def _share(scores: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], least: float) -> float:
    accepted = right[scores >= least]
    return float(accepted.mean()) if len(accepted) else 1.0


@pytest.mark.parametrize(("low", "high"), [(0.7, 0.99), (0.991, 0.9911), (-3.21, -3.2), (1.0, 1.0 + 1e-13)])
def test_a_number_between_two_is_as_round_as_can_be(low: float, high: float) -> None:
    number = number_between(low, high)
    assert low < number < high
    assert len(f"{number}") <= len(f"{(low + high) / 2}")
