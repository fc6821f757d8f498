"""Other people's models, packaged: the same answers as bare, proved and measured as bundles are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hawklet.bundle import Bundle

pytestmark = [pytest.mark.acceptance, pytest.mark.shared_data]

_EXPECTED = Path(__file__).resolve().parents[3] / "shared" / "data" / "models" / "expected.json"
_MODELS: dict[str, Any] = json.loads(_EXPECTED.read_text())["tflite"] if _EXPECTED.exists() else {}
_FLOAT = {"pretrainedResnet.tflite", "mobilenet_v1_0.25_224_1_metadata_1.tflite"}


def _hawklet(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hawklet", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def _options(model: str, folder: Path, scratch: Path) -> list[object]:
    options: list[object] = ["--normalize", "0..255"] if model == "pretrainedResnet.tflite" else []
    count = _MODELS[model]["out"][0][1]
    if _MODELS[model]["labels_embedded"]:
        return options
    if count == 1001:
        return [*options, "--labels", folder / "labels" / "imagenet_labels.txt"]
    labels = scratch / "labels.txt"
    labels.write_text("\n".join(f"class{i}" for i in range(count)))
    return [*options, "--labels", labels]


@pytest.mark.parametrize("model", [name for name, about in _MODELS.items() if "pred" in about])
def test_a_packaged_model_answers_as_the_bare_file_does(model: str, shared_data: Path, tmp_path: Path) -> None:
    folder, bundle = shared_data / "models", tmp_path / "made.hawklet"
    made = _hawklet("package", folder / model, "-o", bundle, *_options(model, folder, tmp_path))
    assert made.returncode == 0, made.stderr
    result = _hawklet("run", bundle, folder / "images", "--jsonl", "-", "--top-k", "1")
    assert result.returncode == 0, result.stderr
    answers = {line["name"]: line for line in map(json.loads, result.stdout.splitlines()) if "name" in line}
    opened = Bundle.open(bundle).manifest
    for picture, (index, _, score) in _MODELS[model]["pred"].items():
        assert answers[picture]["label"] == opened.labels[index]
        assert answers[picture]["score"] == pytest.approx(score, abs=0.02)
    assert opened.variants[0].name == ("float32-tflite" if model in _FLOAT else "int8-tflite")
    tested = _hawklet("run", bundle, "--self-test")
    assert tested.returncode == 0, tested.stderr


def test_a_packaged_model_is_benchmarked(shared_data: Path, tmp_path: Path) -> None:
    folder, bundle = shared_data / "models", tmp_path / "made.hawklet"
    assert _hawklet("package", folder / "automl_labeler_model.tflite", "-o", bundle).returncode == 0
    result = _hawklet("bench", bundle, "--processes", "1", "-o", tmp_path / "bench.json")
    assert result.returncode == 0, result.stderr
    assert json.loads((tmp_path / "bench.json").read_text())


def test_photos_measure_a_packaged_model(shared_data: Path, tmp_path: Path) -> None:
    model, bundle = shared_data / "models" / "automl_labeler_model.tflite", tmp_path / "made.hawklet"
    made = _hawklet("package", model, "--photos", shared_data / "flowers5" / "test", "-o", bundle)
    assert made.returncode == 0, made.stderr
    assert Bundle.open(bundle).manifest.variants[0].accuracy == pytest.approx(86.0, abs=1.0)


def test_a_model_that_cannot_run_is_not_packaged(shared_data: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("a\nb\n")
    model, bundle = shared_data / "models" / "model_invoking_error.tflite", tmp_path / "made.hawklet"
    result = _hawklet("package", model, "--labels", labels, "-o", bundle)
    assert result.returncode == 1
    assert "fake-op-double" in result.stderr
    assert not bundle.exists()
