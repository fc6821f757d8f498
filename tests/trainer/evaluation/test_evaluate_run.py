"""`hawklet evaluate`: a run measured anew, on its own pictures or on others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from hawklet import cli
from hawklet_trainer.run import load_run


@pytest.fixture(scope="module")
def run_folder(colour_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of one epoch from random weights."""
    out = tmp_path_factory.mktemp("runs")
    words = ("--model", "resnet18", "--epochs", "1", "--weights", "none", "--imgsz", "32", "--batch", "8")
    assert _call("train", str(colour_photos), *words, "--out", str(out), "--name", "tiny") == 0
    return out / "tiny"


def _call(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main(list(words))
    return int(end.value.code or 0)


@pytest.mark.parametrize(("words", "split"), [((), "test"), (("--split", "val"), "val"), (("--split", "test"), "test")])
def test_a_runs_own_split_gives_the_figures_of_its_manifest(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], split: str
) -> None:
    assert _call("evaluate", str(run_folder), *words, "--json", str(tmp_path / "out.json")) == 0
    shown = capsys.readouterr().out
    assert f"on {split}" in shown and "macro F1" in shown and "recall" in shown and "blue" in shown
    result = json.loads((tmp_path / "out.json").read_text())
    expected = load_run(run_folder).manifest["metrics"][split]
    assert {key: result[key] for key in expected} == expected
    assert result["schema"] == "hawklet-evaluation/1" and result["measured_on"] == split and result["pictures"] == 6


def test_other_photos_are_measured_by_their_folders(
    run_folder: Path, colour_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(colour_photos / "red", other / "red")
    (other / "red" / "broken.png").write_bytes(b"no picture")
    assert _call("evaluate", str(run_folder), str(other)) == 0
    printed = capsys.readouterr()
    assert "12 pictures" in printed.out and "left out red/broken.png" in printed.err


def test_with_a_split_photos_are_the_runs_own_at_their_new_place(
    run_folder: Path, colour_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(colour_photos, tmp_path / "moved")
    assert _call("evaluate", str(run_folder), str(tmp_path / "moved"), "--split", "train") == 0
    assert "24 pictures" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("nowhere",), 1, "there is no folder nowhere"),
        (("{run}", "nowhere"), 1, "photos to measure on must be a folder"),
        (("{run}", "nowhere", "--split", "val"), 1, "say where they are now: hawklet evaluate RUN PHOTOS --split"),
        (("{run}", "{run}"), 1, "must be named by the model's labels, got 'weights'"),
        (("{run}", "--split", "all"), 2, "'all' is not one of"),
        (("{run}", "--model", "mobilenet_v2"), 2, "--model must be the run's own, which is 'resnet18'"),
    ],
)
def test_a_bad_request_is_one_clear_line(
    run_folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, message: str
) -> None:
    assert _call("evaluate", *(word.format(run=run_folder) for word in words)) == code
    errors = capsys.readouterr().err
    assert message in errors and "Traceback" not in errors


def test_a_run_without_test_pictures_is_measured_on_val(
    colour_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    shutil.copytree(colour_photos, photos / "train")
    words = ("--model", "mobilenet_v3_small", "--epochs", "0", "--weights", "none", "--imgsz", "32")
    assert _call("train", str(photos), *words, "--out", str(tmp_path), "--name", "few") == 0
    capsys.readouterr()
    assert _call("evaluate", str(tmp_path / "few")) == 0
    assert "on val" in capsys.readouterr().out
    assert _call("evaluate", str(tmp_path / "few"), "--split", "test") == 1
    assert "has no test pictures to measure on; it has --split train, val" in capsys.readouterr().err
