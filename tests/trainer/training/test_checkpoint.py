"""A training that was stopped at any moment goes on to the same bits; another training's state is refused."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from hawklet.errors import RunError
from hawklet_trainer.augment import Augment, Mix
from hawklet_trainer.data import PhotoSet, read_photos
from hawklet_trainer.training.checkpoint import Checkpoint
from hawklet_trainer.training.loop import Execution, Teacher, fine_tune
from hawklet_trainer.training.speed import Speed
from hawklet_trainer.training.terms import EpochRecord, History, Progress, Step, TrainConfig
from tiny_networks import SCALE, SPEC, ZERO_POINT, TinyNet

CONFIG = TrainConfig(epochs=4, batch=8, lr=0.01, augment=Augment.MEDIUM, patience=99)


class _Broken(Exception):
    pass


class _BreaksOff(Progress):
    """Raises in the middle of an epoch, or at its end."""

    def __init__(self, at_step: int | None = None, at_epoch: int | None = None) -> None:
        self.steps, self.at_step, self.at_epoch = 0, at_step, at_epoch
        self.before: list[EpochRecord] = []

    def resumed(self, records: list[EpochRecord]) -> None:
        self.before = list(records)

    def step(self, step: Step) -> None:
        self.steps += 1
        if self.steps == self.at_step:
            raise _Broken

    def epoch(self, record: EpochRecord, net: nn.Module, kept: bool) -> None:
        if record.epoch == self.at_epoch:
            raise _Broken


@pytest.fixture
def photos(colour_photos: Path) -> PhotoSet:
    return read_photos(colour_photos)


def _train(
    photos: PhotoSet, path: Path | None, progress: Progress | None = None, config: TrainConfig = CONFIG, seed: int = 0
) -> tuple[nn.Module, History]:
    torch.manual_seed(seed)
    net = TinyNet(3)
    history = fine_tune(
        net,
        photos,
        SPEC,
        ZERO_POINT,
        SCALE,
        config,
        progress=progress or Progress(),
        execution=Execution(Speed(), checkpoint=path),
    )
    return net, history


def _require_equal(one: nn.Module, other: nn.Module) -> None:
    theirs = other.state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in one.state_dict().items())


def _curve(history: History) -> list[tuple[object, ...]]:
    return [(r.epoch, r.lr, r.val_loss, r.val_top1, r.train_loss if r.epoch else None) for r in history.records]


@pytest.mark.parametrize("ema", [True, False])
@pytest.mark.parametrize("breaks", [{"at_step": 1}, {"at_step": 8}, {"at_epoch": 3}])
def test_a_training_that_broke_off_goes_on_to_the_same_bits(
    photos: PhotoSet, tmp_path: Path, breaks: dict[str, int], ema: bool
) -> None:
    config = dataclasses.replace(CONFIG, ema=ema)
    whole, expected = _train(photos, None, config=config)
    path = tmp_path / "state.safetensors"
    with pytest.raises(_Broken):
        _train(photos, path, _BreaksOff(**breaks), config)
    # Other initial weights, since all must come from the file.
    resumed, history = _train(photos, path, config=config, seed=1)
    _require_equal(whole, resumed)
    assert _curve(history) == _curve(expected) and history.best_epoch == expected.best_epoch


def test_a_training_that_was_killed_goes_on_to_the_same_bits(
    photos: PhotoSet, colour_photos: Path, tmp_path: Path
) -> None:
    path = tmp_path / "state.safetensors"
    code = f"""
import sys, time
from pathlib import Path
sys.path[:0] = {sys.path!r}
import torch
torch.set_num_threads(1)
from hawklet_trainer.data import read_photos
from hawklet_trainer.training.loop import Execution, fine_tune
from hawklet_trainer.training.speed import Speed
from hawklet_trainer.training.terms import Progress, Step, TrainConfig
from hawklet_trainer.augment import Augment, Mix
from tiny_networks import SCALE, SPEC, ZERO_POINT, TinyNet
class Slow(Progress):
    steps = 0
    def step(self, step):
        self.steps += 1
        if self.steps == 8:
            print("in the middle", flush=True)
            time.sleep(600)
torch.manual_seed(0)
config = TrainConfig(epochs=4, batch=8, lr=0.01, augment=Augment.MEDIUM, patience=99)
fine_tune(TinyNet(3), read_photos(Path({str(colour_photos)!r})), SPEC, ZERO_POINT, SCALE, config, progress=Slow(),
          execution=Execution(Speed(), checkpoint=Path({str(path)!r})))
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in the middle\n"
        process.send_signal(signal.SIGKILL)
    assert [file.name for file in tmp_path.iterdir()] == ["state.safetensors"]
    watcher = _BreaksOff()
    resumed, _ = _train(photos, path, watcher)
    assert [record.epoch for record in watcher.before] == [0, 1, 2]
    _require_equal(_train(photos, None)[0], resumed)


def test_a_training_that_has_ended_gives_its_result_again_at_once(photos: PhotoSet, tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    net, history = _train(photos, path)
    watcher = _BreaksOff(at_step=1)
    again, same = _train(photos, path, watcher, seed=1)
    _require_equal(net, again)
    assert watcher.steps == 0 and _curve(same) == _curve(history) and same.stopped_by == "epochs"


def test_patience_that_has_run_out_has_ended_a_training(photos: PhotoSet, tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    config = dataclasses.replace(CONFIG, lr=1e-12, patience=1, ema=False, freeze_batch_norm=True)
    _, history = _train(photos, path, config=config)
    assert _train(photos, path, _BreaksOff(at_step=1), config)[1].stopped_by == history.stopped_by == "patience"


def test_a_request_to_stop_leaves_the_state_of_the_last_whole_epoch(photos: PhotoSet, tmp_path: Path) -> None:
    class Impatient(Progress):
        steps = 0

        def step(self, step: Step) -> None:
            self.steps += 1

        def should_stop(self) -> bool:
            return self.steps >= 4

    path = tmp_path / "state.safetensors"
    assert _train(photos, path, Impatient())[1].stopped_by == "request"
    _require_equal(_train(photos, None)[0], _train(photos, path)[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 5}, r"epochs \(4 there, 5 now\)"),
        ({"lr": 0.5, "flip": False}, r"flip \(True there, False now\); lr"),
    ],
)
def test_the_state_of_another_training_is_refused_saying_what_differs(
    photos: PhotoSet, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    path = tmp_path / "state.safetensors"
    _train(photos, path, config=dataclasses.replace(CONFIG))
    with pytest.raises(RunError, match=message):
        _train(photos, path, config=dataclasses.replace(CONFIG, **changes))  # type: ignore[arg-type]


def test_the_state_of_a_training_on_other_photos_is_refused(
    photos: PhotoSet, draw_photos: Callable[..., Path], tmp_path: Path
) -> None:
    path = tmp_path / "state.safetensors"
    config = dataclasses.replace(CONFIG, epochs=0)
    _train(photos, path, config=config)
    with pytest.raises(RunError, match=r"differs in photos .*; split"):
        _train(read_photos(draw_photos(10, first=500)), path, config=config)


def test_the_state_of_a_training_with_another_teacher_is_refused(photos: PhotoSet, tmp_path: Path) -> None:
    path, config = tmp_path / "state.safetensors", dataclasses.replace(CONFIG, epochs=0)

    def teach(teacher: nn.Module) -> None:
        how = Execution(Speed(), checkpoint=path)
        fine_tune(TinyNet(3), photos, SPEC, ZERO_POINT, SCALE, config, teacher=Teacher(teacher), execution=how)

    one, other = TinyNet(3), TinyNet(3)
    teach(one)
    teach(one)
    with pytest.raises(RunError, match=r"differs in teacher "):
        teach(other)


@pytest.mark.parametrize("content", [b"", b"no safetensors", None])
def test_a_damaged_state_is_refused_with_the_way_out(photos: PhotoSet, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "state.safetensors"
    _train(photos, path, config=dataclasses.replace(CONFIG, epochs=0))
    path.write_bytes(path.read_bytes()[:-1000] if content is None else content)
    with pytest.raises(RunError, match="delete it to begin anew"):
        _train(photos, path, config=dataclasses.replace(CONFIG, epochs=0))


def test_weights_of_another_kind_of_file_are_no_state(photos: PhotoSet, tmp_path: Path) -> None:
    from hawklet_trainer.run import save_weights

    path = tmp_path / "state.safetensors"
    save_weights(path, TinyNet(3), ZERO_POINT, SCALE)
    with pytest.raises(RunError, match="must be the whole state of a training"):
        _train(photos, path)


class _Watch:
    """A clock that all but stands still, but for what is added."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("hawklet_trainer.training.time_limit.time", self)

    def perf_counter(self) -> float:
        self.now += 1e-6
        return self.now


def test_time_spent_before_counts_toward_the_budget(
    photos: PhotoSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, watch = tmp_path / "state.safetensors", _Watch(monkeypatch)
    config = dataclasses.replace(CONFIG, epochs=500, minutes=10.5 / 60)

    class Slow(_BreaksOff):
        def step(self, step: Step) -> None:
            watch.now += 1.0
            super().step(step)

    with pytest.raises(_Broken):
        _train(photos, path, Slow(at_step=7), config)  # two epochs of three steps are kept
    watcher = Slow()
    assert _train(photos, path, watcher, config)[1].stopped_by == "minutes"
    assert watcher.steps == 11 - 6


@pytest.mark.parametrize("at_step", [2, 5, 11])
def test_a_training_that_was_kept_within_an_epoch_goes_on_there_to_the_same_bits(
    photos: PhotoSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_step: int
) -> None:
    monkeypatch.setattr(Checkpoint, "save_now_and_then", Checkpoint.save)  # after every step
    config = dataclasses.replace(CONFIG, mix=Mix.BOTH, layer_decay=0.7, unfreeze=2, accumulate=2, batch=4)
    whole, expected = _train(photos, None, config=config)
    path = tmp_path / "state.safetensors"
    with pytest.raises(_Broken):
        _train(photos, path, _BreaksOff(at_step=at_step), config)
    counted = _BreaksOff()
    resumed, history = _train(photos, path, counted, config, seed=1)
    assert counted.steps == 4 * 3 - (at_step - 1)  # what was told when it broke off had not been kept yet
    _require_equal(whole, resumed)
    assert [(r.epoch, r.lr, r.val_loss, r.train_loss) for r in history.records[1:]] == [
        (r.epoch, r.lr, r.val_loss, r.train_loss) for r in expected.records[1:]
    ]


def test_a_training_whose_speed_was_measured_and_one_that_found_it_kept_are_the_same_to_the_bit(
    photos: PhotoSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hawklet_trainer.training.kept_speeds.folder", lambda: tmp_path / "speeds")

    def train() -> tuple[nn.Module, str]:
        torch.manual_seed(0)
        net = TinyNet(3)
        precision = fine_tune(net, photos, SPEC, ZERO_POINT, SCALE, CONFIG).precision
        return net, precision

    (first, measured), (second, kept) = train(), train()
    assert kept == f"{measured}, some time ago"
    _require_equal(first, second)
