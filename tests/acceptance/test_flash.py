"""A whole flash as a new board sees it: wheel built, environment made by pip there, golden frames, live frames."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hawklet.spec import ModelFormat
from hawklet_hardware.flash.flasher import flash
from hawklet_hardware.flash.options import EnvironmentOptions, FlashOptions, RunOptions, ServiceChoice
from loopback_sshd import running_sshd

pytestmark = pytest.mark.acceptance


@pytest.mark.parametrize("engine", list(ModelFormat))
def test_a_bare_python_becomes_a_board_that_classifies(engine: ModelFormat, tiny_bundle: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "board"
    options = FlashOptions(
        environment=EnvironmentOptions(engine=engine),
        run=RunOptions("synthetic://cards", service=ServiceChoice.NONE),
        prefix=str(prefix),
    )
    said: list[str] = []
    with running_sshd(tmp_path / "sshd") as sshd:
        report = flash(tiny_bundle, sshd.target, sshd.login(), options, said.append)
        again = flash(tiny_bundle, sshd.target, sshd.login(), options, said.append)
    assert report is not None and again is not None and again.already_there
    assert [(row.variant, row.passed) for row in report.golden] == [(f"float32-{engine.value}", True)]
    assert report.release.python.startswith(f"{prefix}/envs/")
    command = ["sh", str(prefix / "current" / "start"), "--frames", "5", "--jsonl", "-"]
    live = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    lines = [json.loads(line) for line in live.stdout.splitlines() if line.startswith("{")]
    assert lines[-1]["summary"]["frames"] == 5


def test_a_board_without_internet_takes_its_wheels_from_here(tiny_bundle: Path, tmp_path: Path) -> None:
    wheels, prefix = tmp_path / "wheels", tmp_path / "board"
    needed = ["numpy>=1.24", "pillow>=10.1", "click>=8.1", "ai-edge-litert>=2.1"]
    # By the interpreter that the board will use, so that the wheels are for it.
    download = ["python3", "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--dest", str(wheels), *needed]
    subprocess.run(download, check=True, timeout=300)
    options = FlashOptions(
        environment=EnvironmentOptions(engine=ModelFormat.TFLITE, wheelhouse=wheels),
        run=RunOptions("synthetic://cards", service=ServiceChoice.NONE),
        prefix=str(prefix),
    )
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": ""}
    with running_sshd(tmp_path / "sshd", {**nowhere, "PATH": os.environ["PATH"]}) as sshd:
        report = flash(tiny_bundle, sshd.target, sshd.login(), options, [].append)
    assert report is not None and report.golden[0].passed


@pytest.mark.shared_data
def test_a_packaged_model_of_other_peoples_reaches_a_board(shared_data: Path, tmp_path: Path) -> None:
    model = shared_data / "models" / "automl_labeler_model.tflite"
    bundle, prefix = tmp_path / "made.hawklet", tmp_path / "board"
    package = [sys.executable, "-m", "hawklet", "package", str(model), "-o", str(bundle)]
    subprocess.run(package, check=True, timeout=120, capture_output=True)
    options = FlashOptions(
        environment=EnvironmentOptions(engine=ModelFormat.TFLITE),
        run=RunOptions("synthetic://cards", service=ServiceChoice.NONE),
        prefix=str(prefix),
    )
    with running_sshd(tmp_path / "sshd") as sshd:
        report = flash(bundle, sshd.target, sshd.login(), options, [].append)
    assert report is not None and [(row.variant, row.passed) for row in report.golden] == [("int8-tflite", True)]
    command = ["sh", str(prefix / "current" / "start"), "--frames", "3", "--jsonl", "-"]
    live = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    lines = [json.loads(line) for line in live.stdout.splitlines() if line.startswith("{")]
    assert lines[-1]["summary"]["frames"] == 3
