"""The wheel holds our five packages, their data, and nothing else at its top."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from hawklet import __version__


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=repository, check=True, capture_output=True, timeout=120)
    (built,) = out.glob("*.whl")
    return zipfile.ZipFile(built)


def test_its_top_level_names_are_ours_alone(wheel: zipfile.ZipFile) -> None:
    assert {name.split("/")[0] for name in wheel.namelist()} == {
        "hawklet",
        "hawklet_trainer",
        "hawklet_converter",
        "hawklet_benchmarks",
        "hawklet_hardware",
        f"hawklet-{__version__}.dist-info",
    }


@pytest.mark.parametrize(
    "member",
    [
        "hawklet/py.typed",
        "hawklet/schemas/bundle-1.schema.json",
        "hawklet_hardware/boards/rpi5.toml",
        "hawklet_trainer/py.typed",
        "hawklet_converter/py.typed",
        "hawklet_converter/verification/templates/verification.html.j2",
    ],
)
def test_it_carries_the_data_that_the_packages_read(wheel: zipfile.ZipFile, member: str) -> None:
    assert member in wheel.namelist()


def test_the_base_requirements_are_few_and_every_promised_extra_exists(wheel: zipfile.ZipFile) -> None:
    metadata = wheel.read(f"hawklet-{__version__}.dist-info/METADATA").decode()
    requires = [line.split(": ", 1)[1] for line in metadata.splitlines() if line.startswith("Requires-Dist")]
    base = {r.split(">")[0].split("=")[0].strip() for r in requires if "extra ==" not in r}
    assert base == {"numpy", "pillow", "click"}
    extras = {line.split(": ", 1)[1] for line in metadata.splitlines() if line.startswith("Provides-Extra")}
    promised = "train tune mlflow data convert keras tflite onnx camera web mqtt gpio flash bench host device all dev"
    assert extras == set(promised.split())
