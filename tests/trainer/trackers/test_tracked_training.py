"""Whole (tiny) trainings that an MLflow server is told of, or should have been."""

from __future__ import annotations

from pathlib import Path

import pytest

from hawklet import cli
from hawklet_trainer.run import load_run
from loopback_mlflow import FakeMlflow

pytestmark = pytest.mark.usefixtures("small_network")
TINY = ("--model", "small", "--imgsz", "32", "--batch", "8", "--head-epochs", "2", "--epochs", "2", "--name", "run")


def _train(photos: Path, out: Path, *more: str) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main(["train", str(photos), *TINY, "--out", str(out), *more])
    return int(end.value.code or 0)


def test_a_server_is_told_of_every_epoch_and_the_address_is_written_nowhere(
    mlflow_server: FakeMlflow, colour_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = mlflow_server.uri.replace("http://", "http://ann:s3cret@")
    assert _train(colour_photos, tmp_path, "--mlflow", uri) == 0
    run = mlflow_server.run()
    assert run["status"] == "FINISHED" and run["params"]["model"] == "small" and run["params"]["epochs"] == "2"
    told = mlflow_server.metrics()
    assert {step for name, step in told if name == "top1/val"} == {0, 1, 2}
    assert ("best/top1/test", load_run(tmp_path / "run").manifest["training"]["best_epoch"]) in told
    assert len(mlflow_server.artifacts) == 2
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    shown = capsys.readouterr()
    assert b"s3cret" not in written and "s3cret" not in shown.out + shown.err


def test_an_unreachable_server_costs_a_warning_and_nothing_else(
    mlflow_server: FakeMlflow, colour_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _train(colour_photos, tmp_path, "--mlflow", "http://127.0.0.1:9") == 0
    shown = capsys.readouterr().out
    assert shown.count("MLflow at http://127.0.0.1:9 could not be told (Connection refused)") == 1
    assert "MLflow at http://127.0.0.1:9 was not told everything" in shown
    load_run(tmp_path / "run").build()


def test_whoever_is_told_the_same_is_learned(mlflow_server: FakeMlflow, colour_photos: Path, tmp_path: Path) -> None:
    assert _train(colour_photos, tmp_path, "--mlflow", mlflow_server.uri) == 0
    assert _train(colour_photos, tmp_path / "alone") == 0
    args = [(folder / "run" / "args.yaml").read_text() for folder in (tmp_path, tmp_path / "alone")]
    assert args[0].replace(str(tmp_path), "") == args[1].replace(str(tmp_path / "alone"), "")
    assert load_run(tmp_path / "run").manifest["metrics"] == load_run(tmp_path / "alone" / "run").manifest["metrics"]
