"""Pictures mixed in pairs, what they count as, and what is learned of them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from hawklet import cli
from hawklet_trainer.augment import Augment, Mix, make_mixing
from hawklet_trainer.data import PhotoSet, read_photos
from hawklet_trainer.training.loop import Execution, Teacher, fine_tune
from hawklet_trainer.training.loss import TrainingLoss
from hawklet_trainer.training.speed import Speed
from hawklet_trainer.training.terms import Progress, Step, TrainConfig
from tiny_networks import SCALE, SPEC, ZERO_POINT, TinyNet

CONFIG = TrainConfig(epochs=3, batch=8, lr=0.01, augment=Augment.STRONG, patience=99)


@pytest.fixture(scope="module")
def photos(colour_photos: Path) -> PhotoSet:
    return read_photos(colour_photos)


def _batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures that are all of one value, which is that of their label."""
    labels = torch.tensor([0, 1, 2, 3])
    return labels.float().reshape(4, 1, 1, 1).expand(4, 3, 20, 20).contiguous(), labels


@pytest.mark.parametrize("mix", [Mix.MIXUP, Mix.CUTMIX, Mix.BOTH])
def test_a_mixed_picture_counts_as_each_label_by_how_much_of_it_there_is(mix: Mix) -> None:
    torch.manual_seed(0)
    mixing = make_mixing(mix, 4)
    for _ in range(30):
        pictures, shares = mixing(*_batch())
        assert shares.shape == (4, 4) and torch.allclose(shares.sum(1), torch.ones(4))
        assert torch.allclose(pictures.mean((1, 2, 3)), shares @ torch.arange(4.0), atol=1e-5)


def test_mixup_shows_one_through_the_other_and_cutmix_beside_it() -> None:
    torch.manual_seed(0)
    seen = {mix: [make_mixing(mix, 4)(*_batch())[0][1, 0] for _ in range(20)] for mix in (Mix.MIXUP, Mix.CUTMIX)}
    assert all(len(picture.unique()) == 1 for picture in seen[Mix.MIXUP])
    assert any(len(picture.unique()) == 2 for picture in seen[Mix.CUTMIX])


def test_both_takes_one_or_the_other_for_each_batch() -> None:
    torch.manual_seed(0)
    mixing = make_mixing(Mix.BOTH, 4)
    pieces = [len(mixing(*_batch())[0][1, 0].unique()) for _ in range(40)]
    assert 5 < pieces.count(2) < 35


def test_without_mixing_pictures_and_labels_are_what_they_were() -> None:
    pictures, labels = _batch()
    assert make_mixing(Mix.NONE, 4)(pictures, labels) == (pictures, labels)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_of_a_mixed_picture_is_that_of_its_labels_by_their_shares(smoothing: float) -> None:
    torch.manual_seed(0)
    config = TrainConfig(label_smoothing=smoothing)
    answers, first, second = torch.randn(4, 3), torch.tensor([0, 1, 2, 0]), torch.tensor([1, 1, 0, 2])
    shares = 0.3 * functional.one_hot(first, 3) + 0.7 * functional.one_hot(second, 3)
    losses = [TrainingLoss(config)(answers, labels) for labels in (first, second, shares)]
    assert float(0.3 * losses[0] + 0.7 * losses[1]) == pytest.approx(float(losses[2]), rel=1e-5)


class _Seeing(TinyNet):
    """Remembers what it saw in training steps."""

    def __init__(self) -> None:
        super().__init__(3)
        self.seen: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(x.detach().clone())
        return super().forward(x)


def test_a_teacher_sees_the_mixed_pictures_that_its_student_sees(photos: PhotoSet) -> None:
    torch.manual_seed(0)
    student, teacher = _Seeing(), _Seeing()
    config = dataclasses.replace(CONFIG, epochs=1, ema=False)
    fine_tune(student, photos, SPEC, ZERO_POINT, SCALE, config, teacher=Teacher(teacher), execution=Execution(Speed()))
    steps = [x for x in student.seen if any(len(x) == len(y) and torch.equal(x, y) for y in teacher.seen)]
    assert len(steps) >= 3 + 1  # a val batch and every step


def test_a_training_on_mixed_pictures_goes_on_to_the_same_bits(photos: PhotoSet, tmp_path: Path) -> None:
    class BreaksOff(Progress):
        steps = 0

        def step(self, step: Step) -> None:
            self.steps += 1
            if self.steps == 5:
                raise KeyboardInterrupt

    def train(path: Path | None, seed: int, progress: Progress) -> nn.Module:
        torch.manual_seed(seed)
        net = TinyNet(3)
        how = Execution(Speed(), checkpoint=path)
        fine_tune(net, photos, SPEC, ZERO_POINT, SCALE, CONFIG, progress=progress, execution=how)
        return net

    path = tmp_path / "state.safetensors"
    whole = train(None, 0, Progress())
    with pytest.raises(KeyboardInterrupt):
        train(path, 0, BreaksOff())
    resumed = train(path, 1, Progress()).state_dict()
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in whole.state_dict().items())


def test_a_state_of_before_there_was_mixing_goes_on(
    photos: PhotoSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hawklet_trainer.training import checkpoint

    config = dataclasses.replace(CONFIG, epochs=1, augment=Augment.MEDIUM)
    path = tmp_path / "state.safetensors"
    options_of = checkpoint._options_of
    with monkeypatch.context() as older:
        older.setattr(
            checkpoint, "_options_of", lambda config: {k: v for k, v in options_of(config).items() if k != "mix"}
        )
        fine_tune(TinyNet(3), photos, SPEC, ZERO_POINT, SCALE, config, execution=Execution(Speed(), checkpoint=path))
    fine_tune(TinyNet(3), photos, SPEC, ZERO_POINT, SCALE, config, execution=Execution(Speed(), checkpoint=path))
    mixing = dataclasses.replace(config, mix=Mix.MIXUP)
    with pytest.raises(Exception, match=r"differs in mix \(None there, mixup now\)"):
        fine_tune(TinyNet(3), photos, SPEC, ZERO_POINT, SCALE, mixing, execution=Execution(Speed(), checkpoint=path))


def test_options_are_read_back_from_plain_words_and_older_ones_lack_none() -> None:
    assert TrainConfig.from_plain({"augment": "light", "flip": False}) == TrainConfig(augment=Augment.LIGHT, flip=False)
    assert TrainConfig.from_plain({"augment": "strong"}).mixing is Mix.BOTH
    assert TrainConfig.from_plain({"augment": "strong", "mix": "none"}).mixing is Mix.NONE
    assert TrainConfig.from_plain({"mix": "cutmix"}).mixing is Mix.CUTMIX
    assert TrainConfig.from_plain({"mix": None}) == TrainConfig()
    with pytest.raises(ValueError, match="swirl"):
        TrainConfig.from_plain({"mix": "swirl"})


def test_the_command_line_takes_presets_and_mixing_and_the_run_says_them(
    draw_photos: Callable[..., Path], tmp_path: Path
) -> None:
    words = ["--model", "resnet18", "--weights", "none", "--imgsz", "32", "--epochs", "1", "--batch", "8"]
    words += ["--out", str(tmp_path), "--name", "run", "--augment", "camera", "--mix", "mixup", "--no-flip"]
    with pytest.raises(SystemExit) as end:
        cli.main(["train", str(draw_photos(6)), *words])
    assert not end.value.code
    config = json.loads((tmp_path / "run" / "manifest.json").read_text())["training"]["config"]
    assert (config["augment"], config["mix"], config["flip"]) == ("camera", "mixup", False)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Augmentation: camera" in page and "never mirrored; mixed in pairs by mixup" in page
    assert page.count('alt="augmented"') == 25 and page.count('alt="as it is"') == 5 and page.count('alt="mixed"') == 5


@pytest.mark.parametrize(("mix", "shape"), [(Mix.NONE, (8,)), (Mix.MIXUP, (8, 3)), (Mix.CUTMIX, (8, 3))])
def test_what_is_learned_is_mixed_labels_where_pictures_are_mixed(
    mix: Mix, shape: tuple[int, ...], photos: PhotoSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[torch.Tensor] = []

    of_labels = TrainingLoss.of_labels

    def loss(self: TrainingLoss, answers: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        learned.append(y)
        return of_labels(self, answers, y)

    monkeypatch.setattr(TrainingLoss, "of_labels", loss)
    config = dataclasses.replace(CONFIG, epochs=1, augment=Augment.NONE, mix=mix)
    fine_tune(TinyNet(3), photos, SPEC, ZERO_POINT, SCALE, config)
    assert {tuple(y.shape) for y in learned} == {shape}
    if mix is not Mix.NONE:
        assert any(((y > 0) & (y < 1)).any() for y in learned)
