"""Going on with a training that was broken off, training on from a finished run, and runs of pruned networks."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from hawklet import cli
from hawklet.errors import DataError, HawkletError, ProcessLostError, RunError, UsageError
from hawklet_trainer.data import read_photos
from hawklet_trainer.finish import Trained, finish_run, read_results, results_csv
from hawklet_trainer.models.architecture import Architecture, channels_of
from hawklet_trainer.models.weights import LoadedWeights, read_tensors
from hawklet_trainer.resume import ResumeOptions, resume_run
from hawklet_trainer.run import BEST, STATE, load_run
from hawklet_trainer.train import TrainOptions, train_run
from hawklet_trainer.training.terms import EpochRecord, History, Progress, Step, TrainConfig
from tiny_networks import SCALE, SPEC, ZERO_POINT, TinyNet

pytestmark = pytest.mark.usefixtures("small_network")
CONFIG = TrainConfig(epochs=3, head_epochs=4, batch=8, lr=0.01, patience=99)
SMALLER = {"down.0.0": (16, 24), "down.0.1": (24, 24), "head": (24, 3)}


class _BreaksOff(Progress):
    def __init__(self, at_step: int) -> None:
        self.steps, self.at_step = 0, at_step

    def step(self, step: Step) -> None:
        self.steps += 1
        if self.steps == self.at_step:
            raise KeyboardInterrupt


def _options(photos: Path, out: Path, name: str = "run") -> TrainOptions:
    return TrainOptions(photos, model="small", out=out, name=name, imgsz=32, config=CONFIG)


def _require_equal(one: Path, other: Path) -> None:
    theirs = read_tensors(other / BEST)[0]
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in read_tensors(one / BEST)[0].items())


def _rows(run: Path) -> list[dict[str, str]]:
    return [{**row, "seconds": "", "images_per_second": ""} for row in csv.DictReader((run / "results.csv").open())]


@pytest.mark.parametrize(("step", "before"), [(3, []), (10, [0]), (14, [0, 1])])
def test_a_training_that_was_broken_off_goes_on_in_its_folder_to_the_same_run(
    colour_photos: Path, tmp_path: Path, step: int, before: list[int]
) -> None:
    whole = train_run(_options(colour_photos, tmp_path, "whole")).run.folder
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        train_run(_options(colour_photos, tmp_path), _BreaksOff(step), said.append)
    folder = tmp_path / "run"
    assert f"broken off; go on with: hawklet train --resume {folder}" in said
    assert (folder / STATE).is_file() is bool(before)
    with pytest.raises(RunError, match="go on with: hawklet train --resume"):
        load_run(folder)

    class Watcher(Progress):
        done: tuple[int, ...] = ()

        def resumed(self, records: list[EpochRecord]) -> None:
            self.done = tuple(record.epoch for record in records)

    watcher = Watcher()
    result = resume_run(ResumeOptions(folder), watcher)
    assert list(watcher.done) == before
    _require_equal(whole, folder)
    assert _rows(whole) == _rows(folder) and len(_rows(folder)) == 4
    assert not (folder / STATE).exists()
    assert result.run.manifest["weights"] == {"source": "small", "sha256": ""}
    assert result.run.manifest["metrics"] == load_run(whole).manifest["metrics"]


def test_a_training_whose_other_process_is_lost_says_how_to_go_on_and_keeps_its_state(
    colour_photos: Path, tmp_path: Path
) -> None:
    class Loses(Progress):
        steps = 0

        def step(self, step: Step) -> None:
            self.steps += 1
            if self.steps == 10:
                raise RuntimeError("[gloo/transport/tcp/pair.cc:561] Connection closed by peer [127.0.0.1]:62618")

    said: list[str] = []
    with pytest.raises(ProcessLostError, match="one of the others has ended"):
        train_run(_options(colour_photos, tmp_path), Loses(), said.append)
    assert f"broken off; go on with: hawklet train --resume {tmp_path / 'run'}" in said
    assert (tmp_path / "run" / STATE).is_file()


def test_an_option_that_turns_out_impossible_leaves_no_folder_but_one_that_was_there(
    colour_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train_run(_options(colour_photos, tmp_path, "first")).run.folder
    with pytest.raises(KeyboardInterrupt):
        train_run(_options(colour_photos, tmp_path, "broken"), _BreaksOff(3))

    def impossible(*_: object) -> None:
        raise UsageError("--compile yes needs a network that torch can compile here")

    for where in ("fastest_way", "plan_epoch"):  # before the start is judged, and after
        for begin in (
            lambda: train_run(_options(colour_photos, tmp_path)),
            lambda: resume_run(ResumeOptions(first)),
            lambda: resume_run(ResumeOptions(tmp_path / "broken")),
        ):
            with monkeypatch.context() as patch, pytest.raises(UsageError, match="--compile yes"):
                patch.setattr(f"hawklet_trainer.training.loop.{where}", impossible)
                begin()
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"first", "broken"}


def test_a_finished_run_is_trained_on_beside_itself_on_its_own_split_and_options(
    colour_photos: Path, tmp_path: Path
) -> None:
    first = train_run(_options(colour_photos, tmp_path)).run
    again = resume_run(ResumeOptions(first.folder, given={"epochs": 0})).run
    assert again.folder == tmp_path / "run-2" and again.name == "run-2"
    _require_equal(first.folder, again.folder)
    assert (again.folder / "split.csv").read_text() == (first.folder / "split.csv").read_text()
    assert again.config() == replace(first.config(), epochs=0, head_epochs=0)
    assert again.manifest["weights"]["source"] == str(first.folder / BEST)


def test_training_on_that_was_broken_off_goes_on_too(colour_photos: Path, tmp_path: Path) -> None:
    first = train_run(_options(colour_photos, tmp_path)).run.folder
    whole = resume_run(ResumeOptions(first, given={"epochs": 2})).run.folder
    for step in (2, 5):
        with pytest.raises(KeyboardInterrupt):
            resume_run(ResumeOptions(first, given={"epochs": 2, "name": "cut"}), _BreaksOff(step))
    for folder in (tmp_path / "cut", tmp_path / "cut-2"):
        resume_run(ResumeOptions(folder))
        _require_equal(whole, folder)


def test_a_rate_that_is_to_be_found_is_found_once_and_kept_for_who_goes_on(colour_photos: Path, tmp_path: Path) -> None:
    said: list[str] = []
    options = replace(_options(colour_photos, tmp_path), find_lr=True)
    with pytest.raises(KeyboardInterrupt):
        train_run(options, _BreaksOff(10), said.append)
    assert not [line for line in said if line.startswith("learning rate:")]  # it was in the midst of finding it
    with pytest.raises(KeyboardInterrupt):
        resume_run(ResumeOptions(tmp_path / "run"), _BreaksOff(70), said.append)
    [line] = [line for line in said if line.startswith("learning rate:")]
    said.clear()
    run = resume_run(ResumeOptions(tmp_path / "run"), say=said.append).run
    assert not [line for line in said if line.startswith("learning rate:")]
    assert f"{run.config().highest_lr:.2g}" in line and run.config().lr is not None
    found = resume_run(ResumeOptions(run.folder, given={"epochs": 1, "lr": "auto"}), say=said.append).run
    assert any(line.startswith("learning rate:") for line in said) and found.config().lr is not None


def test_a_rate_test_that_is_asked_to_stop_leaves_the_head_and_no_rate(colour_photos: Path, tmp_path: Path) -> None:
    class Stops(Progress):
        testing = asked = False

        def phase(self, title: str, steps: int) -> None:
            self.testing = title == "learning rate"

        def should_stop(self) -> bool:
            self.asked |= self.testing
            return self.asked

    said: list[str] = []
    options = replace(_options(colour_photos, tmp_path), find_lr=True)
    run = train_run(replace(options, config=replace(options.config, head_epochs=1)), Stops(), said.append).run
    assert not [line for line in said if line.startswith("learning rate:")]
    assert run.config().lr == CONFIG.lr and run.manifest["training"]["stopped_by"] == "request"


def test_a_taught_training_goes_on_and_is_trained_on_with_its_teacher(
    colour_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = train_run(_options(colour_photos, tmp_path, "teacher")).run.folder
    monkeypatch.chdir(tmp_path)
    options = replace(_options(colour_photos, tmp_path, "taught"), teacher=Path("teacher"))
    whole = train_run(options).run.folder
    with pytest.raises(KeyboardInterrupt):
        train_run(replace(options, name="cut"), _BreaksOff(10))
    monkeypatch.chdir("/")
    resume_run(ResumeOptions(tmp_path / "cut"))
    _require_equal(whole, tmp_path / "cut")
    again = resume_run(ResumeOptions(whole, given={"epochs": 1})).run.folder
    assert yaml.safe_load((again / "args.yaml").read_text())["teacher"] == str(teacher)


def test_a_teacher_that_has_learned_from_what_judges_its_student_is_told_of(
    colour_photos: Path, tmp_path: Path
) -> None:
    other_split = replace(_options(colour_photos, tmp_path, "teacher"), config=replace(CONFIG, seed=5))
    teacher = train_run(other_split).run.folder
    said: list[str] = []
    train_run(replace(_options(colour_photos, tmp_path), teacher=teacher), say=said.append)
    assert any(line.startswith("warning: the teacher has learned from") for line in said)


def test_a_teacher_of_other_classes_is_refused_naming_them(
    colour_photos: Path, tmp_path: Path, draw_photos: Callable[..., Path]
) -> None:
    teacher = train_run(_options(colour_photos, tmp_path, "teacher")).run.folder
    others = draw_photos(6)
    (others / "red").rename(others / "crimson")
    with pytest.raises(UsageError, match="differs in crimson, red"):
        train_run(replace(_options(others, tmp_path), teacher=teacher))


@pytest.fixture
def pruned_run(colour_photos: Path, tmp_path: Path) -> Path:
    """A run of a network with fewer channels than its model has."""
    photos = read_photos(colour_photos)
    net = Architecture("small", channels=SMALLER).build(3, 32, 32)
    architecture = Architecture("small", channels=channels_of(net, TinyNet(3)))
    records = [EpochRecord(0, "fine-tune", 0.0, float("nan"), 1.0, 33.0, 1.0)]
    trained = Trained(
        net,
        architecture,
        photos,
        SPEC,
        ZERO_POINT,
        SCALE,
        CONFIG,
        History(records),
        records,
        {"prune": 0.25},
        LoadedWeights("runs/flowers", "00"),
        {"pruned_from": "flowers"},
    )
    return finish_run(tmp_path / "pruned", trained).run.folder


def test_a_pruned_network_is_a_run_like_any_other(pruned_run: Path) -> None:
    run = load_run(pruned_run)
    assert run.architecture.channels == SMALLER and run.manifest["pruned_from"] == "flowers"
    assert run.build()(torch.zeros(1, 3, 32, 32)).shape == (1, 3)
    page = (pruned_run / "report.html").read_text()
    assert "small, pruned" in page and "3 layers have" in page
    assert yaml.safe_load((pruned_run / "args.yaml").read_text()) == {"prune": 0.25}


def test_a_pruned_run_is_trained_on_with_its_channels(pruned_run: Path) -> None:
    again = resume_run(ResumeOptions(pruned_run, given={"epochs": 1})).run
    assert again.architecture.channels == SMALLER and again.pixel_zero_point == ZERO_POINT
    again.build()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channels": {"head": [0, 3]}}, "a run's channels must be two numbers"),
        ({"channels": {"tail": [1, 3]}}, "'tail' is none"),
        ({"channels": {**SMALLER, "head": (23, 3)}}, "must hold the weights of small, pruned"),
        ({"channels": {}}, "must hold the weights of small; it does not"),
        ({"width_multiplier": 99}, "width_multiplier must be"),
    ],
)
def test_an_architecture_that_does_not_fit_its_weights_is_refused(
    pruned_run: Path, change: dict[str, object], message: str
) -> None:
    manifest = json.loads((pruned_run / "manifest.json").read_text())
    (pruned_run / "manifest.json").write_text(json.dumps({**manifest, **change}))
    with pytest.raises(RunError, match=message):
        load_run(pruned_run).build()


def test_what_a_manifest_says_anyway_is_not_replaced(pruned_run: Path, colour_photos: Path) -> None:
    run = load_run(pruned_run)
    loaded, extra = LoadedWeights("none", ""), {"labels": []}
    trained = Trained(
        run.build(), run.architecture, run.photos(), SPEC, 0, 1.0, CONFIG, History(), [], {}, loaded, extra
    )
    with pytest.raises(ValueError, match="got 'labels'"):
        finish_run(pruned_run, trained)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"weights": "none"}, UsageError, "stay a finished run's own .* got --weights too"),
        ({"imgsz": 64}, UsageError, "got --imgsz too"),
        ({"model": "resnet18"}, UsageError, "--model must be the run's own, which is 'small'"),
        ({"batch": 1, "freeze_batch_norm": False}, UsageError, "--batch must be 2 or more"),
        ({"name": "a/b"}, UsageError, "--name must be"),
    ],
)
def test_a_request_that_a_finished_run_cannot_meet_is_refused(
    pruned_run: Path, given: dict[str, object], error: type[HawkletError], message: str
) -> None:
    with pytest.raises(error, match=message):
        resume_run(ResumeOptions(pruned_run, given=given))
    assert [path.name for path in pruned_run.parent.iterdir()] == ["pruned"]


def test_what_was_broken_off_takes_no_other_options(colour_photos: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_run(_options(colour_photos, tmp_path), _BreaksOff(10))
    folder = tmp_path / "run"
    with pytest.raises(UsageError, match=r"goes on as it began .* got --epochs too"):
        resume_run(ResumeOptions(folder, given={"epochs": 9}))
    for choice in ("yes", "no"):
        assert _call("train", "--resume", str(folder), "--compile", choice) == 2
    with pytest.raises(DataError, match=r"no folder .*gone; say where they are now: hawklet train --resume"):
        resume_run(ResumeOptions(folder, photos=tmp_path / "gone"))
    (folder / "args.yaml").write_text("photos: x\n")
    with pytest.raises(RunError, match="--resume needs a run folder as hawklet train begins one"):
        resume_run(ResumeOptions(folder))


def test_a_folder_that_is_no_run_is_not_gone_on_with(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no folder"):
        resume_run(ResumeOptions(tmp_path / "nowhere"))
    with pytest.raises(RunError, match="--resume needs a run folder"):
        resume_run(ResumeOptions(tmp_path))


def test_results_are_read_as_they_were_written() -> None:
    records = [EpochRecord(0, "head", 0.001, 0.5, 0.25, 90.0, 1.5)]
    assert read_results(results_csv(records)) == records


OWN = """
from torch import nn

def build(classes):
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
                         nn.Flatten(), nn.Linear(8, classes))
"""


def _call(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main(list(words))
    return int(end.value.code or 0)


def test_a_users_own_network_is_trained_broken_off_and_imported_only_when_it_is_named_again(
    colour_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own_net.py").write_text(OWN)
    words = ["--model", "own_net:build", "--out", "runs", "--imgsz", "32", "--batch", "8", "--head-epochs", "1"]
    command = [sys.executable, "-m", "hawklet", "train", str(colour_photos), *words]
    with subprocess.Popen(
        [*command, "--epochs", "400", "--patience", "400"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch   2"):
                process.send_signal(signal.SIGTERM)
                break
        rest = process.stdout.read()
    run = "runs/colours-own_net-build"
    assert process.returncode == 143
    assert f"go on with: hawklet train --resume {run} --model own_net:build" in rest
    began = yaml.safe_load((tmp_path / run / "args.yaml").read_text())
    assert began["started_with"]["model"] == "own_net:build"

    monkeypatch.chdir(tmp_path)
    assert _call("train", "--resume", run) == 1
    assert "a run must not choose what code is imported" in capsys.readouterr().err
    assert "own_net" not in sys.modules
    assert (tmp_path / run / STATE).is_file()

    short = "runs/short"
    assert _call("train", str(colour_photos), *words, "--epochs", "1", "--name", "short") == 0
    assert f"hawklet convert {short} --model own_net:build" in capsys.readouterr().out
    sys.modules.pop("own_net")
    with pytest.raises(RunError, match=r"if you trust that code, say so .* --model own_net:build"):
        load_run(short)
    with pytest.raises(UsageError, match="--model must be the run's own"):
        load_run(short, "other_net:build")
    assert "own_net" not in sys.modules
    assert load_run(short, "own_net:build").build()(torch.zeros(1, 3, 32, 32)).shape == (1, 3)
    assert _call("train", "--resume", short, "--model", "own_net:build", "--lr", "0.001") == 0
    again = load_run("runs/short-2", "own_net:build")
    assert again.config().lr == 0.001 and again.config().batch == 8 and again.config().epochs == 1
    assert _call("evaluate", short, "--model", "own_net:build") == 0
    assert "macro F1" in capsys.readouterr().out
    sys.modules.pop("own_net", None)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), 2, "hawklet train needs PHOTOS"),
        (("--resume", "nowhere"), 1, "there is no folder nowhere"),
        (("{photos}", "--width", "0.5"), 2, "pretrained weights exist for --width 1 only, got --width 0.5"),
        (("{photos}", "--width", "0.5", "--model", "resnet18"), 2, "a width multiplier (--width) exists for"),
        (("{photos}", "--model", "no_such_module:build"), 2, "must name a module that can be imported"),
        (("{photos}", "--imgsz", "64", "--model", "inception_v3"), 2, "at least 96 with --model inception_v3, got 64"),
    ],
)
def test_a_bad_request_is_one_clear_line(
    colour_photos: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, message: str
) -> None:
    assert _call("train", *(word.format(photos=colour_photos) for word in words)) == code
    errors = capsys.readouterr().err
    assert message in errors and "Traceback" not in errors


def test_a_narrow_network_is_trained_and_built_again(colour_photos: Path, tmp_path: Path) -> None:
    words = ("--model", "mobilenet_v3_small", "--width", "0.5", "--weights", "none", "--imgsz", "32", "--batch", "8")
    assert _call("train", str(colour_photos), *words, "--epochs", "0", "--out", str(tmp_path), "--name", "narrow") == 0
    run = load_run(tmp_path / "narrow")
    assert run.architecture == Architecture("mobilenet_v3_small", 0.5)
    assert "mobilenet_v3_small, width 0.5" in (tmp_path / "narrow" / "report.html").read_text()
    run.build()
