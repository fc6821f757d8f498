"""Features that a student learns from a teacher, channel by channel."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from hawklet.errors import UsageError
from hawklet.spec import PreprocessSpec
from hawklet_trainer.augment import Augment
from hawklet_trainer.data import PhotoSet, load_pixels, read_photos
from hawklet_trainer.training.distil import MatchedLayer, catching_features, channel_distance
from hawklet_trainer.training.inputs import as_input
from hawklet_trainer.training.loop import Teacher, fine_tune
from hawklet_trainer.training.terms import TrainConfig

SPEC = PreprocessSpec(32, 32)
PIXEL = (120, 1 / 64)


class Plain(nn.Module):
    """A stem of some channels, a convolution that reads them, and a head."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, channels, 3, 4, 1, bias=False), nn.BatchNorm2d(channels)
        self.reads = nn.Conv2d(channels, 8, 3, 2, 1)
        self.head = nn.Linear(8, 3)

    def seen(self, x: torch.Tensor) -> torch.Tensor:
        """What ``reads`` reads."""
        return torch.relu(self.norm(self.stem(x)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.reads(self.seen(x))).mean((2, 3)))


@pytest.fixture(scope="module")
def photos(colour_photos: Path) -> PhotoSet:
    return read_photos(colour_photos, seed=0)


def _hooks(*nets: nn.Module) -> int:
    return sum(len(m._forward_pre_hooks) + len(m._forward_hooks) for net in nets for m in net.modules())


def test_a_students_channels_are_pulled_to_those_of_the_teacher_that_they_were(photos: PhotoSet) -> None:
    torch.manual_seed(1)
    teacher, student = Plain(6).eval(), Plain(3).eval()
    kept = (4, 0, 3)
    pixels, _ = load_pixels(photos.items("train"), SPEC)
    x = as_input(pixels, *PIXEL)

    def distance(channels: tuple[int, ...]) -> float:
        with torch.no_grad():
            return float(channel_distance(student.seen(x), teacher.seen(x), channels))

    before = distance(kept)
    config = TrainConfig(epochs=8, batch=8, lr=0.02, distil=0.0, match_features=30.0, augment=Augment.NONE, patience=99)
    fine_tune(student, photos, SPEC, *PIXEL, config, teacher=Teacher(teacher, [MatchedLayer("reads", kept)]))
    assert distance(kept) < before / 2
    assert distance(kept) < distance((1, 2, 5)) / 2, "other channels were learned"
    assert not _hooks(student, teacher)


def test_hooks_go_when_training_ends_in_an_error(photos: PhotoSet) -> None:
    class Broken(Plain):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.training:
                raise KeyboardInterrupt
            return super().forward(x)

    teacher, student = Plain(6), Broken(6)
    config = TrainConfig(epochs=1, batch=8, match_features=1.0)
    with pytest.raises(KeyboardInterrupt):
        everything = [MatchedLayer("reads", tuple(range(6)))]
        fine_tune(student, photos, SPEC, *PIXEL, config, teacher=Teacher(teacher, everything))
    assert not _hooks(student, teacher)


def test_a_layer_that_one_of_them_does_not_have_is_refused_and_nothing_stays_hooked() -> None:
    student, teacher = Plain(3), nn.Sequential(nn.Flatten(), nn.Linear(3, 3))
    with (
        pytest.raises(UsageError, match="reads is not in Sequential"),
        catching_features(student, teacher, 1.0, [MatchedLayer("reads", (0, 1, 2))]),
    ):
        pass
    assert not _hooks(student, teacher)


def test_the_distance_is_by_the_teachers_variance_and_zero_where_the_channels_are_the_same() -> None:
    torch.manual_seed(0)
    teacher = torch.randn(4, 5, 6, 6) * 3
    assert float(channel_distance(teacher[:, [3, 1]], teacher, (3, 1))) == 0.0
    silent = torch.zeros(4, 2, 6, 6)
    assert float(channel_distance(silent, teacher, (3, 1))) == pytest.approx(1.0, rel=0.1)
    assert float(channel_distance(10 * silent, 10 * teacher, (3, 1))) == pytest.approx(
        float(channel_distance(silent, teacher, (3, 1))), rel=1e-3
    )
    assert float(channel_distance(teacher[:, [1, 3], 0, 0], teacher[:, :, 0, 0], (1, 3))) == 0.0


def test_smaller_maps_are_held_against_the_teachers_averaged() -> None:
    teacher = torch.rand(2, 4, 8, 8)
    student = nn.functional.avg_pool2d(teacher, 2)
    assert float(channel_distance(student, teacher, range(4))) == pytest.approx(0.0, abs=1e-9)


def test_only_the_student_learns() -> None:
    student, teacher = torch.rand(2, 3, 4, 4, requires_grad=True), torch.rand(2, 3, 4, 4, requires_grad=True)
    channel_distance(student, teacher, (0, 1, 2)).backward()
    assert student.grad is not None and teacher.grad is None
