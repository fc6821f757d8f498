"""What trackers are told of, and a server to tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hawklet.spec import PreprocessSpec
from hawklet_trainer.evaluation.metrics import measure
from hawklet_trainer.finish import TrainResult
from hawklet_trainer.models.architecture import Architecture
from hawklet_trainer.run import Run
from hawklet_trainer.training.terms import EpochRecord, History
from loopback_mlflow import FakeMlflow, serving


@pytest.fixture
def mlflow_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeMlflow]:
    """A server, and an environment in which nothing else is said of one."""
    pytest.importorskip("mlflow")
    for name in ("URI", "USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", "")
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with serving() as server:
        yield server


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """As much of a finished run as trackers send."""
    folder = tmp_path / "flowers"
    (folder / "weights").mkdir(parents=True)
    (folder / "report.html").write_text("<p>report")
    (folder / "weights" / "best.safetensors").write_bytes(b"weights")
    return folder


@pytest.fixture
def result(run_folder: Path) -> TrainResult:
    """Of two classes, of which val has one picture each, and there are no test pictures."""
    run = Run(run_folder, "flowers", Architecture("resnet18"), ("a", "b"), PreprocessSpec(32, 32), 0, 1.0, {})
    val = measure(np.array([0, 1]), np.array([[0.9, 0.1], [0.8, 0.2]], dtype=np.float32), ("a", "b"))
    return TrainResult(run, History(best_epoch=2), val, None, 10.0)


@pytest.fixture
def records() -> list[EpochRecord]:
    """The head and two epochs."""
    head = EpochRecord(0, "head", 1e-3, 0.5, 0.4, 88.0, 5.0)
    return [head, *(EpochRecord(n, "fine-tune", 1e-4, 0.6, 0.3, 90.0 + n, 9.0, 80.0 + n, 40.0) for n in (1, 2))]
