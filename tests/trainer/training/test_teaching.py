"""A teacher that takes other pictures than its student sees them as it was trained to."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hawklet_trainer.training.teaching import Sight, seeing

LABELS = ("a", "b", "c")


class _Shows(nn.Module):
    """Answers with what it is shown: its mean, its height, and a constant."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        means = x.mean((1, 2, 3))
        return torch.stack([means, torch.full_like(means, x.shape[2]), torch.full_like(means, 7.0)], 1)


def test_pixels_size_and_order_are_the_teachers_own_inside_and_the_students_outside() -> None:
    teacher = _Shows()
    student = Sight(8, 8, 100, 0.5, ("c", "a", "b"))
    x = torch.full((2, 3, 8, 8), (140 - 100) * 0.5)
    with seeing(teacher, Sight(4, 4, 120, 0.25, LABELS), student):
        answers = teacher(x)
    assert answers.tolist() == [pytest.approx([7.0, (140 - 120) * 0.25, 4.0])] * 2
    assert teacher(x)[0].tolist() == pytest.approx([20.0, 8.0, 7.0])


def test_a_teacher_of_the_same_input_sees_the_very_same() -> None:
    teacher, sight = _Shows(), Sight(8, 8, 100, 0.5, LABELS)
    x = torch.rand(2, 3, 8, 8)
    expected = teacher(x)
    with seeing(teacher, sight, sight):
        assert torch.equal(teacher(x), expected)
