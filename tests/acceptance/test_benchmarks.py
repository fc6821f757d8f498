"""What this project claims of its own speed: ratios of CPU time, which hold on a busy machine too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.acceptance


def run_suite(repository: Path, name: str, *options: object) -> str:
    script = repository / "benchmarks" / "suites" / f"{name}.py"
    process = subprocess.run(
        [sys.executable, str(script), *(str(option) for option in options)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def test_the_command_line_starts_within_four_times_python_and_click(repository: Path) -> None:
    assert run_suite(repository, "startup").count("holds") == 2


@pytest.mark.shared_data
def test_the_frame_path_costs_at_most_a_quarter_on_top_of_the_engine(repository: Path, shared_data: Path) -> None:
    models = shared_data / "models"
    said = run_suite(
        repository,
        "frame_path",
        "--model",
        models / "mobilenet_v2_1.0_224_quant.tflite",
        "--labels",
        models / "labels" / "imagenet_labels.txt",
    )
    assert "at most 1.25: holds" in said
