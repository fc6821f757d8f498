"""The files alone in other people's programs: the ``py`` blocks of docs/convert.md, run without hawklet."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hawklet.bundle import Bundle
from hawklet.classifier import Classifier
from hawklet_converter.request import Conversion
from shown_commands import blocks_of

pytestmark = pytest.mark.acceptance

_REPOSITORY = Path(__file__).resolve().parents[2]
_INSTALL_SECONDS = 600


@pytest.fixture(scope="module")
def mediapipe_python() -> Path:
    """The interpreter of an environment with MediaPipe, kept in ``.venv-clients`` for the next time."""
    folder = _REPOSITORY / ".venv-clients"
    python, ready = folder / "bin" / "python", folder / ".ready"
    if ready.exists():
        return python
    venv.create(folder, clear=True, with_pip=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--only-binary=:all:", "mediapipe"]
    result = subprocess.run(install, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False)
    if result.returncode:
        pytest.skip(f"needs MediaPipe, which pip cannot install here: {result.stderr.strip().splitlines()[-1]}")
    ready.touch()
    return python


@pytest.fixture(scope="module")
def pictures(converted: Conversion, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The golden frames as picture files, so that nobody's resizing changes them."""
    folder = tmp_path_factory.mktemp("prepared")
    paths = []
    for number, pixels in enumerate(Bundle.open(converted.path).golden().inputs):
        paths.append(folder / f"{number}.png")
        Image.fromarray(pixels).save(paths[-1])
    return paths


def _client(package: str) -> str:
    blocks = blocks_of(_REPOSITORY / "docs" / "convert.md", "py")
    return next(block for block in blocks if package in block)


def _answers(python: Path, package: str, model: Path, pictures: list[Path], scratch: Path) -> list[tuple[str, float]]:
    """Label and score of each picture, by the documented client in a process of its own."""
    script = scratch / "client.py"
    script.write_text(_client(package))
    command = [str(python), "-I", str(script), str(model), *map(str, pictures)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    return [(label, float(score)) for label, score in (line.rsplit(" ", 1) for line in result.stdout.splitlines())]


def _assert_same_answers(
    converted: Conversion, variant: str, answers: list[tuple[str, float]], pictures: list[Path]
) -> None:
    bundle = Bundle.open(converted.path)
    classifier = Classifier.from_bundle(bundle, variant=variant)
    tolerance = bundle.variant(variant).golden_tolerance
    assert len(answers) == len(pictures)
    for (label, score), picture in zip(answers, pictures, strict=True):
        pixels = np.asarray(Image.open(picture))
        assert label == classifier.classify(pixels).top.label
        # The best of a few classes may be right by luck; its logit is not.
        assert score == pytest.approx(classifier.raw_output(pixels).max(), abs=tolerance)
    assert len({label for label, _ in answers}) > 1
    classifier.close()


def _taken_out(converted: Conversion, variant: str, folder: Path) -> Path:
    bundle = Bundle.open(converted.path)
    member = bundle.variant(variant).file
    (folder / Path(member).name).write_bytes(bundle.read(member))
    return folder / Path(member).name


@pytest.mark.parametrize("variant", ["int8-tflite", "float32-tflite"])
def test_mediapipe_names_pictures_as_hawklet_does(
    variant: str, converted: Conversion, pictures: list[Path], mediapipe_python: Path, tmp_path: Path
) -> None:
    model = _taken_out(converted, variant, tmp_path)
    answers = _answers(mediapipe_python, "mediapipe", model, pictures, tmp_path)
    _assert_same_answers(converted, variant, answers, pictures)


@pytest.mark.parametrize("variant", ["int8-onnx", "float32-onnx"])
def test_plain_onnxruntime_names_pictures_as_hawklet_does(
    variant: str, converted: Conversion, pictures: list[Path], tmp_path: Path
) -> None:
    model = _taken_out(converted, variant, tmp_path)
    answers = _answers(Path(sys.executable), "onnxruntime", model, pictures, tmp_path)
    _assert_same_answers(converted, variant, answers, pictures)
