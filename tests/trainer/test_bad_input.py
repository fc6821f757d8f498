"""What a user may get wrong, and what a machine may: one clear line, the right exit code, and nothing is lost."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from hawklet import cli, safefiles
from hawklet_trainer.run import BEST, STATE, load_run

pytestmark = pytest.mark.usefixtures("small_network")
TINY = ("--model", "small", "--imgsz", "32", "--batch", "8", "--head-epochs", "2", "--epochs", "3", "--name", "run")
OWN = """
from torch import nn

def build(classes):
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
                         nn.Flatten(), nn.Linear(8, classes))
"""
Printed = pytest.CaptureFixture[str]


def _call(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main([str(word) for word in words])
    return int(end.value.code or 0)


def _train(photos: Path, out: Path, *more: str | Path) -> int:
    return _call("train", photos, *TINY, "--out", out, *more)


def _error(printed: Printed) -> str:
    """The one line of an error."""
    shown = printed.readouterr()
    assert "Traceback" not in shown.err + shown.out and "internal error" not in shown.err
    (line,) = [line for line in shown.err.splitlines() if line.startswith("hawklet: ")]
    return line


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


# Options that would not be heard


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (("--distil", "0.5"), "--distil says how a teacher is learned from"),
        (("--temperature", "3"), "--temperature says how a teacher is learned from"),
        (("--epochs", "0", "--teacher", "big"), "--teacher is of fine-tuning"),
        (("--unfreeze", "3"), "must leave an epoch in which all blocks learn"),
        (("--weights", "none"), "--head-epochs trains the head alone"),
        (("--lr", "fast"), "'fast' is no learning rate; give a number above 0, such as 0.001, or auto."),
        (("--lr", "0"), "'0' is no learning rate"),
        (("--imgsz", "big"), "'big' is no input side; give pixels, 32 to 1024, such as 224, or auto."),
        (("--model", "mobilnet_v2"), "got 'mobilnet_v2'; did you mean mobilenet_v2? All of them: hawklet models\n"),
        (("--model", "zzz"), "got 'zzz'; all of them: hawklet models\n"),
    ],
)
def test_options_that_would_not_be_heard_are_refused_before_anything_is_read(
    words: tuple[str, ...], rule: str, tmp_path: Path, capsys: Printed
) -> None:
    assert _train(tmp_path / "nowhere", tmp_path / "runs", *words) == 2
    assert rule in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


# The photos


def _text_files(photos: Path) -> None:
    for path in _files(photos):
        path.rename(path.with_suffix(".txt"))


def _text_files_called_pictures(photos: Path) -> None:
    for path in _files(photos):
        path.write_text("no picture, but words\n")


def _one_class(photos: Path) -> None:
    shutil.rmtree(photos / "red")
    shutil.rmtree(photos / "blue")


def _one_picture_per_class(photos: Path) -> None:
    for folder in photos.iterdir():
        for path in sorted(folder.iterdir())[1:]:
            path.unlink()


def _a_class_that_train_lacks(photos: Path) -> None:
    for split, labels in (("train", ("red", "blue")), ("val", ("red", "blue", "green"))):
        for label in labels:
            shutil.copytree(photos / label, photos / split / label)
    for label in ("red", "green", "blue"):
        shutil.rmtree(photos / label)


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (_text_files, "no pictures"),
        (_text_files_called_pictures, "0 different readable picture"),
        (_one_class, "at least two classes, got 1"),
        (_one_picture_per_class, "1 different readable picture"),
        (_a_class_that_train_lacks, "'green' only in val"),
    ],
)
def test_photos_that_cannot_be_trained_on_are_refused_and_left_alone(
    draw_photos: Callable[..., Path], tmp_path: Path, capsys: Printed, spoil: Callable[[Path], None], rule: str
) -> None:
    photos = draw_photos(5)
    spoil(photos)
    before = {path: path.read_bytes() for path in _files(photos)}
    assert _train(photos, tmp_path / "runs") == 1
    assert rule in _error(capsys)
    assert {path: path.read_bytes() for path in _files(photos)} == before
    assert not (tmp_path / "runs").exists()


def _bomb(side: int) -> bytes:
    """A small PNG of ``side`` x ``side`` black pixels, of which the first rows are there."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(3 * side + 1) * 8, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_decompression_bomb_among_good_pictures_is_named_and_left_out(
    draw_photos: Callable[..., Path], tmp_path: Path, capsys: Printed
) -> None:
    photos = draw_photos(6)
    (photos / "red" / "bomb.png").write_bytes(_bomb(60_000))
    assert _train(photos, tmp_path / "runs") == 0
    shown = capsys.readouterr()
    assert "red/bomb.png" in shown.out and "Traceback" not in shown.err
    assert sum(load_run(tmp_path / "runs" / "run").manifest["data"]["counts"].values()) == 18


# The machine


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets every write of a file of some name fail as on a full disk, after the first ``spare`` of them."""

    def fill(name: str, spare: int = 0) -> None:
        left = [spare]

        def fsync(descriptor: int, real: Callable[[int], None] = os.fsync) -> None:
            if name in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
                left[0] -= 1
                if left[0] < 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(descriptor)

        monkeypatch.setattr(safefiles.os, "fsync", fsync)

    return fill


@pytest.mark.parametrize(
    ("name", "spare"),
    [("results.csv", 2), ("last.safetensors", 2), ("state.safetensors", 2), ("report.html", 0), ("manifest.json", 0)],
)
def test_a_disk_that_fills_up_costs_nothing_that_was_learned(
    colour_photos: Path,
    tmp_path: Path,
    capsys: Printed,
    monkeypatch: pytest.MonkeyPatch,
    full_disk: Callable[..., None],
    name: str,
    spare: int,
) -> None:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc")
    full_disk(name, spare)
    assert _train(colour_photos, tmp_path) == 1
    shown = capsys.readouterr()
    run = tmp_path / "run"
    assert f"go on with: hawklet train --resume {run}" in shown.out
    (error,) = shown.err.splitlines()
    assert "No space left on device; free some, or name another place" in error and name in error
    assert (run / STATE).is_file() and not [path for path in _files(run) if path.name.endswith(("~", ".tmp"))]
    assert not [path for path in _files(run) if path.name.startswith(".")]
    monkeypatch.undo()
    assert _call("train", "--resume", run) == 0
    load_run(run).build()


def test_a_place_for_runs_that_is_a_file_is_refused_before_anything_is_read(
    colour_photos: Path, tmp_path: Path, capsys: Printed
) -> None:
    (tmp_path / "runs").write_text("a note")
    assert _train(colour_photos, tmp_path / "runs") == 1
    shown = capsys.readouterr()
    assert "checking the pictures" not in shown.out
    assert f"--out must be a folder that can be written to (File exists): {tmp_path / 'runs'}" in shown.err
    assert (tmp_path / "runs").read_text() == "a note"


def test_a_place_for_runs_that_may_not_be_written_is_refused_before_anything_is_read(
    colour_photos: Path, tmp_path: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **more: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(tempfile, "mkstemp", refuse)  # root may write everywhere
    (tmp_path / "runs").mkdir()
    assert _train(colour_photos, tmp_path / "runs") == 1
    error = _error(capsys)
    assert f"--out must be a folder that can be written to (Permission denied): {tmp_path / 'runs'}" in error
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_process_that_reads_pictures_and_is_killed_ends_the_training_in_one_line(
    colour_photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "own_net.py").write_text(OWN)
    words = ["train", str(colour_photos), "--model", "own_net:build", "--imgsz", "32", "--batch", "8", "--name", "run"]
    words += ["--epochs", "500", "--patience", "500", "--head-epochs", "0", "--cache", "none", "--workers", "1"]
    with subprocess.Popen(
        [sys.executable, "-m", "hawklet", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"},
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        for line in process.stdout:
            if line.startswith("epoch   2"):
                os.kill(_child_of(process.pid), signal.SIGKILL)
                break
        rest, errors = process.stdout.read(), process.stderr.read()
    assert process.returncode == 1, errors
    assert "a process that reads pictures was killed" in errors and "use --workers 0" in errors
    assert "Traceback" not in errors and "go on with: hawklet train --resume runs/run" in rest
    assert (tmp_path / "runs" / "run" / STATE).is_file()


def _child_of(parent: int) -> int:
    """The first child, which reads pictures."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return int(children[0])


# What is asked for


def test_a_loss_that_is_no_number_ends_the_training_with_what_to_try_and_keeps_the_best(
    colour_photos: Path, tmp_path: Path, capsys: Printed
) -> None:
    assert _train(colour_photos, tmp_path, "--lr", "1e9") == 1
    shown = capsys.readouterr()
    (error,) = shown.err.splitlines()
    assert error.startswith("hawklet: ") and "lower --lr" in error and "Traceback" not in error
    best = tmp_path / "run" / BEST
    assert f"--weights {best}" in shown.out
    assert _train(colour_photos, tmp_path, "--weights", best, "--epochs", "1") == 0


def test_weights_of_another_network_are_refused(colour_photos: Path, tmp_path: Path, capsys: Printed) -> None:
    assert _train(colour_photos, tmp_path, "--epochs", "0") == 0
    best = tmp_path / "run" / BEST
    capsys.readouterr()
    assert _train(colour_photos, tmp_path / "other", "--model", "resnet18", "--weights", best) == 1
    error = _error(capsys)
    assert str(best) in error and "does not fit --model resnet18" in error
    assert not (tmp_path / "other").exists()


def test_a_run_of_another_network_is_not_gone_on_with(colour_photos: Path, tmp_path: Path, capsys: Printed) -> None:
    assert _train(colour_photos, tmp_path, "--epochs", "0") == 0
    capsys.readouterr()
    assert _call("train", "--resume", tmp_path / "run", "--model", "resnet18") == 2
    assert "--model must be the run's own, which is 'small'" in _error(capsys)


def test_the_state_of_another_training_is_not_gone_on_with(
    colour_photos: Path,
    tmp_path: Path,
    capsys: Printed,
    full_disk: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, more in (("run", ()), ("other", ("--lr", "0.01", "--name", "other"))):
        full_disk("last.safetensors", 2)
        assert _train(colour_photos, tmp_path, *more) == 1, name
        monkeypatch.undo()
    shutil.copy(tmp_path / "other" / STATE, tmp_path / "run" / STATE)
    capsys.readouterr()
    assert _call("train", "--resume", tmp_path / "run") == 1
    assert "differs in lr (0.01 there" in _error(capsys)


def test_photos_taken_for_an_address_are_told_of(colour_photos: Path, capsys: Printed) -> None:
    pytest.importorskip("mlflow")
    assert _call("train", "--mlflow", colour_photos) == 2
    assert "--mlflow takes a tracking URI (http:, https:, file:, sqlite:" in _error(capsys)
