"""The loop: it learns, keeps the best, stops when asked, and leaves modes and statistics as they were to be left."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from hawklet.errors import DataError, UsageError
from hawklet.spec import PreprocessSpec
from hawklet_trainer.augment import Augment, Mix, make_augmentation
from hawklet_trainer.data import PhotoSet, load_pixels, read_photos
from hawklet_trainer.evaluation.metrics import accuracy_of, probabilities_of
from hawklet_trainer.training.distil import catching_features, similarity_distance
from hawklet_trainer.training.head import train_head
from hawklet_trainer.training.inputs import as_input
from hawklet_trainer.training.loop import DivergedError, Execution, Teacher, fine_tune
from hawklet_trainer.training.modes import evaluation_mode
from hawklet_trainer.training.speed import Compile, Speed, choose_speed
from hawklet_trainer.training.terms import EpochRecord, Optimizer, Progress, Schedule, Step, TrainConfig

SPEC = PreprocessSpec(32, 32)
PIXEL = (114, 1 / 58)
QUICK = TrainConfig(epochs=3, batch=8, lr=0.02, augment=Augment.LIGHT, patience=99, label_smoothing=0.0)


class Small(nn.Module):
    """A network of a few hundred weights that can tell colours apart."""

    def __init__(self, classes: int = 3):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6())
        self.classifier = nn.Linear(8, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classifier(self.features(x).mean((2, 3)))
        return logits


@pytest.fixture
def photos(draw_photos: Callable[..., Path]) -> PhotoSet:
    return read_photos(draw_photos(14))


@pytest.fixture
def net() -> Small:
    torch.manual_seed(0)
    return Small()


def _test_accuracy(net: nn.Module, photos: PhotoSet) -> float:
    return accuracy_of(net, *load_pixels(photos.items("test"), SPEC), *PIXEL)


def test_fine_tuning_learns_colours(net: Small, photos: PhotoSet) -> None:
    history = fine_tune(net, photos, SPEC, *PIXEL, QUICK)
    assert _test_accuracy(net, photos) == 100.0
    assert [record.epoch for record in history.records] == [0, 1, 2, 3]
    assert history.records[-1].val_loss < history.records[0].val_loss
    assert not net.training


def test_the_head_alone_learns_and_nothing_else_changes(net: Small, photos: PhotoSet) -> None:
    before = {name: tensor.clone() for name, tensor in net.features.state_dict().items()}
    pixels, truth = load_pixels(photos.items("val"), SPEC)
    right = probabilities_of(net, pixels, *PIXEL)[np.arange(len(truth)), truth]
    untrained = -float(np.log(right).mean())
    history = train_head(net, net.classifier, photos, SPEC, *PIXEL, TrainConfig(head_epochs=60, batch=8))
    assert history.records[0].val_loss < untrained - 0.1
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.features.state_dict().items())


def test_the_same_seed_gives_the_same_weights_to_the_bit(photos: PhotoSet) -> None:
    def train() -> dict[str, torch.Tensor]:
        torch.manual_seed(1)
        net = Small()
        config = TrainConfig(epochs=2, head_epochs=5, head_views=3, batch=8, dropout=0.2, augment=Augment.STRONG)
        train_head(net, net.classifier, photos, SPEC, *PIXEL, config)
        fine_tune(net, photos, SPEC, *PIXEL, config)
        return net.state_dict()

    first, second = train(), train()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_training_that_only_harms_leaves_the_start_as_the_best(net: Small, photos: PhotoSet) -> None:
    fine_tune(net, photos, SPEC, *PIXEL, QUICK)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    mislabelled = tuple(
        dataclasses.replace(photo, label_index=(photo.label_index + 1) % 3) for photo in photos.items("train")
    )
    harmful = PhotoSet(photos.folder, photos.labels, {**photos.splits, "train": mislabelled})
    history = fine_tune(net, harmful, SPEC, *PIXEL, QUICK)
    assert history.best_epoch == 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_it_stops_after_as_many_epochs_without_a_better_one_as_asked(net: Small, photos: PhotoSet) -> None:
    config = TrainConfig(epochs=50, batch=8, lr=1e-12, patience=2, ema=False, freeze_batch_norm=True)
    history = fine_tune(net, photos, SPEC, *PIXEL, config)
    assert history.stopped_by == "patience" and len(history.records) < 50


def test_a_spent_time_budget_ends_it_after_a_step_with_a_judged_epoch(net: Small, photos: PhotoSet) -> None:
    history = fine_tune(net, photos, SPEC, *PIXEL, TrainConfig(epochs=50, batch=8, minutes=1e-9))
    assert history.stopped_by == "minutes"
    assert [record.epoch for record in history.records] == [0, 1]


def test_a_request_to_stop_is_heard_within_an_epoch(net: Small, photos: PhotoSet) -> None:
    class Impatient(Progress):
        steps = 0

        def step(self, step: Step) -> None:
            self.steps += 1

        def should_stop(self) -> bool:
            return self.steps >= 2

    watcher = Impatient()
    history = fine_tune(net, photos, SPEC, *PIXEL, TrainConfig(epochs=50, batch=4), progress=watcher)
    assert history.stopped_by == "request" and watcher.steps == 2


def test_who_watches_gets_the_weights_that_were_judged(net: Small, photos: PhotoSet) -> None:
    pixels, truth = load_pixels(photos.items("val"), SPEC)

    class Watcher(Progress):
        differences: tuple[float, ...] = ()

        def epoch(self, record: EpochRecord, net: nn.Module, kept: bool) -> None:
            self.differences += (accuracy_of(net, pixels, truth, *PIXEL) - record.val_top1,)

    watcher = Watcher()
    fine_tune(net, photos, SPEC, *PIXEL, QUICK, progress=watcher)
    assert watcher.differences == pytest.approx((0.0,) * 4)


@pytest.mark.parametrize("freeze", [True, False])
def test_frozen_batch_norms_keep_their_statistics(net: Small, photos: PhotoSet, freeze: bool) -> None:
    norm = net.features[1]
    assert isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None
    before = norm.running_mean.clone()
    config = TrainConfig(epochs=1, batch=8, lr=0.02, ema=False, freeze_batch_norm=freeze, augment=Augment.NONE)
    fine_tune(net, photos, SPEC, *PIXEL, config)
    assert torch.equal(norm.running_mean, before) is freeze


def test_a_student_that_is_only_taught_comes_to_agree_with_its_teacher(photos: PhotoSet) -> None:
    torch.manual_seed(0)
    teacher, student = Small(), Small()
    fine_tune(teacher, photos, SPEC, *PIXEL, QUICK)
    config = TrainConfig(epochs=6, batch=8, lr=0.02, distil=1.0, augment=Augment.NONE, patience=99)
    pixels, _ = load_pixels(photos.items("test"), SPEC)
    expected = probabilities_of(teacher, pixels, *PIXEL)
    before = float(np.abs(probabilities_of(student, pixels, *PIXEL) - expected).mean())
    fine_tune(student, photos, SPEC, *PIXEL, config, teacher=Teacher(teacher))
    assert float(np.abs(probabilities_of(student, pixels, *PIXEL) - expected).mean()) < before / 2


def test_a_set_without_val_pictures_is_refused(net: Small, photos: PhotoSet) -> None:
    with pytest.raises(DataError, match="in train and in val"):
        fine_tune(net, PhotoSet(photos.folder, photos.labels, {"train": photos.splits["train"]}), SPEC, *PIXEL, QUICK)


def test_evaluation_mode_gives_every_module_its_own_mode_back(net: Small) -> None:
    net.train()
    net.features[1].eval()
    with evaluation_mode(net):
        assert not any(module.training for module in net.modules())
    assert net.training and net.features[0].training and not net.features[1].training


def test_choosing_the_speed_leaves_the_network_as_it_is(net: Small) -> None:
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    speed, reason = choose_speed(net, torch.zeros(4, 3, 32, 32), 10, Compile.NO)
    assert speed.dtype in (torch.float32, torch.bfloat16) and not speed.compiled and "images/s" in reason
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


def _half_dark() -> torch.Tensor:
    picture = torch.zeros(4, 3, 40, 40, dtype=torch.uint8)
    picture[..., 20:] = 255
    return picture


@pytest.mark.parametrize("kind", Augment)
def test_augmented_pictures_have_the_inputs_size_and_are_bytes(kind: Augment) -> None:
    torch.manual_seed(0)
    out = make_augmentation(kind, SPEC, flip=True)(_half_dark())
    assert out.shape == (4, 3, 32, 32) and out.dtype == torch.uint8


# Strong moves pictures aside, and grey stands where they were: test_augment.py looks at what is left of them.
@pytest.mark.parametrize("kind", [kind for kind in Augment if kind is not Augment.STRONG])
def test_without_flip_left_stays_left(kind: Augment) -> None:
    torch.manual_seed(0)
    out = make_augmentation(kind, SPEC, flip=False)(_half_dark().repeat(8, 1, 1, 1)).float()
    assert (out[..., :16].mean((1, 2, 3)) <= out[..., 16:].mean((1, 2, 3))).all()


def test_with_flip_about_half_are_mirrored() -> None:
    torch.manual_seed(0)
    out = make_augmentation(Augment.NONE, SPEC, flip=True)(_half_dark().repeat(16, 1, 1, 1)).float()
    mirrored = (out[..., :16].mean((1, 2, 3)) > out[..., 16:].mean((1, 2, 3))).float().mean()
    assert 0.2 < mirrored < 0.8


def test_no_augmentation_shows_what_the_evaluation_sees() -> None:
    spec = PreprocessSpec(28, 28, crop_fraction=0.875)
    picture = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)
    assert torch.equal(make_augmentation(Augment.NONE, spec, flip=False)(picture), picture[..., 2:30, 2:30])


def test_a_loss_that_was_not_measured_is_nan_and_not_zero(net: Small, photos: PhotoSet) -> None:
    history = fine_tune(net, photos, SPEC, *PIXEL, TrainConfig(epochs=0))
    assert math.isnan(history.records[0].train_loss)


def _answering(monkeypatch: pytest.MonkeyPatch, photos: PhotoSet, answers: Sequence[tuple[int, float]]) -> None:
    """Let networks answer, time after time, with so many wrong on val and so sure of it (the logit they give)."""
    y = torch.tensor([photo.label_index for photo in photos.items("val")])
    assert len(y) == 6
    asked = iter(answers)

    def answer(*_: object) -> torch.Tensor:
        wrong, sure = next(asked)
        return nn.functional.one_hot((y + (torch.arange(len(y)) < wrong)) % 3, 3) * sure

    monkeypatch.setattr("hawklet_trainer.training.judging.Judge.answers", answer)


@pytest.mark.parametrize(("accuracy_first", "kept"), [(False, 2), (True, 1)])
def test_the_latest_epoch_that_is_no_worse_is_kept_unless_accuracy_was_promised(
    accuracy_first: bool, kept: int, photos: PhotoSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    _answering(monkeypatch, photos, [(3, 1.0), (1, 1.0), (1, 1.0), (5, 1.0)])
    config = dataclasses.replace(QUICK, epochs=3, accuracy_first=accuracy_first)
    history = fine_tune(Small(), photos, SPEC, *PIXEL, config)
    assert history.best_epoch == kept


def test_patience_counts_from_the_best_epoch_and_not_from_the_one_that_is_kept(
    photos: PhotoSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    _answering(monkeypatch, photos, [(3, 1.0), *[(1, 1.0)] * 5])
    history = fine_tune(Small(), photos, SPEC, *PIXEL, dataclasses.replace(QUICK, epochs=5, patience=2))
    assert (history.stopped_by, history.best_epoch) == ("patience", 3)


@pytest.mark.parametrize(("distil", "best"), [(0.0, 3), (1.0, 1)])
def test_students_are_judged_by_what_they_are_taught(
    distil: float, best: int, photos: PhotoSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    _answering(monkeypatch, photos, [(2, 1.0), (3, 1.0), (2, 1.1), (1, 4.0), (0, 4.0)])  # the first are the teacher's
    config = dataclasses.replace(QUICK, epochs=3, distil=distil)
    history = fine_tune(Small(), photos, SPEC, *PIXEL, config, teacher=Teacher(Small()))
    assert history.best_epoch == best
    assert history.records[3].val_top1 == 100.0


def test_similarities_are_compared_by_direction_and_for_any_widths() -> None:
    student, teacher = torch.eye(3), torch.eye(3, 5) * 7
    assert float(similarity_distance(student, teacher)) == pytest.approx(0.0, abs=1e-12)
    same = torch.ones(3, 2)
    # Each row of one is (1, 0, 0), of the other (1, 1, 1) / sqrt(3).
    expected = 3 * ((1 - 3**-0.5) ** 2 + 2 / 3) / 9
    assert float(similarity_distance(same, teacher)) == pytest.approx(expected, rel=1e-5)


def test_a_student_that_matches_features_finds_the_same_pictures_alike(photos: PhotoSet) -> None:
    torch.manual_seed(0)
    teacher, student = Small(), Small()
    student.features[0] = nn.Conv2d(3, 4, 3, 2, 1, bias=False)
    student.features[1], student.classifier = nn.BatchNorm2d(4), nn.Linear(4, 3)
    fine_tune(teacher, photos, SPEC, *PIXEL, QUICK)
    pixels, _ = load_pixels(photos.items("train"), SPEC)

    def distance() -> float:
        with torch.no_grad():
            x = as_input(pixels, *PIXEL)
            return float(similarity_distance(student.features(x).mean((2, 3)), teacher.features(x).mean((2, 3))))

    student.eval()
    before = distance()
    config = TrainConfig(epochs=6, batch=8, lr=0.02, distil=0.0, match_features=30.0, augment=Augment.NONE, patience=99)
    fine_tune(student, photos, SPEC, *PIXEL, config, teacher=Teacher(teacher))
    assert distance() < before / 2
    assert not student.classifier._forward_pre_hooks and not teacher.classifier._forward_pre_hooks


def test_without_a_teacher_or_a_weight_nothing_is_hooked(net: Small) -> None:
    for teacher, weight in ((None, 1.0), (Small(), 0.0)):
        with catching_features(net, teacher, weight) as caught:
            assert caught is None and not net.classifier._forward_pre_hooks


def test_features_of_a_network_without_a_linear_layer_are_refused(net: Small) -> None:
    with pytest.raises(UsageError, match=r"end in an nn\.Linear"), catching_features(net, nn.Conv2d(3, 3, 1), 1.0):
        pass


def test_a_loss_that_is_no_number_ends_it_saying_what_to_try(net: Small, photos: PhotoSet) -> None:
    config = dataclasses.replace(QUICK, optimizer=Optimizer.SGD, lr=1e30, clip=0.0)
    expected = r"got (nan|inf) in epoch \d+ at a learning rate of .*; train with a lower --lr"
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(DivergedError, match=expected) as diverged:
        fine_tune(net, photos, SPEC, *PIXEL, config)
    assert not net.training and diverged.value.history.stopped_by == "divergence"
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_an_epoch_says_how_many_training_pictures_were_named_rightly_and_how_fast(net: Small, photos: PhotoSet) -> None:
    history = fine_tune(net, photos, SPEC, *PIXEL, dataclasses.replace(QUICK, epochs=6, augment=Augment.NONE))
    assert history.records[-1].train_top1 > 90.0 and history.records[-1].images_per_second > 0.0
    mixed = fine_tune(net, photos, SPEC, *PIXEL, dataclasses.replace(QUICK, epochs=1, mix=Mix.MIXUP))
    assert math.isnan(mixed.records[-1].train_top1)


@pytest.mark.parametrize("optimizer", Optimizer)
@pytest.mark.parametrize("schedule", Schedule)
def test_every_optimizer_learns_along_every_schedule(
    net: Small, photos: PhotoSet, optimizer: Optimizer, schedule: Schedule
) -> None:
    config = dataclasses.replace(QUICK, epochs=8, optimizer=optimizer, schedule=schedule, lr=0.05)
    fine_tune(net, photos, SPEC, *PIXEL, config)
    assert _test_accuracy(net, photos) == 100.0


def test_accumulated_batches_are_one_step_of_all_their_pictures(photos: PhotoSet) -> None:
    def train(**changes: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        net = Small()
        config = TrainConfig(epochs=1, lr=0.02, freeze_batch_norm=True, augment=Augment.NONE, flip=False, **changes)
        fine_tune(net, photos, SPEC, *PIXEL, config, execution=Execution(Speed()))
        return net.state_dict()

    once, twice = train(batch=30), train(batch=15, accumulate=2)
    assert all(torch.allclose(once[name], twice[name], atol=1e-5) for name in once)


def test_while_blocks_are_frozen_they_stay_and_the_head_learns(net: Small, photos: PhotoSet) -> None:
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    blocks = [net.features.parameters(), net.classifier.parameters()]
    config = dataclasses.replace(QUICK, epochs=1, unfreeze=5, freeze_batch_norm=True, ema=False)
    fine_tune(net, photos, SPEC, *PIXEL, config, blocks=blocks)
    after = net.state_dict()
    assert torch.equal(after["features.0.weight"], before["features.0.weight"])
    assert not torch.equal(after["classifier.weight"], before["classifier.weight"])
    assert all(parameter.requires_grad for parameter in net.parameters())
