"""Real photos, from the folder to the int8 files: the accuracy that the README promises.

Each test takes minutes on 2 cores; `make acceptance` runs them.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from hawklet.bundle import Bundle

pytestmark = [pytest.mark.acceptance, pytest.mark.shared_data]


def _hawklet(*arguments: str | Path, cwd: Path) -> None:
    command = [sys.executable, "-m", "hawklet", *map(str, arguments)]
    subprocess.run(command, cwd=cwd, check=True, timeout=1800)


@pytest.mark.parametrize(("model", "least"), [("efficientnet_lite0", 91.0), ("mobilenet_v2", 87.0)])
def test_flowers_reach_the_promised_accuracy_in_both_int8_files(
    model: str, least: float, shared_data: Path, tmp_path: Path
) -> None:
    start = time.monotonic()
    _hawklet("train", shared_data / "flowers5", "--model", model, "--name", "flowers", "--minutes", "9", cwd=tmp_path)
    minutes = (time.monotonic() - start) / 60
    _hawklet("convert", "runs/flowers", "-o", "flowers.hawklet", cwd=tmp_path)
    _hawklet("verify", "flowers.hawklet", "--html", "verify.html", cwd=tmp_path)
    bundle = Bundle.open(tmp_path / "flowers.hawklet")
    accuracy = {variant.name: variant.accuracy for variant in bundle.manifest.variants}
    print(f"{model}: training {minutes:.1f} minutes, test accuracy {accuracy}")
    for variant in ("int8-tflite", "int8-onnx"):
        got = accuracy[variant]
        assert got is not None
        assert got >= least, f"{variant}: {got} %"
