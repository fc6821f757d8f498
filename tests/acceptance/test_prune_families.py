"""Families of networks, and a user's own, trained, pruned, converted and proved by the commands themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hawklet.bundle import Bundle

pytestmark = pytest.mark.acceptance

_OWN = '''
from torch import nn


def build(classes):
    """Three convolutions and two dense layers, the first after a map that is laid flat."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, 2, 1), nn.ReLU(),
        nn.Conv2d(32, 48, 3, 2, 1, bias=False), nn.BatchNorm2d(48), nn.ReLU(),
        nn.Conv2d(48, 64, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(),
        nn.Linear(64 * 16, 64), nn.ReLU(), nn.Linear(64, classes),
    )
'''


def _hawklet(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hawklet", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=1800, env=environment
    )
    print(done.stdout[-3000:], done.stderr[-3000:])
    return done


@pytest.mark.parametrize(
    ("model", "side"),
    [
        ("mobilenet_v3_small", 64),  # MobileNetV2 is pruned by the demo; a VGG takes too long
        ("resnet18", 64),
        ("resnet50", 64),
        ("efficientnet_lite0", 64),
        ("inception_v3", 96),
        ("own_network:build", 64),
    ],
)
def test_a_pruned_network_is_smaller_in_both_formats_and_proved_against_its_run(
    model: str, side: int, photo_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "own_network.py").write_text(_OWN, encoding="utf-8")
    own = ("--model", model) if ":" in model else ()
    trained = _hawklet(
        tmp_path, "train", photo_folder, "--model", model, "--weights", "none", "--imgsz", side, "--epochs", 1,
        "--augment", "none", "--name", "shapes",
    )  # fmt: skip
    assert trained.returncode == 0
    pruned = _hawklet(
        tmp_path, "convert", "runs/shapes", "--prune-macs", 0.3, "--prune-epochs", 1, "--no-baselines",
        "--recipe", "int8", "--max-drop", 100, "--calibration", 24, "-o", "shapes.hawklet", *own,
    )  # fmt: skip
    assert pruned.returncode == 0

    facts = Bundle.open(tmp_path / "shapes.hawklet").manifest.provenance["pruning"]
    points = {(point["kind"], point["variant"]): point for point in facts["points"]}
    for variant in ("int8-tflite", "int8-onnx"):
        assert points["pruned", variant]["bytes"] < points["unpruned", variant]["bytes"]
        assert 0.6 <= points["pruned", variant]["macs"] / points["unpruned", variant]["macs"] <= 0.7
    assert any(group["after"] < group["before"] for stage in facts["stages"] for group in stage["groups"])

    assert _hawklet(tmp_path, "verify", "shapes.hawklet", "--max-drop", 100, *own).returncode == 0
