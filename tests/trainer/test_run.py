"""The run folder, written by a whole (tiny) training through the command line and read back."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from hawklet import cli
from hawklet.errors import DataError, RunError, UsageError
from hawklet_trainer.augment import Augment
from hawklet_trainer.data import load_pixels
from hawklet_trainer.evaluation.metrics import accuracy_of
from hawklet_trainer.models.weights import read_tensors
from hawklet_trainer.run import Run, load_run, new_run_folder, run_name, save_weights

TINY = ("--weights", "none", "--imgsz", "64", "--batch", "8", "--no-flip")


def _call(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main(list(words))
    return int(end.value.code or 0)


@pytest.fixture(scope="module")
def run_folder(colour_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of one epoch from random weights, through the command line."""
    out = tmp_path_factory.mktemp("runs")
    words = ("--model", "resnet18", "--epochs", "1", "--out", str(out), "--name", "tiny")
    assert _call("train", str(colour_photos), *words, *TINY) == 0
    return out / "tiny"


def test_a_run_has_every_file_that_the_architecture_names(run_folder: Path) -> None:
    files = {path.relative_to(run_folder).as_posix() for path in run_folder.rglob("*") if path.is_file()}
    events = {name for name in files if name.startswith("events.out.tfevents")}
    assert len(events) == 1
    assert files - events == {
        "args.yaml",
        "confusion_matrix.png",
        "labels.txt",
        "manifest.json",
        "report.html",
        "results.csv",
        "split.csv",
        "weights/best.safetensors",
        "weights/last.safetensors",
    }


def test_the_manifest_says_what_was_done(run_folder: Path, colour_photos: Path) -> None:
    manifest = json.loads((run_folder / "manifest.json").read_text())
    assert manifest["schema"] == "hawklet-run/1" and manifest["model"] == "resnet18"
    assert manifest["labels"] == ["blue", "green", "red"]
    assert manifest["data"]["path"] == str(colour_photos)
    assert manifest["data"]["counts"] == {"train": 24, "val": 6, "test": 6}
    assert manifest["weights"] == {"source": "none", "sha256": ""}
    assert 0 <= manifest["metrics"]["test"]["top1"] <= 100
    assert manifest["preprocess"]["height"] == 64


def test_results_and_arguments_are_plain_files(run_folder: Path) -> None:
    rows = list(csv.DictReader((run_folder / "results.csv").open()))
    assert [row["epoch"] for row in rows] == ["0", "1"] and float(rows[1]["train_loss"]) > 0
    arguments = yaml.safe_load((run_folder / "args.yaml").read_text())
    assert arguments["flip"] is False and arguments["epochs"] == 1 and arguments["model"] == "resnet18"


def test_the_built_network_scores_what_the_manifest_says(run_folder: Path) -> None:
    run = load_run(run_folder)
    net = run.build()
    pixels, labels = load_pixels(run.photos().items("test"), run.spec)
    top1 = accuracy_of(net, pixels, labels, run.pixel_zero_point, run.pixel_scale)
    assert top1 == pytest.approx(run.manifest["metrics"]["test"]["top1"])
    with torch.inference_mode():
        assert net(torch.zeros(2, 3, 64, 64)).shape == (2, 3)


def test_a_run_says_how_its_loop_was_set(run_folder: Path) -> None:
    config = load_run(run_folder).config(epochs=7)
    assert config.epochs == 7 and config.flip is False and config.augment is Augment.LIGHT


def test_a_run_of_an_older_hawklet_says_default_where_medium_is_meant(run_folder: Path, tmp_path: Path) -> None:
    older = tmp_path / "older"
    shutil.copytree(run_folder, older)
    manifest = json.loads((older / "manifest.json").read_text())
    manifest["training"]["config"]["augment"] = "default"
    (older / "manifest.json").write_text(json.dumps(manifest))
    assert load_run(older).config().augment is Augment.MEDIUM


def test_photos_that_moved_are_refused_until_their_new_place_is_named(
    run_folder: Path, colour_photos: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(colour_photos, moved)
    broken = tmp_path / "run"
    shutil.copytree(run_folder, broken)
    manifest = json.loads((broken / "manifest.json").read_text())
    manifest["data"]["path"] = str(tmp_path / "gone")
    (broken / "manifest.json").write_text(json.dumps(manifest))
    run = load_run(broken)
    with pytest.raises(DataError, match=r"no folder .*gone; name their new place with --photos"):
        run.photos()
    assert run.photos(folder=moved).counts() == {"train": 24, "val": 6, "test": 6}


def test_the_report_needs_nothing_from_outside_and_is_small(run_folder: Path) -> None:
    page = (run_folder / "report.html").read_text()
    assert not re.search(r"""(src|href)=["'](?!data:)""", page) and "http://" not in page and "https://" not in page
    assert len(page) < 5_000_000
    for expected in ("precision", "recall", "F1", "Confusion", "blue", "<polyline"):
        assert expected in page


def test_the_report_shows_labels_as_text_and_never_as_markup(tmp_path: Path, colour_photos: Path) -> None:
    photos = tmp_path / "photos"
    shutil.copytree(colour_photos / "red", photos / "<b>red")
    shutil.copytree(colour_photos / "blue", photos / "$5_$10 花")
    words = ("--model", "mobilenet_v3_small", "--epochs", "0", "--out", str(tmp_path), "--name", "odd")
    assert _call("train", str(photos), *words, *TINY) == 0
    page = (tmp_path / "odd" / "report.html").read_text()
    assert "<b>red" not in page and "&lt;b&gt;red" in page


def test_the_confusion_matrix_is_a_picture(run_folder: Path) -> None:
    with Image.open(run_folder / "confusion_matrix.png") as picture:
        assert picture.format == "PNG" and min(picture.size) > 200


def test_a_name_that_exists_gets_a_number(tmp_path: Path) -> None:
    names = [new_run_folder(tmp_path, "flowers").name for _ in range(3)]
    assert names == ["flowers", "flowers-2", "flowers-3"]


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "x" * 101])
def test_a_name_that_is_a_path_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="--name"):
        run_name(name, Path("photos"), "resnet18")


@pytest.mark.parametrize(
    ("folder", "name"),
    [("my photos!", "my-photos-resnet18"), ("/", "photos-resnet18"), ("_raw", "raw-resnet18")],
)
def test_without_a_name_the_run_is_named_after_folder_and_model(folder: str, name: str) -> None:
    assert run_name(None, Path(folder), "resnet18") == name


def test_training_on_from_a_run_starts_with_its_weights(run_folder: Path, colour_photos: Path, tmp_path: Path) -> None:
    best = run_folder / "weights" / "best.safetensors"
    words = ("--model", "resnet18", "--imgsz", "64", "--weights", str(best), "--epochs", "0", "--head-epochs", "0")
    assert _call("train", str(colour_photos), *words, "--out", str(tmp_path), "--name", "again") == 0
    again = read_tensors(tmp_path / "again" / "weights" / "best.safetensors")[0]
    assert all(torch.equal(tensor, again[name]) for name, tensor in read_tensors(best)[0].items())


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda run: shutil.rmtree(run), "there is no folder"),
        (lambda run: (run / "manifest.json").unlink(), "there is none in"),
        (lambda run: (run / "manifest.json").write_text("{"), "must be a run's manifest"),
        (lambda run: (run / "manifest.json").write_text("{}"), "schema must be hawklet-run/1, got None"),
        (lambda run: (run / "manifest.json").write_text("[]"), "schema must be hawklet-run/1, got 'list'"),
    ],
)
def test_what_is_not_a_finished_run_is_refused_saying_why(
    run_folder: Path, tmp_path: Path, spoil: object, message: str
) -> None:
    run = tmp_path / "run"
    shutil.copytree(run_folder, run)
    assert callable(spoil)
    spoil(run)
    with pytest.raises(RunError, match=message):
        load_run(run)


def test_weights_of_another_network_in_a_run_are_refused(run_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(run_folder, run)
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps({**manifest, "model": "mobilenet_v2"}))
    with pytest.raises(RunError, match="must hold the weights of mobilenet_v2"):
        load_run(run).build()


def _with_weights(run: Path, spoil: Callable[[dict[str, torch.Tensor]], None], zero_point: int, scale: float) -> Run:
    net = load_run(run).build()
    state = net.state_dict()
    spoil(state)
    net.load_state_dict(state)
    save_weights(run / "weights" / "best.safetensors", net, zero_point, scale)
    return load_run(run)


def test_weights_that_are_no_numbers_or_for_other_pixels_are_refused(run_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(run_folder, run)
    known = load_run(run)
    other = _with_weights(run, lambda state: None, known.pixel_zero_point + 1, known.pixel_scale)
    with pytest.raises(RunError, match="they are another run's"):
        other.build()
    shutil.rmtree(run)
    shutil.copytree(run_folder, run)
    broken = _with_weights(
        run, lambda state: state["fc.bias"].fill_(float("nan")), known.pixel_zero_point, known.pixel_scale
    )
    with pytest.raises(RunError, match=r"must be finite numbers; fc\.bias"):
        broken.build()


def test_a_run_whose_name_is_a_path_is_refused(run_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(run_folder, run)
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps({**manifest, "name": "../evil"}))
    with pytest.raises(RunError, match="a run's name must be letters"):
        load_run(run)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("nowhere",), 1, "there is no folder nowhere"),
        (("{photos}", "--model", "resnet"), 2, "did you mean resnet"),
        (("{photos}", "--imgsz", "100"), 2, "--imgsz must be a multiple of 32, got 100; set --imgsz 96"),
        (("{photos}", "--weights", "no.pth", "--out", "{out}"), 1, "there is no file no.pth"),
        (("{photos}", "--fit", "squash", "--crop-fraction", "0.9"), 2, "leave --crop-fraction out"),
        (("{photos}", "--name", "a/b", "--weights", "none"), 2, "--name must be letters"),
        (("{photos}", "--augment", "wild"), 2, "'wild' is not one of"),
        (("{photos}", "--seed", "-1"), 2, "--seed"),
        (("{photos}", "--weights", "none", "--batch", "1"), 2, "--batch must be 2 or more"),
    ],
)
def test_a_bad_request_is_one_clear_line(
    colour_photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    filled = [word.format(photos=colour_photos, out=tmp_path) for word in words]
    assert _call("train", *filled) == code
    errors = capsys.readouterr().err
    assert message in errors and "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_training_keeps_what_it_has_and_finishes_its_run(colour_photos: Path, tmp_path: Path) -> None:
    words = ["train", str(colour_photos), "--model", "mobilenet_v3_small", "--epochs", "500", "--patience", "500"]
    words += ["--out", str(tmp_path), "--name", "cut", *TINY]
    with subprocess.Popen(
        [sys.executable, "-m", "hawklet", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"},
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch"):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stdout.read()
    assert process.returncode == 0, rest
    run = load_run(tmp_path / "cut")
    assert run.manifest["training"]["stopped_by"] == "request"
    last = read_tensors(run.folder / "weights" / "last.safetensors")[0]
    run.build().load_state_dict(last)


def test_weights_list_names_every_network(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert _call("weights", "list") == 0
    shown = capsys.readouterr().out
    for name in ("mobilenet_v2", "resnet50", "efficientnet_lite0"):
        assert name in shown


def test_weights_fetch_prints_the_path_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert _call("weights", "fetch", "efficientnet_lite0") == 0
    assert Path(capsys.readouterr().out.strip()).is_file()


def test_pixels_of_the_run_are_bytes(run_folder: Path) -> None:
    run = load_run(run_folder)
    assert load_pixels(run.photos().items("val"), run.spec, limit=2)[0].dtype == np.uint8
