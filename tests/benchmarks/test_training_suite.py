from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import training
import training_ours
import training_process
import training_reference
from hawklet.errors import HawkletError
from hawklet_trainer.data import PhotoSet, read_photos
from hawklet_trainer.models.registry import MODELS
from hawklet_trainer.training.terms import TrainConfig
from reference_recipe import (
    Recipe,
    judging_loader,
    recipe_of,
    reference_network,
    train_epoch,
    train_reference,
    training_loader,
)
from suite_figures import page_of
from tiny_networks import COLOURS, TinyNet, draw_shape
from training_clock import Clock, Spent
from training_heads import train_cached, train_uncached
from training_outcome import Outcome, Point, first_time, lasting_time, mean_curve
from training_photos import TestPictures, at_most
from training_process import kept_result
from training_rows import Bench, Scale
from training_task import OURS, REFERENCE, Epochs, Training
from training_turns import turns_of

HERE = Recipe(workers=0, batch=8)
TINY = replace(
    MODELS["mobilenet_v2"],
    name="tiny",
    build=lambda classes, height, width: TinyNet(classes),
    side=32,
    head="head",
    weights=None,
    stem=None,
    points=(),
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> PhotoSet:
    folder, random = tmp_path_factory.mktemp("shapes"), np.random.default_rng(0)
    for label in COLOURS:
        (folder / label).mkdir()
        for number in range(12):
            draw_shape(label, random).save(folder / label / f"{number}.png")
    return read_photos(folder, seed=0)


def curve(*points: tuple[float, float]) -> Outcome:
    """Of (seconds, accuracy)."""
    made = tuple(Point(Spent(seconds, 2 * seconds), top1) for seconds, top1 in points)
    return Outcome(made, made[-1].top1, made[-1].spent)


def test_time_counts_from_the_start_of_the_process_without_what_was_stopped_for() -> None:
    moments = iter([Spent(105.0, 3.0), Spent(125.0, 33.0), Spent(130.0, 36.0)])
    clock = Clock(started=100.0, now=lambda: next(moments))
    with clock.stopped():
        pass
    assert clock.read() == Spent(10.0, 6.0)


def test_an_accuracy_is_reached_at_the_first_point_that_is_no_lower() -> None:
    ours = curve((5, 86.0), (20, 90.0), (35, 88.0), (50, 92.0)).curve
    assert first_time(ours, 90.0) == Spent(20, 40)
    assert lasting_time(ours, 90.0) == Spent(50, 100)
    assert first_time(ours, 92.4) is None and lasting_time(ours, 92.4) is None


def test_a_seed_that_ended_early_stays_in_the_mean_as_it_ended() -> None:
    mean = mean_curve([curve((10, 80.0), (20, 90.0)), curve((30, 84.0), (40, 86.0), (50, 94.0))])
    assert [(point.spent.wall, point.top1) for point in mean] == [(20, 82.0), (30, 88.0), (35, 92.0)]


def test_an_outcome_is_read_back_as_it_was_kept() -> None:
    outcome = replace(curve((5.0, 86.0), (20.0, 90.4)), note="float32", load=0.5)
    assert Outcome.from_plain(json.loads(json.dumps(outcome.to_plain()))) == outcome


def test_the_published_learning_rate_is_for_eight_processes() -> None:
    recipe = recipe_of("mobilenet_v2").for_one_process()
    assert (recipe.lr, recipe.weight_decay) == (0.045 / 8, 4e-5)
    assert recipe_of("resnet18").for_one_process() == Recipe(lr=0.1 / 8)


def test_the_recipes_learning_rate_falls_by_epochs(photos: PhotoSet, monkeypatch: pytest.MonkeyPatch) -> None:
    rates = []

    def learned(net: object, loader: object, optimizer: torch.optim.Optimizer) -> float:
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        return 0.0

    monkeypatch.setattr("reference_recipe.train_epoch", learned)
    recipe, val = replace(HERE, lr=0.8, lr_step=2, lr_gamma=0.5), photos.items("val")
    over: list[int] = []
    train_reference(TinyNet(3), photos.items("train"), val, recipe, 4, lambda: over.append(len(rates)))
    assert rates == [0.8, 0.8, 0.4, 0.4]
    assert over == [1, 2, 3, 4]


def test_an_epoch_of_the_recipe_sees_every_picture_once(photos: PhotoSet) -> None:
    items = photos.items("train")
    labels = torch.cat([labels for _, labels in training_loader(items, HERE)])
    assert sorted(labels.tolist()) == sorted(photo.label_index for photo in items)
    steps: list[int] = []
    train_epoch(TinyNet(3), training_loader(items, HERE), torch.optim.SGD(TinyNet(3).parameters()), steps.append)
    assert sum(steps) == len(items)


def test_both_contestants_are_measured_on_the_same_pixels(photos: PhotoSet) -> None:
    items = photos.items("test")[:3]
    theirs = torch.cat([pictures for pictures, _ in judging_loader(items, HERE)])
    seen: list[torch.Tensor] = []

    class Looking(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x)
            return torch.zeros(len(x), 5)

    mean, std = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    TestPictures(items, MODELS["mobilenet_v2"]).top1(Looking(), lambda x: (x / 255 - mean) / std)
    assert (seen[0] - theirs).abs().mean() < 0.03  # a fiftieth of a deviation; roundings of two resizers


def test_a_reference_network_has_as_many_outputs_as_there_are_classes() -> None:
    with torch.no_grad():
        assert reference_network("mobilenet_v2", 5, pretrained=False).eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 5)


def test_heads_with_and_without_the_cache_come_to_the_same_weights(photos: PhotoSet) -> None:
    config, nets = TrainConfig(head_epochs=3, batch=8, seed=3), []
    for train in (train_cached, train_uncached):
        torch.manual_seed(0)
        nets.append(TinyNet(3))
        train(nets[-1], TINY, photos, config)
    torch.manual_seed(0)
    before = TinyNet(3)
    assert not torch.allclose(nets[0].head.weight, before.head.weight)
    for cached, uncached in zip(nets[0].state_dict().values(), nets[1].state_dict().values(), strict=True):
        torch.testing.assert_close(cached, uncached, atol=1e-5, rtol=1e-4)


def test_a_whole_training_of_ours_is_on_the_clock_and_its_curve_ends_with_what_is_kept(
    photos: PhotoSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS, "tiny", TINY)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    begun = time.monotonic()
    outcome = training_ours.train(
        Training(OURS, "tiny", str(photos.folder), 0, epochs=2), Clock(begun), tmp_path / "runs"
    )
    assert outcome.curve[-1].top1 == outcome.top1
    times = [point.spent.wall for point in outcome.curve]
    assert times == sorted(times) and times[-1] < outcome.whole.wall < time.monotonic() - begun
    assert outcome.note


def test_a_training_by_the_recipe_has_a_point_for_every_epoch(photos: PhotoSet) -> None:
    task = Training(REFERENCE, "mobilenet_v3_small", str(photos.folder), 0, False, epochs=2, lr=0.01, pictures=6)
    outcome = training_reference.train(task, Clock(time.monotonic()))
    assert len(outcome.curve) == 2
    assert outcome.top1 == outcome.curve[-1].top1


class Counting:
    """A baton that comes so many times."""

    def __init__(self, turns: int) -> None:
        self.left, self.pictures = turns, 0
        self.given: list[int] = []

    def begin(self) -> None:
        if not self.left:
            raise SystemExit
        self.left, self.pictures = self.left - 1, 0

    def passed(self, pictures: int) -> None:
        self.pictures += pictures

    def give(self) -> None:
        self.given.append(self.pictures)


@pytest.mark.parametrize("contestant", [training_ours, training_reference])
def test_a_turn_is_one_epoch_over_all_pictures(
    contestant: ModuleType, photos: PhotoSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    baton = Counting(2)
    with pytest.raises(SystemExit):
        contestant.take_turns(Epochs(OURS, "mobilenet_v3_small", str(photos.folder), 6), baton)
    assert baton.given == [6, 6]


def test_fewer_pictures_are_of_every_class(photos: PhotoSet) -> None:
    fewer = at_most(photos, 6)
    assert fewer.counts() == {
        "train": 6,
        "val": min(6, photos.counts()["val"]),
        "test": min(6, photos.counts()["test"]),
    }
    assert {photo.label_index for photo in fewer.items("train")} == {0, 1, 2}
    assert at_most(photos, None) is photos


def test_what_is_finished_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script, task = tmp_path / "counting.py", Training(OURS, "mobilenet_v2", "photos", 0)
    script.write_text(
        "import json, pathlib, sys\n"
        "pathlib.Path(sys.argv[0]).with_suffix('.log').open('a').write(json.loads(sys.argv[1])['model'])\n"
        "pathlib.Path(sys.argv[2]).write_text('{\"top1\": 1}')\n"
    )
    monkeypatch.setattr(training_process, "_HERE", tmp_path)
    for _ in range(2):
        assert kept_result("counting.py", task, tmp_path / "work" / "kept.json") == {"top1": 1}
    assert script.with_suffix(".log").read_text() == "mobilenet_v2"


def test_a_contestant_that_fails_ends_the_suite_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "failing.py").write_text("raise SystemExit(3)")
    monkeypatch.setattr(training_process, "_HERE", tmp_path)
    with pytest.raises(HawkletError, match="exit code was 3"):
        kept_result("failing.py", Training(OURS, "m", "photos", 0), tmp_path / "kept.json")
    assert not (tmp_path / "kept.json").exists()
    with pytest.raises(HawkletError, match="until it is told to end"):
        turns_of({"a": ("failing.py", Epochs(OURS, "m", "photos", 8))}, 1, tmp_path / "speed.json")


def test_contestants_take_turns_one_at_a_time_and_the_first_is_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "counting.py").write_text(
        "import json, sys\n"
        "for number, line in enumerate(sys.stdin):\n"
        "    print('something else', flush=True)\n"
        "    print('turn ' + json.dumps({'pictures': 8, 'wall': number, 'cpu': 2 * number}), flush=True)\n"
    )
    monkeypatch.setattr(training_process, "_HERE", tmp_path)
    told = {who: ("counting.py", Epochs(who, "m", "photos", 8)) for who in (OURS, REFERENCE)}
    turns = turns_of(told, 3, tmp_path / "speed.json")
    assert turns.pictures == 8
    assert turns.wall == {OURS: [1, 2, 3], REFERENCE: [1, 2, 3]}
    assert turns.cpu[OURS] == [2, 4, 6]


def test_the_recipe_gets_the_learning_rate_that_is_better_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outcome(script: str, task: Training, kept: Path) -> dict[str, object]:
        return curve((1.0, {0.045: 85.0, 0.045 / 8: 88.0}[task.lr or 0.0])).to_plain()

    monkeypatch.setattr("training_rows.kept_result", outcome)
    assert Bench(tmp_path, tmp_path, Scale()).better_lr() == 0.045 / 8


def test_the_page_of_training_is_made_of_the_kept_figures_unchanged(repository: Path) -> None:
    kept, page = repository / "benchmarks/results/training.json", repository / "docs/training-results.md"
    assert kept.is_file() == page.is_file()
    if kept.is_file():
        rows = json.loads(kept.read_text(encoding="utf-8"))["rows"]
        assert page.read_text(encoding="utf-8") == page_of(training.PAGE, rows)


def test_rows_without_the_flowers_are_skipped_and_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["training.py", "--rows", "1,3", "--data", str(tmp_path), "--work", str(tmp_path / "work")]
    monkeypatch.setattr("sys.argv", arguments)
    assert training.main() == 0
    assert capsys.readouterr().out.count("has no flowers5") == 2


def test_figures_of_a_quick_look_are_kept_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["training.py", "--quick", "--work", str(tmp_path), "-o", str(tmp_path / "it")])
    with pytest.raises(SystemExit):
        training.main()
    assert "leave -o and --page out" in capsys.readouterr().err
