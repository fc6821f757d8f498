"""What a training makes smaller."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from hawklet_trainer.training.loss import TrainingLoss
from hawklet_trainer.training.terms import TrainConfig

ANSWERS = torch.tensor([[2.0, 0.5, -1.0], [0.1, 0.2, 0.3], [-2.0, 3.0, 1.0]])
Y = torch.tensor([0, 2, 2])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_weights_of_one_change_nothing(smoothing: float) -> None:
    config = TrainConfig(label_smoothing=smoothing)
    plain = TrainingLoss(config)(ANSWERS, Y)
    assert float(TrainingLoss(config, torch.ones(3))(ANSWERS, Y)) == pytest.approx(float(plain), rel=1e-6)


def test_a_picture_counts_what_its_class_weighs() -> None:
    each = functional.cross_entropy(ANSWERS, Y, reduction="none")
    loss = TrainingLoss(TrainConfig(label_smoothing=0.0), torch.tensor([4.0, 9.0, 0.5]))
    assert float(loss(ANSWERS, Y)) == pytest.approx(float((4.0 * each[0] + 0.5 * each[1] + 0.5 * each[2]) / 3))


def test_the_focal_loss_is_the_papers() -> None:
    p = ANSWERS.softmax(1)[torch.arange(3), Y]
    expected = (-((1 - p) ** 2) * p.log()).mean()
    loss = TrainingLoss(TrainConfig(label_smoothing=0.0, focal=2.0))
    assert float(loss(ANSWERS, Y)) == pytest.approx(float(expected))


def test_mixed_labels_count_by_their_shares_with_weights_and_focal_too() -> None:
    loss = TrainingLoss(TrainConfig(label_smoothing=0.0, focal=1.5), torch.tensor([1.0, 2.0, 3.0]))
    first, second = torch.tensor([0, 0, 0]), torch.tensor([1, 2, 1])
    shares = 0.25 * functional.one_hot(first, 3).float() + 0.75 * functional.one_hot(second, 3).float()
    expected = 0.25 * float(loss(ANSWERS, first)) + 0.75 * float(loss(ANSWERS, second))
    assert float(loss(ANSWERS, shares)) == pytest.approx(expected)


def test_a_teachers_share_replaces_that_of_the_labels() -> None:
    loss = TrainingLoss(TrainConfig(label_smoothing=0.0, distil=0.25))
    alone = TrainingLoss(TrainConfig(label_smoothing=0.0))(ANSWERS, Y)
    assert float(loss(ANSWERS, Y, ANSWERS)) == pytest.approx(0.75 * float(alone))
    assert float(loss(ANSWERS, Y, -ANSWERS)) > float(loss(ANSWERS, Y, ANSWERS))
