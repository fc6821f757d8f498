"""Which pictures are shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hawklet_trainer.data import Photo, Place, Span
from hawklet_trainer.evaluation.answers import Answers
from hawklet_trainer.evaluation.gallery import least_certain, worst_mistakes

LABELS = ("a", "b", "c")


def _answers(truth: list[int], odds: list[list[float]]) -> Answers:
    photos = tuple(Photo(Place(Path(f"{number}.png")), index, "") for number, index in enumerate(truth))
    return Answers(photos, LABELS, np.log(np.array(odds, dtype=np.float32)))


ANSWERS = _answers([0, 0, 1, 2], [[0.9, 0.05, 0.05], [0.3, 0.6, 0.1], [0.96, 0.03, 0.01], [0.1, 0.44, 0.46]])


def test_the_mistake_that_is_surest_of_the_wrong_comes_first() -> None:
    worst, second = worst_mistakes(ANSWERS)
    assert (worst.number, worst.truth, worst.named) == (2, "b", "a") and second.number == 1
    assert (worst.score, worst.truth_score, worst.loss) == pytest.approx((0.96, 0.03, -np.log(0.03)))
    assert not worst.right and worst.runner_up == "b"
    assert worst_mistakes(ANSWERS, most=1) == (worst,)


def test_the_least_certain_are_those_whose_best_two_are_nearest_right_or_wrong() -> None:
    first, second = least_certain(ANSWERS, most=2)
    assert (first.number, first.right, first.runner_up) == (3, True, "b") and second.number == 1


def test_a_temperature_makes_scores_softer_and_leaves_names_alone() -> None:
    hot = worst_mistakes(ANSWERS, temperature=4.0)[0]
    assert hot.named == "a" and hot.score < 0.7


def test_a_picture_within_a_shard_is_named_by_its_first_byte() -> None:
    photo = Photo(Place(Path("shard.tar"), Span(512, 9)), 1, "")
    (one,) = worst_mistakes(Answers((photo,), LABELS, np.array([[1, 0, 0]], dtype=np.float32)))
    assert one.to_dict()["picture"] == "shard.tar@512"
