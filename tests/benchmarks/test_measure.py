from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hawklet.bundle import Bundle
from hawklet.errors import HawkletError, ImageError, ModelError, UsageError
from hawklet_benchmarks import measure as measuring
from hawklet_benchmarks.measure import Plan, measure
from hawklet_benchmarks.result import METRICS, Result


@pytest.fixture(scope="module")
def result(tiny_bundle: Path) -> Result:
    steps: list[tuple[int, int]] = []
    measured = measure(Plan(tiny_bundle, threads=1, rounds=12, processes=2), lambda *step: steps.append(step))
    assert steps == [(0, 2), (1, 2), (2, 2)]
    return measured


def test_a_bundle_is_measured_in_every_metric(result: Result) -> None:
    assert result.metrics == METRICS
    assert len(result.runs) == 2
    assert result.rounds == 12
    assert all(time > 0 for run in result.samples() for time in run)


def test_a_result_names_the_model_that_was_measured(result: Result, tiny_bundle: Path) -> None:
    bundle = Bundle.open(tiny_bundle)
    variant = bundle.variant("float32-tflite")
    assert (result.model.name, result.model.variant, result.model.file) == (
        "colours",
        "float32-tflite",
        tiny_bundle.name,
    )
    assert (result.model.sha256, result.model.bytes) == (variant.sha256, variant.bytes)
    assert (result.model.precision, result.model.accuracy) == ("float32", 100.0)
    assert result.engine.threads == 1
    assert "litert" in result.engine.runtime or "tflite" in result.engine.runtime


def test_a_result_names_no_folder(result: Result, tiny_bundle: Path) -> None:
    assert str(tiny_bundle.parent) not in str(result.to_dict())


def test_conditions_are_read_before_and_after(result: Result) -> None:
    assert result.before.time <= result.after.time == result.created
    assert result.machine.cores >= 1
    assert result.machine.libraries["numpy"] == np.__version__


def test_the_default_picture_is_640x480(result: Result) -> None:
    assert (result.picture.source, result.picture.width, result.picture.height) == ("generated", 640, 480)


def test_a_bare_model_is_measured_with_its_labels_and_a_picture_of_ones_own(tiny_bundle: Path, tmp_path: Path) -> None:
    content = Bundle.open(tiny_bundle).read("models/float32-onnx.onnx")
    (tmp_path / "m.onnx").write_bytes(content)
    (tmp_path / "labels.txt").write_text("red\ngreen\nblue\n")
    Image.new("RGB", (30, 20), "red").save(tmp_path / "red.png")
    plan = Plan(tmp_path / "m.onnx", labels=tmp_path / "labels.txt", image=tmp_path / "red.png", rounds=5, processes=1)
    result = measure(plan)
    assert result.model.sha256 == hashlib.sha256(content).hexdigest()
    assert (result.model.variant, result.model.precision, result.model.format) == (None, None, "onnx")
    assert (result.picture.source, result.picture.width, result.picture.height) == ("red.png", 30, 20)
    assert Result.from_dict(json.loads(json.dumps(result.to_dict()))) == result


def test_a_heic_picture_can_be_measured_with(tiny_bundle: Path, tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(Image.new("RGB", (64, 48), "red")).save(tmp_path / "red.heic")
    result = measure(Plan(tiny_bundle, image=tmp_path / "red.heic", rounds=1, processes=1))
    assert (result.picture.source, result.picture.width) == ("red.heic", 64)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seconds": 0.0}, "--seconds"),
        ({"seconds": float("nan")}, "--seconds"),
        ({"processes": 0}, "--processes"),
        ({"rounds": 3, "processes": 5}, "--rounds must be at least --processes"),
        ({"threads": 0}, "--threads"),
    ],
)
def test_a_plan_that_cannot_be_meant_is_refused_by_its_flag(options: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Plan(Path("m.tflite"), **options)  # type: ignore[arg-type] -- the options are of several types


def test_a_missing_model_and_a_broken_picture_are_refused_before_a_process_starts(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "_run_process", lambda request: pytest.fail("a process was started"))
    with pytest.raises(HawkletError, match="there is no bundle or model"):
        measure(Plan(tmp_path / "none.hawklet"))
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 not a picture")
    with pytest.raises(ImageError, match=r"broken\.jpg"):
        measure(Plan(tiny_bundle, image=tmp_path / "broken.jpg"))


@pytest.mark.parametrize(
    ("code", "stdout", "stderr", "words"),
    [
        (-11, "", "", "signal 11"),
        (1, "", "Traceback: it broke", "exit code 1: Traceback: it broke"),
        (0, "no json", "", "it said nothing"),
        (1, '{"error": "the model is odd"}', "", "the model is odd"),
    ],
)
def test_a_process_that_dies_is_an_error_in_words(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, code: int, stdout: str, stderr: str, words: str
) -> None:
    ended = subprocess.CompletedProcess([], code, stdout, stderr)
    monkeypatch.setattr(measuring.subprocess, "run", lambda *args, **options: ended)
    with pytest.raises(ModelError, match=words):
        measure(Plan(tiny_bundle, processes=1))
