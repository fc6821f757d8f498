"""Keras models, in an environment with TensorFlow and without torch: ``.venv-keras``, built when it is missing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hawklet.bundle import Bundle
from hawklet.spec import OutputKind, Precision

pytestmark = pytest.mark.acceptance

_REPOSITORY = Path(__file__).resolve().parents[2]
_TRAIN = _REPOSITORY / "tests" / "train_keras_shapes.py"


def _run(python: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    outside = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    command = [str(python), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, env=outside)


@pytest.fixture(scope="module")
def keras_python() -> Path:
    """The interpreter of ``.venv-keras``; the tests are skipped where pip cannot build it."""
    folder = _REPOSITORY / ".venv-keras"
    python = folder / "bin" / "python"
    if python.exists() and _run(python, "-c", "import tensorflow, hawklet").returncode == 0:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    installed = _run(python, "-m", "pip", "install", "-q", "-e", f"{_REPOSITORY}[keras]")
    if installed.returncode != 0:
        shutil.rmtree(folder)
        pytest.skip(f"needs tensorflow, which pip cannot install here: {installed.stderr.strip()[-300:]}")
    return python


@pytest.fixture(scope="module")
def made(keras_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of trained and of awkward Keras models, and of drawn photos."""
    folder = tmp_path_factory.mktemp("keras")
    result = _run(keras_python, _TRAIN, folder)
    assert result.returncode == 0, result.stderr[-2000:]
    return folder


def _hawklet(python: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return _run(python, "-m", "hawklet", *arguments)


@pytest.mark.parametrize("model", [("shapes.keras",), ("shapes.h5",), ("plain.keras", "--normalize", "-1..1")])
def test_a_keras_classifier_becomes_an_int8_bundle_that_runs(
    keras_python: Path, made: Path, model: tuple[str, ...], tmp_path: Path
) -> None:
    bundle = tmp_path / "made.hawklet"
    name, *options = model
    result = _hawklet(keras_python, "convert", made / name, "--photos", made / "photos", *options, "-o", bundle)
    assert result.returncode == 0, result.stderr
    manifest = Bundle.open(bundle).manifest
    assert manifest.labels == ("circle", "square", "triangle")
    assert [variant.precision for variant in manifest.variants] == [Precision.INT8, Precision.FLOAT32]
    assert {variant.output for variant in manifest.variants} == {OutputKind.PROBABILITIES}
    int8, float32 = (variant.accuracy or 0 for variant in manifest.variants)
    assert float32 > 75
    assert int8 >= float32 - 1
    run = _hawklet(keras_python, "run", bundle, made / "photos" / "square", "--jsonl", "-", "--top-k", "1")
    assert run.returncode == 0, run.stderr
    labels = [line["label"] for line in map(json.loads, run.stdout.splitlines()) if "label" in line]
    assert labels.count("square") > 0.75 * len(labels)
    assert _hawklet(keras_python, "run", bundle, "--self-test").returncode == 0


def test_the_float_file_answers_as_keras_does(keras_python: Path, made: Path, tmp_path: Path) -> None:
    bundle, labels = tmp_path / "made.hawklet", tmp_path / "labels.txt"
    labels.write_text("round\nangular\npointed\n")
    options = ("--labels", labels, "--normalize", "-1..1")
    result = _hawklet(keras_python, "convert", made / "plain.keras", *options, "-o", bundle)
    assert result.returncode == 0, result.stderr
    opened = Bundle.open(bundle)
    assert [variant.name for variant in opened.manifest.variants] == ["float32-tflite"]
    assert opened.manifest.labels == ("round", "angular", "pointed")
    code = (
        "import sys, keras, numpy as np; from hawklet.bundle import Bundle\n"
        "golden = Bundle.open(sys.argv[2]).golden()\n"
        "expected = keras.models.load_model(sys.argv[1])(golden.inputs.astype('float32') / 127.5 - 1, training=False)\n"
        "print(np.abs(np.asarray(expected) - golden.outputs['float32-tflite']).max())\n"
    )
    compared = _run(keras_python, "-c", code, made / "plain.keras", bundle)
    assert compared.returncode == 0, compared.stderr
    assert float(compared.stdout) < 1e-4


def test_int8_that_loses_too_much_is_refused_and_nothing_is_written(
    keras_python: Path, made: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "made.hawklet"
    result = _hawklet(keras_python, "convert", made / "spoiled.keras", "--photos", made / "photos", "-o", bundle)
    assert result.returncode == 1
    assert "int8 may lose 1 points" in result.stderr
    assert not bundle.exists()


@pytest.mark.parametrize(
    ("model", "code", "said"),
    [
        ("plain.keras", 2, "give it: --normalize"),
        ("lambda.keras", 1, "carries Python code"),
        ("lambda.h5", 1, "carries Python code"),
        ("cut.keras", 1, "it was cut short"),
        ("two_outputs.keras", 1, "has 1 and 2"),
        ("one_number.keras", 1, "two or more classes"),
        ("vector.keras", 1, "must be pictures"),
        ("any_size.keras", 1, "of one size"),
        ("half.keras", 1, "does in float16"),
    ],
)
def test_what_cannot_be_converted_is_refused_in_one_line(
    keras_python: Path, made: Path, tmp_path: Path, model: str, code: int, said: str
) -> None:
    bundle = tmp_path / "made.hawklet"
    result = _hawklet(keras_python, "convert", made / model, "--photos", made / "photos", "-o", bundle)
    assert result.returncode == code, result.stderr
    complaint = result.stderr.strip().splitlines()[-1]
    assert complaint.startswith("hawklet: ")
    assert said in complaint
    assert not bundle.exists()
