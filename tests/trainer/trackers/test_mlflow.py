"""A run on an MLflow server."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from hawklet.errors import MissingDependencyError, OutputError
from hawklet_trainer.finish import TrainResult
from hawklet_trainer.trackers.mlflow import MlflowTracker
from hawklet_trainer.trackers.mlflow_address import mlflow_address
from hawklet_trainer.training.terms import EpochRecord
from loopback_mlflow import FakeMlflow

SETTINGS = {"lr": 1e-4, "model": "resnet18", "photos": "x" * 2000}


def test_a_training_becomes_a_run_with_all_that_there_is_to_know(
    mlflow_server: FakeMlflow, run_folder: Path, records: list[EpochRecord], result: TrainResult
) -> None:
    tracker = MlflowTracker(mlflow_address(mlflow_server.uri), run_folder)
    tracker.begin(SETTINGS)
    for record in records:
        tracker.epoch(record)
    tracker.end(result)
    run = mlflow_server.run()
    assert mlflow_server.experiments == ["hawklet"] and run["name"] == "flowers" and run["status"] == "FINISHED"
    assert run["params"]["lr"] == "0.0001" and len(run["params"]["photos"]) == 500
    told = mlflow_server.metrics()
    assert told["top1/val", 1] == 91.0 and told["top1/train", 2] == 82.0 and told["best/top1/val", 2] == 50.0
    assert {name.rpartition("/")[2]: data for name, data in mlflow_server.artifacts.items()} == {
        "report.html": b"<p>report",
        "best.safetensors": b"weights",
    }


def test_a_training_that_was_broken_off_goes_on_in_the_same_run(
    mlflow_server: FakeMlflow, run_folder: Path, records: list[EpochRecord], result: TrainResult
) -> None:
    first = MlflowTracker(mlflow_address(mlflow_server.uri), run_folder)
    first.begin(SETTINGS)
    first.epoch(records[0])
    first.end(None)
    assert mlflow_server.run()["status"] == "KILLED" and mlflow_server.artifacts == {}
    again = MlflowTracker(mlflow_address(mlflow_server.uri), run_folder)
    again.begin({**SETTINGS, "photos": "/new/place"})
    again.epoch(records[1])
    again.end(result)
    assert mlflow_server.run()["status"] == "FINISHED" and ("top1/val", 0) in mlflow_server.metrics()


def test_a_run_that_the_server_has_no_more_is_begun_anew(mlflow_server: FakeMlflow, run_folder: Path) -> None:
    (run_folder / "mlflow.json").write_text(json.dumps({"run_id": "f" * 32}))
    MlflowTracker(mlflow_address(mlflow_server.uri), run_folder).begin(SETTINGS)
    assert list(mlflow_server.runs) == [json.loads((run_folder / "mlflow.json").read_text())["run_id"]]


def test_the_experiment_is_that_of_the_environment(
    mlflow_server: FakeMlflow, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "flowers of spring")
    for _ in range(2):
        (run_folder / "mlflow.json").unlink(missing_ok=True)
        MlflowTracker(mlflow_address(mlflow_server.uri), run_folder).begin(SETTINGS)
    assert mlflow_server.experiments == ["flowers of spring"] and len(mlflow_server.runs) == 2


def test_a_password_reaches_the_server_and_no_message_or_file(
    mlflow_server: FakeMlflow, run_folder: Path, records: list[EpochRecord], capfd: pytest.CaptureFixture[str]
) -> None:
    uri = mlflow_server.uri.replace("http://", "http://ann:s3cret@")
    tracker = MlflowTracker(mlflow_address(uri), run_folder)
    tracker.begin(SETTINGS)
    assert mlflow_server.users == {"ann:s3cret"}
    mlflow_server.away = True
    with pytest.raises(OutputError, match=r"^MLflow at http://127\.0\.0\.1:\d+ could not be told") as error:
        tracker.epoch(records[0])
    mlflow_server.away = False
    tracker.end(None)
    written = "".join(path.read_text() for path in run_folder.rglob("*") if path.is_file())
    shown = capfd.readouterr()
    assert "s3cret" not in str(error.value) + written + shown.out + shown.err
    assert shown.out == ""


def test_a_server_that_is_not_there_is_told_of_in_one_line(mlflow_server: FakeMlflow, run_folder: Path) -> None:
    tracker = MlflowTracker(mlflow_address("http://127.0.0.1:9"), run_folder)
    with pytest.raises(OutputError, match=r"^MLflow at http://127\.0\.0\.1:9 could .* \(Connection refused\)$"):
        tracker.begin(SETTINGS)


def test_words_of_mlflow_are_kept_back_where_they_may_repeat_a_secret(run_folder: Path) -> None:
    pytest.importorskip("mlflow")
    tracker = MlflowTracker(mlflow_address("mysql://ann:s3cret@127.0.0.1:9/runs"), run_folder)
    with pytest.raises(OutputError, match=r"^MLflow at mysql://127\.0\.0\.1:9/runs could .* \([^()]+\)$") as error:
        tracker.begin(SETTINGS)
    assert "s3cret" not in str(error.value)


def test_a_missing_package_names_its_extra(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"--mlflow needs mlflow.*pip install 'hawklet\[mlflow\]'"):
        MlflowTracker(mlflow_address("http://localhost:5000"), run_folder)
